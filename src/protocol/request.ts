// Owns what clients may ask for, and the reading of it from either codec. Called by the session for every message.
// Invariant: what comes out has the documented shape, or is a fault of the catalogue; unknown fields are refused.

import Type, { type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { DecodeError } from './codec.ts';
import { type ErrorCode, type Fault, fault } from './errors.ts';
import { CHANNELS, DEPTHS, GROUP_MAX, MODES } from './frames.ts';
import { unpackAll } from './unpack.ts';

const id = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const channel = Type.Enum([...CHANNELS]);
const symbols = Type.Array(Type.String({ maxLength: 64 }), { minItems: 1 });
const seq = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const depth = Type.Enum([...DEPTHS]);
/** Never repeated in an answer. */
const secret = Type.String({ minLength: 1, maxLength: 8_192 });
/** Topics of which one ping may say what is held. */
const HELD_PER_PING_MAX = 256;
/** Ticks that a level of a grouped book sums up. */
const group = Type.Optional(Type.Integer({ minimum: 0, maximum: GROUP_MAX }));

/** Where a client stands: it holds the best `depth` levels (0: all) of the topic's `epoch` at `seq`. */
const CursorSchema = Type.Object({ epoch: seq, seq, depth: Type.Optional(depth) }, { additionalProperties: false });

const SCHEMAS = {
  subscribe: Type.Object(
    {
      op: Type.Literal('subscribe'),
      id,
      channel,
      symbols,
      group,
      depth: Type.Optional(depth),
      interval: Type.Optional(Type.Number({ minimum: 0, maximum: 60_000 })),
      mode: Type.Optional(Type.Enum([...MODES])),
      priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 9 })),
      last: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
      // The pattern takes keys of any characters: `.` would leave those with a line break unchecked.
      cursor: Type.Optional(Type.Record(Type.String({ pattern: '^[^]*$' }), CursorSchema)),
    },
    { additionalProperties: false },
  ),
  unsubscribe: Type.Object(
    { op: Type.Literal('unsubscribe'), id, channel, symbols, group },
    { additionalProperties: false },
  ),
  resync: Type.Object({ op: Type.Literal('resync'), id, channel, symbols, group }, { additionalProperties: false }),
  instruments: Type.Object(
    { op: Type.Literal('instruments'), id, watch: Type.Optional(Type.Boolean()) },
    { additionalProperties: false },
  ),
  limit: Type.Object(
    {
      op: Type.Literal('limit'),
      id,
      maxBytesPerSec: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000_000 })),
      topOfBook: Type.Optional(Type.Boolean()),
    },
    { additionalProperties: false },
  ),
  demo: Type.Object(
    { op: Type.Literal('demo'), id, stallMs: Type.Integer({ minimum: 0, maximum: 60_000 }) },
    { additionalProperties: false },
  ),
  ping: Type.Object(
    {
      op: Type.Literal('ping'),
      id,
      /** How old what the client shows is, as it measures. */
      lagMs: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
      /** Topic id and the seq that is held, one after the other. */
      held: Type.Optional(Type.Array(seq, { maxItems: 2 * HELD_PER_PING_MAX })),
    },
    { additionalProperties: false },
  ),
  auth: Type.Object({ op: Type.Literal('auth'), id, credential: secret }, { additionalProperties: false }),
  resume: Type.Object(
    {
      op: Type.Literal('resume'),
      id,
      token: secret,
      /** Whether the subscriptions come back too. */
      subscriptions: Type.Optional(Type.Boolean()),
      /** By the names of topics, as `book:BTC-USD`. */
      cursors: Type.Optional(Type.Record(Type.String({ pattern: '^[^]*$' }), CursorSchema)),
    },
    { additionalProperties: false },
  ),
};

/** The operations that there are. */
export const OPS: readonly string[] = Object.keys(SCHEMAS);

