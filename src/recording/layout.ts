// Owns the bytes around a recording's contents: file header, block headers, index, trailer. docs/recording.md has the tables.
// The writer makes them, the reader takes them apart. Invariant: whatever the bytes are, reading them gives a value that is
// within its limits or null, and nothing is trusted before its checksum was compared.

import { crc32, inflateRawSync } from 'node:zlib';

const RECORDING_VERSION = 1;

const FILE_MAGIC = Buffer.from('TICKWIRE', 'latin1');
const BLOCK_MAGIC = Buffer.from('TWBK', 'latin1');
const TRAILER_MAGIC = Buffer.from('TWR-END\n', 'latin1');

/** Before the description. */
export const FILE_HEADER_BYTES = 16;
export const BLOCK_HEADER_BYTES = 48;
export const TRAILER_BYTES = 16;
/** Of the description, as JSON. */
const DESCRIPTION_BYTES_MAX = 4 * 2 ** 20;
/** Of a block's contents: several times the largest single update that a gateway takes. */
export const PLAIN_BYTES_MAX = 64 * 2 ** 20;
/** Keys every ten seconds for half a year; a file with more is read without its index. */
const KEYS_MAX = 2_000_000;

/** Index is the number in the file. `key`: begins with the state of every topic, so that reading may begin there. */
export const BLOCK_KINDS = ['data', 'key', 'index'] as const;
export type BlockKind = (typeof BLOCK_KINDS)[number];

/** What a recording says of itself. */
export interface Description {
  readonly createdUs: number;
  /** The software that wrote it. */
  readonly software: string;
  readonly channels: readonly string[];
  /** Those that were asked for; null: all. */
  readonly symbols: readonly string[] | null;
}

export interface BlockHeader {
  readonly kind: BlockKind;
  /** From 0. */
  readonly number: number;
  readonly records: number;
  /** Time of the first and the last record, microseconds since 1970. */
  readonly firstUs: number;
  readonly lastUs: number;
  readonly packedBytes: number;
  readonly plainBytes: number;
  readonly packedCrc: number;
}

/** What the index says of the whole file. */
export interface Contents {
  /** Blocks that reading may begin at, in order: place in the file and time of their first record. */
  readonly keys: readonly (readonly [offset: number, firstUs: number])[];
  readonly blocks: number;
  readonly records: number;
  readonly firstUs: number;
  readonly lastUs: number;
}

/** A file that is no recording, or one that can't be read on. The message says where and what to do. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError';
}

export function writeFileHeader(description: Description): Buffer {
  const text = Buffer.from(JSON.stringify(description));
  const bytes = Buffer.alloc(FILE_HEADER_BYTES + text.length + 4);
  FILE_MAGIC.copy(bytes);
  bytes.writeUInt16LE(RECORDING_VERSION, 8);
  bytes.writeUInt32LE(text.length, 12);
  text.copy(bytes, FILE_HEADER_BYTES);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}

/** Whether a file that begins so claims to be a recording, in whatever version. */
export function isRecordingHead(head: Uint8Array): boolean {
  return head.length >= FILE_MAGIC.length && FILE_MAGIC.equals(head.subarray(0, FILE_MAGIC.length));
}

/** @returns bytes of the whole header, from its first FILE_HEADER_BYTES. @throws RecordingError for another version. */
export function fileHeaderBytes(head: Buffer): number {
  if (head.length < FILE_HEADER_BYTES || !isRecordingHead(head)) {
    throw new RecordingError('it is no recording of Tickwire: it does not begin like one');
  }
  const version = head.readUInt16LE(8);
  if (version !== RECORDING_VERSION) {
    const known = `this Tickwire reads version ${RECORDING_VERSION}`;
    throw new RecordingError(`it is a recording of version ${version}; ${known}: use the one that it was made with`);
  }
  const bytes = head.readUInt32LE(12);
  if (bytes > DESCRIPTION_BYTES_MAX) throw new RecordingError('its header is damaged');
  return FILE_HEADER_BYTES + bytes + 4;
}

/** @throws RecordingError where the header is damaged. */
export function readDescription(header: Buffer): Description {
  const end = header.length - 4;
  if (end < FILE_HEADER_BYTES || crc32(header.subarray(0, end)) !== header.readUInt32LE(end)) {
    throw new RecordingError('its header is damaged');
  }
  const read = parsed(header.subarray(FILE_HEADER_BYTES, end)) as Partial<Description> | null;
  const { createdUs, software, channels, symbols = null } = read ?? {};
  if (!isTime(createdUs) || typeof software !== 'string' || !isTexts(channels)) {
    throw new RecordingError('its header lacks a description');
  }
  return { createdUs, software, channels, symbols: isTexts(symbols) ? symbols : null };
}

