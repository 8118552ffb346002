// Owns a recording's file while it is read: what is in it, where it was cut off, its blocks from any moment on, what is
// damaged. Player and commands open it. Invariant: a block that is handed out is whole by its checksum; any other is
// reported with its place.

import { type FileHandle, open } from 'node:fs/promises';
import {
  BLOCK_HEADER_BYTES,
  type BlockHeader,
  type Contents,
  type Description,
  FILE_HEADER_BYTES,
  fileHeaderBytes,
  findBlock,
  isRecordingHead,
  RecordingError,
  readBlockHeader,
  readContents,
  readDescription,
  readTrailer,
  TRAILER_BYTES,
  unpackBlock,
} from './layout.ts';

export interface ReadBlock {
  readonly header: BlockHeader;
  readonly offset: number;
  readonly plain: Buffer;
}

/** Bytes of the file that can't be used. */
export interface Damage {
  readonly offset: number;
  readonly bytes: number;
  readonly why: string;
}

/** What stands at a place: a header with its end, damage up to the next block that can be found, or nothing more. */
type Found =
  | { readonly kind: 'block'; readonly header: BlockHeader; readonly end: number }
  | { readonly kind: 'damage'; readonly damage: Damage }
  | { readonly kind: 'end' };

const SEARCH_BYTES = 2 ** 20;

/** Whether the file at this path begins like a recording; false where it can't be read. */
export async function isRecording(path: string): Promise<boolean> {
  const file = await open(path).catch(() => null);
  if (file === null) return false;
  try {
    return isRecordingHead(await readAt(file, 0, FILE_HEADER_BYTES));
  } finally {
    await file.close();
  }
}

export class RecordingFile {
  private constructor(
    private readonly file: FileHandle,
    readonly path: string,
    readonly bytesTotal: number,
    readonly description: Description,
    readonly contents: Contents,
    /** Where the file ends in the middle of something; null where it was brought to its end. */
    readonly cutAt: number | null,
    private readonly blocksAt: number,
    /** Of the blocks, the index not counted. */
    private readonly blocksEnd: number,
  ) {}

  /** @throws RecordingError for a file that is no recording, and whatever the file system says. */
  static async open(path: string): Promise<RecordingFile> {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const headerBytes = fileHeaderBytes(await readAt(file, 0, FILE_HEADER_BYTES));
      const description = readDescription(await readAt(file, 0, headerBytes));
      const indexed = await readIndex(file, size);
      if (indexed !== null) {
        const { contents, offset } = indexed;
        return new RecordingFile(file, path, size, description, contents, null, headerBytes, offset);
      }
      const { contents, end } = await survey(file, headerBytes, size);
      return new RecordingFile(file, path, size, description, contents, end, headerBytes, end);
    } catch (error) {
      await file.close();
      if (!(error instanceof RecordingError)) throw error;
      throw new RecordingError(`${path}: ${error.message}`);
    }
  }

  close(): Promise<void> {
    return this.file.close();
  }

  /**
   * The blocks in order, from the last one that begins with all states at or before `fromUs`.
   * @param onDamage called for what can't be used; it may throw, otherwise reading goes on behind.
   */
  async *blocks(fromUs: number | null, onDamage: (damage: Damage) => void): AsyncGenerator<ReadBlock, void, undefined> {
    const { file, blocksEnd } = this;
    for (let at = this.placeOf(fromUs); at < blocksEnd; ) {
      const found = await findAt(file, at, blocksEnd);
      if (found.kind !== 'block') {
        const rest = { offset: at, bytes: blocksEnd - at, why: "a block's header is wrong" };
        const damage = found.kind === 'damage' ? found.damage : rest;
        onDamage(damage);
        at = damage.offset + damage.bytes;
        continue;
      }
      const { header, end } = found;
      const plain = unpackBlock(header, await readAt(file, at + BLOCK_HEADER_BYTES, header.packedBytes));
      if (typeof plain === 'string') onDamage({ offset: at, bytes: end - at, why: `block ${header.number}: ${plain}` });
      else if (header.kind !== 'index') yield { header, offset: at, plain };
      at = end;
    }
  }

  private placeOf(fromUs: number | null): number {
    const { keys } = this.contents;
    let place = this.blocksAt;
    if (fromUs === null) return place;
    for (const [offset, firstUs] of keys) {
      if (firstUs > fromUs) break;
      if (offset >= this.blocksAt && offset < this.blocksEnd) place = offset;
    }
    return place;
  }
}

