// Owns what proto/redis/publish.lua takes for an update: its plain checks, once more in TypeScript. The model of the scripts asks.
// Invariant: passes what the script passes, and nothing else.

import { ByteWriter } from '../../src/protocol/writer.ts';
import { type Packed, packedLength, unpackAll } from './packed.ts';

/** By the kinds of updates. */
const CHANNELS: readonly string[] = ['book', 'book', 'quote', 'trade', 'status'];
const ELEMENTS: readonly number[] = [4, 4, 6, 7, 4];

/** The first value of an update, where all that stands there can be read; what follows the first is not looked at. */
export function readable(bytes: Uint8Array): readonly Packed[] | null {
  const values = unpackAll(bytes);
  const first = values?.[0];
  return Array.isArray(first) ? first : null;
}

/** Whether the script refuses it in a topic of that channel, as `bad-update`. */
export function misshapen(update: readonly Packed[], channel: string | undefined): boolean {
  const [kind, exchangeUs, a, b, c, d, e] = update;
  if (!among(kind, 4) || CHANNELS[kind] !== channel) return true;
  if (packedLength(update) > ELEMENTS[kind]!) return true;
  if (!absent(exchangeUs)) return true;
  if (kind <= 1) return flawed(a) || flawed(b);
  if (kind === 2) return !(absent(a) && natural(b) && absent(c) && natural(d));
  if (kind === 3) return !((absent(a) || isText(a, 256)) && among(b, 2) && among(c, 2) && whole(d) && natural(e));
  return !(among(a, 3) && (b == null || isText(b, 1_024)));
}

function flawed(flat: Packed | undefined): boolean {
  if (!Array.isArray(flat)) return true;
  const length = packedLength(flat);
  if (length % 3 !== 0) return true;
  return flat.slice(0, length).some((number, i) => !whole(number) || (i % 3 !== 0 && number < 0));
}

function whole(value: Packed | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}

function natural(value: Packed | undefined): boolean {
  return whole(value) && value >= 0;
}

function absent(value: Packed | undefined): boolean {
  return value == null || whole(value);
}

function among(value: Packed | undefined, max: number): value is number {
  return whole(value) && value >= 0 && value <= max;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isText(value: Packed | undefined, bytesMax: number): boolean {
  if (!(value instanceof Uint8Array) || value.length > bytesMax) return false;
  try {
    utf8.decode(value);
    return true;
  } catch {
    return false;
  }
}

/** As the script writes an update: every number in its shortest form. */
export function repacked(update: readonly Packed[]): Uint8Array {
  const writer = new ByteWriter();
  const count = ELEMENTS[update[0] as number]!;
  writer.array(count);
  for (let i = 0; i < count; i++) {
    const value = update[i] ?? null;
    if (Array.isArray(value)) {
      const flat = value.slice(0, packedLength(value)) as number[];
      writer.array(flat.length);
      writer.integers(flat, flat.length);
    } else if (value instanceof Uint8Array) writer.string(utf8.decode(value));
    else writer.integerOrNil(value as number | null);
  }
  return writer.copy();
}
