// Owns the reading of hostile MessagePack: requests and published bodies. The only file that imports msgpackr.
// Invariant: bytes are checked before msgpackr sees them, so that extensions, binaries, bombs and half values are refused
// and what comes out are plain values: null, booleans, numbers, strings, arrays, maps with string keys.

import { Unpackr } from 'msgpackr';
import { DecodeError } from './codec.ts';

const NESTING_MAX = 8;
const utf8 = new TextDecoder('utf-8', { fatal: true });
/** 64-bit integers beyond 2^53 come out as BigInt, which no schema of ours accepts: they are refused, never rounded. */
// 'auto' is in msgpackr's documentation, its types lack it.
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'auto' as 'bigint' });

/**
 * All values of a message, which may hold several back to back.
 * @throws DecodeError where there is anything but plain values.
 */
export function unpackAll(bytes: Uint8Array): unknown[] {
  if (bytes.length === 0) throw new DecodeError('the message is empty');
  for (let at = 0; at < bytes.length; ) at = checkValue(bytes, at, 0);
  try {
    return unpackr.unpackMultiple(bytes) as unknown[];
  } catch (error) {
    throw new DecodeError(error instanceof Error ? error.message : 'not MessagePack');
  }
}

/** Where the value that begins at `start` ends. */
function checkValue(bytes: Uint8Array, start: number, nesting: number): number {
  if (nesting > NESTING_MAX) throw new DecodeError(`values nested more than ${NESTING_MAX} deep`);
  const head = bytes[start];
  if (head === undefined) throw new DecodeError('the message ends inside a value');
  const at = start + 1;
  if (head < 0x80 || head >= 0xe0) return at;
  if (head < 0x90) return checkMap(bytes, at, head & 0x0f, nesting);
  if (head < 0xa0) return checkArray(bytes, at, head & 0x0f, nesting);
  if (head < 0xc0) return checkString(bytes, at, head & 0x1f);
  switch (head) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return at;
    case 0xca:
      return ends(bytes, at, 4);
    case 0xcb:
      return ends(bytes, at, 8);
    case 0xcc:
    case 0xd0:
      return ends(bytes, at, 1);
    case 0xcd:
    case 0xd1:
      return ends(bytes, at, 2);
    case 0xce:
    case 0xd2:
      return ends(bytes, at, 4);
    case 0xcf:
    case 0xd3:
      return ends(bytes, at, 8);
    case 0xd9:
      return checkString(bytes, ends(bytes, at, 1), count(bytes, at, 1));
    case 0xda:
      return checkString(bytes, ends(bytes, at, 2), count(bytes, at, 2));
    case 0xdb:
      return checkString(bytes, ends(bytes, at, 4), count(bytes, at, 4));
    case 0xdc:
      return checkArray(bytes, ends(bytes, at, 2), count(bytes, at, 2), nesting);
    case 0xdd:
      return checkArray(bytes, ends(bytes, at, 4), count(bytes, at, 4), nesting);
    case 0xde:
      return checkMap(bytes, ends(bytes, at, 2), count(bytes, at, 2), nesting);
    case 0xdf:
      return checkMap(bytes, ends(bytes, at, 4), count(bytes, at, 4), nesting);
  }
  throw new DecodeError(`a value of type 0x${head.toString(16)}: binaries and extensions are not accepted`);
}

function checkArray(bytes: Uint8Array, start: number, elements: number, nesting: number): number {
  if (elements > bytes.length - start) throw new DecodeError(`an array of ${elements} elements in too few bytes`);
  let at = start;
  for (let i = 0; i < elements; i++) at = checkValue(bytes, at, nesting + 1);
  return at;
}

function checkMap(bytes: Uint8Array, start: number, entries: number, nesting: number): number {
  if (entries * 2 > bytes.length - start) throw new DecodeError(`a map of ${entries} entries in too few bytes`);
  let at = start;
  for (let i = 0; i < entries; i++) {
    const head = bytes[at] ?? 0;
    if ((head & 0xe0) !== 0xa0 && (head < 0xd9 || head > 0xdb))
      throw new DecodeError('a map with a key that is no string');
    at = checkValue(bytes, checkValue(bytes, at, nesting + 1), nesting + 1);
  }
  return at;
}

/** msgpackr puts U+FFFD where a string is not UTF-8: a symbol or a reason would be changed in silence. */
function checkString(bytes: Uint8Array, at: number, size: number): number {
  const end = ends(bytes, at, size);
  try {
    utf8.decode(bytes.subarray(at, end));
  } catch {
    throw new DecodeError('a string that is not UTF-8');
  }
  return end;
}

function ends(bytes: Uint8Array, at: number, size: number): number {
  if (size > bytes.length - at) throw new DecodeError('the message ends inside a value');
  return at + size;
}

function count(bytes: Uint8Array, at: number, size: 1 | 2 | 4): number {
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