async function readIndex(file: FileHandle, size: number): Promise<{ contents: Contents; offset: number } | null> {
  const end = size - TRAILER_BYTES;
  const offset = end < 0 ? null : readTrailer(await readAt(file, end, TRAILER_BYTES));
  if (offset === null || offset >= end) return null;
  const header = readBlockHeader(await readAt(file, offset, BLOCK_HEADER_BYTES));
  const at = offset + BLOCK_HEADER_BYTES;
  if (header === null || header.kind !== 'index' || at + header.packedBytes > end) return null;
  const plain = unpackBlock(header, await readAt(file, at, header.packedBytes));
  const contents = typeof plain === 'string' ? null : readContents(plain);
  return contents === null ? null : { contents, offset };
}

/** What an index would say, from the headers of the blocks alone. */
async function survey(file: FileHandle, start: number, size: number): Promise<{ contents: Contents; end: number }> {
  const keys: [number, number][] = [];
  let [blocks, records, lastUs, end] = [0, 0, 0, start];
  let firstUs: number | null = null;
  for (let at = start; at < size; ) {
    const found = await findAt(file, at, size);
    if (found.kind === 'end') break;
    if (found.kind === 'damage') {
      at = found.damage.offset + found.damage.bytes;
      continue;
    }
    const { header } = found;
    if (header.kind !== 'index') {
      if (header.kind === 'key') keys.push([at, header.firstUs]);
      blocks += 1;
      records += header.records;
      firstUs ??= header.firstUs;
      lastUs = header.lastUs;
    }
    at = found.end;
    end = at;
  }
  return { contents: { keys, blocks, records, firstUs: firstUs ?? 0, lastUs }, end };
}

async function findAt(file: FileHandle, at: number, end: number): Promise<Found> {
  const head = await readAt(file, at, Math.min(BLOCK_HEADER_BYTES, end - at));
  const header = readBlockHeader(head);
  const blockEnd = at + BLOCK_HEADER_BYTES + (header?.packedBytes ?? 0);
  if (header !== null && blockEnd <= end) return { kind: 'block', header, end: blockEnd };
  const next = await search(file, at + 1, end);
  if (next === null) return { kind: 'end' };
  const why = header === null ? "a block's header is wrong" : `block ${header.number}: it is not whole`;
  return { kind: 'damage', damage: { offset: at, bytes: next - at, why } };
}

/** Place of the next whole block at or after a place. */
async function search(file: FileHandle, from: number, end: number): Promise<number | null> {
  for (let at = from; at + BLOCK_HEADER_BYTES <= end; at += SEARCH_BYTES) {
    // A header may begin in one piece and end in the next.
    const bytes = await readAt(file, at, Math.min(SEARCH_BYTES + BLOCK_HEADER_BYTES, end - at));
    for (let i = findBlock(bytes, 0); i >= 0; i = findBlock(bytes, i + 1)) {
      const header = readBlockHeader(bytes.subarray(i, i + BLOCK_HEADER_BYTES));
      if (header !== null && at + i + BLOCK_HEADER_BYTES + header.packedBytes <= end) return at + i;
    }
  }
  return null;
}

/** As many of the bytes as there are. */
async function readAt(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let read = 0;
  while (read < bytes) {
    const { bytesRead } = await file.read(buffer, read, bytes - read, offset + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return buffer.subarray(0, read);
}