export type SubscribeRequest = Static<typeof SCHEMAS.subscribe>;
export type UnsubscribeRequest = Static<typeof SCHEMAS.unsubscribe>;
export type ResyncRequest = Static<typeof SCHEMAS.resync>;
export type InstrumentsRequest = Static<typeof SCHEMAS.instruments>;
export type LimitRequest = Static<typeof SCHEMAS.limit>;
export type DemoRequest = Static<typeof SCHEMAS.demo>;
export type PingRequest = Static<typeof SCHEMAS.ping>;
export type AuthRequest = Static<typeof SCHEMAS.auth>;
export type ResumeRequest = Static<typeof SCHEMAS.resume>;
export type Request =
  | SubscribeRequest
  | UnsubscribeRequest
  | ResyncRequest
  | InstrumentsRequest
  | LimitRequest
  | DemoRequest
  | PingRequest
  | AuthRequest
  | ResumeRequest;

/** A request that can't be carried out, with its id where that could be read. */
export interface BadRequest {
  readonly id: number | null;
  readonly fault: Fault;
}

const compiled = Object.fromEntries(
  Object.entries(SCHEMAS).map(([op, schema]) => [op, Compile(schema as TSchema)]),
) as unknown as Record<string, ReturnType<typeof Compile>>;

/** What stands in these fields, wherever they are, and in these operations, misspelt fields included, is not sent back. */
const SECRET_FIELDS: ReadonlySet<string> = new Set(['credential', 'token']);
const SECRET_OPS: ReadonlySet<unknown> = new Set(['auth', 'resume']);

/** The field at fault decides the code. */
const CODE_OF_FIELD: ReadonlyMap<string, ErrorCode> = new Map([
  ['channel', 'unknown-channel'],
  ['depth', 'bad-depth'],
  ['group', 'bad-group'],
  ['interval', 'bad-interval'],
  ['mode', 'bad-mode'],
]);

/**
 * The values of one message, not yet checked.
 * @returns a fault where the bytes are no MessagePack or JSON at all.
 */
export function readMessage(message: Uint8Array, binary: boolean): unknown[] | Fault {
  try {
    return binary ? unpackAll(message) : readJsonLines(message);
  } catch (error) {
    return fault('bad-frame', error instanceof DecodeError ? error.message : 'not JSON');
  }
}

function readJsonLines(message: Uint8Array): unknown[] {
  const lines = new TextDecoder('utf-8', { fatal: true }).decode(message).split('\n');
  const values = lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as unknown);
  if (values.length === 0) throw new DecodeError('the message is empty');
  return values;
}

/** The request that a value is, or what is wrong with it. */
export function readRequest(value: unknown): Request | BadRequest {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { id: null, fault: fault('bad-request', 'a request is a map') };
  }
  const { op, id: given } = value as { op?: unknown; id?: unknown };
  const requestId = Number.isSafeInteger(given) && (given as number) >= 0 ? (given as number) : null;
  if (typeof op !== 'string' || !OPS.includes(op)) {
    return { id: requestId, fault: fault('unknown-op', shown(op)) };
  }
  const check = compiled[op]!;
  if (!check.Check(value)) return { id: requestId, fault: faultOf(value as Record<string, unknown>, check) };
  const request = value as Request;
  if (request.op === 'ping' && request.held !== undefined && request.held.length % 2 !== 0)
    return { id: requestId, fault: fault('bad-request', 'held: a topic without its seq') };
  return request;
}

function faultOf(value: Record<string, unknown>, check: ReturnType<typeof Compile>): Fault {
  const [first] = check.Errors(value);
  const path = first?.instancePath.split('/') ?? [];
  const field = path[1] ?? '';
  const code =
    path.length === 2 && value[field] !== undefined ? (CODE_OF_FIELD.get(field) ?? 'bad-request') : 'bad-request';
  if (field === '') return fault('bad-request', first?.message ?? 'unknown field');
  const found = valueAt(value, path.slice(1));
  const isSecret = typeof found === 'string' && (SECRET_FIELDS.has(field) || SECRET_OPS.has(value.op));
  const said = isSecret ? `a text of ${found.length} characters` : shown(found);
  return fault(code, `${path.slice(1).join('.')}: ${said}`.slice(0, 120));
}

/** The value that a JSON pointer leads to. */
function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const name of path)
    at = (at as Record<string, unknown> | undefined)?.[name.replace(/~1/g, '/').replace(/~0/g, '~')];
  return at;
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 48));
  if (typeof value === 'object') return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'a map';
  return String(value);
}