export function writeBlockHeader(header: BlockHeader): Buffer {
  const bytes = Buffer.alloc(BLOCK_HEADER_BYTES);
  BLOCK_MAGIC.copy(bytes);
  bytes.writeUInt8(BLOCK_KINDS.indexOf(header.kind), 4);
  bytes.writeUInt32LE(header.number, 8);
  bytes.writeUInt32LE(header.records, 12);
  bytes.writeBigUInt64LE(BigInt(header.firstUs), 16);
  bytes.writeBigUInt64LE(BigInt(header.lastUs), 24);
  bytes.writeUInt32LE(header.packedBytes, 32);
  bytes.writeUInt32LE(header.plainBytes, 36);
  bytes.writeUInt32LE(header.packedCrc, 40);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 44)), 44);
  return bytes;
}

/** Null where there is no whole header of a block. */
export function readBlockHeader(bytes: Buffer): BlockHeader | null {
  if (bytes.length < BLOCK_HEADER_BYTES || !BLOCK_MAGIC.equals(bytes.subarray(0, 4))) return null;
  if (crc32(bytes.subarray(0, 44)) !== bytes.readUInt32LE(44)) return null;
  const kind = BLOCK_KINDS[bytes.readUInt8(4)];
  const firstUs = Number(bytes.readBigUInt64LE(16));
  const lastUs = Number(bytes.readBigUInt64LE(24));
  const packedBytes = bytes.readUInt32LE(32);
  const plainBytes = bytes.readUInt32LE(36);
  if (kind === undefined || !isTime(firstUs) || !isTime(lastUs) || lastUs < firstUs) return null;
  if (plainBytes > PLAIN_BYTES_MAX || packedBytes > PLAIN_BYTES_MAX) return null;
  return {
    kind,
    number: bytes.readUInt32LE(8),
    records: bytes.readUInt32LE(12),
    firstUs,
    lastUs,
    packedBytes,
    plainBytes,
    packedCrc: bytes.readUInt32LE(40),
  };
}

/** Place of what may be the next block header within the bytes, or -1. */
export function findBlock(bytes: Buffer, from: number): number {
  return bytes.indexOf(BLOCK_MAGIC, from);
}

/** A block's contents, or what is wrong with it. */
export function unpackBlock({ packedCrc, plainBytes }: BlockHeader, packed: Buffer): Buffer | string {
  if (crc32(packed) !== packedCrc) return 'its checksum is wrong';
  try {
    const plain = inflateRawSync(packed, { maxOutputLength: Math.max(1, plainBytes) });
    return plain.length === plainBytes ? plain : 'it has another length than its header says';
  } catch {
    return 'it can not be unpacked';
  }
}

export function writeContents(contents: Contents): Buffer {
  return Buffer.from(JSON.stringify(contents));
}

/** Null where it is no index. */
export function readContents(plain: Buffer): Contents | null {
  const { keys, blocks, records, firstUs, lastUs } = (parsed(plain) ?? {}) as Partial<Contents>;
  if (!Array.isArray(keys) || keys.length > KEYS_MAX || !keys.every(isKey)) return null;
  if (!isTime(blocks) || !isTime(records) || !isTime(firstUs) || !isTime(lastUs)) return null;
  return { keys, blocks, records, firstUs, lastUs };
}

export function writeTrailer(indexOffset: number): Buffer {
  const bytes = Buffer.alloc(TRAILER_BYTES);
  bytes.writeBigUInt64LE(BigInt(indexOffset));
  TRAILER_MAGIC.copy(bytes, 8);
  return bytes;
}

/** Where the index is, or null where this is no trailer: the file was not brought to its end. */
export function readTrailer(bytes: Buffer): number | null {
  if (bytes.length < TRAILER_BYTES || !TRAILER_MAGIC.equals(bytes.subarray(8, TRAILER_BYTES))) return null;
  const offset = Number(bytes.readBigUInt64LE(0));
  return isTime(offset) ? offset : null;
}

function parsed(bytes: Buffer): unknown {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

function isKey(value: unknown): value is readonly [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(isTime);
}

/** Times, places and counts alike: whole numbers from 0. */
function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
