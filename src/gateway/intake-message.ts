// Owns the reading of what is published plainly, `PUBLISH <prefix>:in:<symbol>`: one item, a list of them, or an envelope that says
// from whom it is and which in number. The intake calls it; proto/redis.md documents the form. Invariant: a message is read whole,
// within its limits, or is a fault of the catalogue; the items themselves are not looked at yet.

import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { type Fault, fault } from '../protocol/errors.ts';
import { unpackAll } from '../protocol/unpack.ts';

export interface PlainMessage {
  /** The name of its source; empty where it gives none. */
  readonly source: string;
  /** Its number among the messages of that source about that symbol; null where they are not numbered. */
  readonly number: number | null;
  readonly items: readonly unknown[];
  /** It was MessagePack: integers are mantissas. */
  readonly mantissas: boolean;
  readonly bytes: number;
}

export interface MessageLimits {
  readonly publishBytesMax: number;
  readonly publishItemsMax: number;
}

const ENVELOPE = Type.Object(
  {
    from: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    n: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
    items: Type.Array(Type.Unknown()),
  },
  { additionalProperties: false },
);
const CHECK = Compile(ENVELOPE);

const utf8 = new TextDecoder('utf-8', { fatal: true });

export function readPlainMessage(bytes: Uint8Array, limits: MessageLimits): PlainMessage | Fault {
  const { publishBytesMax, publishItemsMax } = limits;
  if (bytes.length > publishBytesMax) return fault('too-large', `${bytes.length} bytes, at most ${publishBytesMax}`);
  const mantissas = beginsMsgpack(bytes[0] ?? 0);
  const value = readValue(bytes, mantissas);
  if ('fault' in value) return value.fault;
  const envelope = envelopeOf(value.value);
  if ('code' in envelope) return envelope;
  const { from = '', n = null, items } = envelope;
  if (n !== null && from === '')
    return fault('bad-request', 'n counts the messages of a source: give its name in from');
  if (items.length > publishItemsMax) return fault('too-large', `${items.length} items, at most ${publishItemsMax}`);
  return { source: from, number: n, items, mantissas, bytes: bytes.length };
}

/** Maps and lists of MessagePack begin with bytes that no JSON text begins with. */
function beginsMsgpack(first: number): boolean {
  return (first >= 0x80 && first < 0xa0) || (first >= 0xdc && first < 0xe0);
}

function readValue(bytes: Uint8Array, msgpack: boolean): { value: unknown } | { fault: Fault } {
  try {
    if (!msgpack) return { value: JSON.parse(utf8.decode(bytes)) as unknown };
    const values = unpackAll(bytes);
    return { value: values.length === 1 ? values[0] : values };
  } catch (error) {
    return { fault: fault('bad-frame', error instanceof Error ? error.message.slice(0, 100) : 'unreadable') };
  }
}

function envelopeOf(value: unknown): Static<typeof ENVELOPE> | Fault {
  if (Array.isArray(value)) return { items: value };
  if (typeof value !== 'object' || value === null) return fault('bad-request', 'a message is an object or a list');
  if (!Object.hasOwn(value, 'items')) return { items: [value] };
  if (CHECK.Check(value)) return value;
  const [first] = CHECK.Errors(value);
  return fault('bad-request', `${first?.instancePath.slice(1) || 'message'}: ${first?.message ?? 'not as documented'}`);
}
