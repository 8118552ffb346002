// Owns a recording's file while it is written: packs blocks, appends them, brings each to the disk before the next.
// The recorder fills it. Invariant: the file only grows, and at any moment it is whole up to its last whole block.

import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32, deflateRaw } from 'node:zlib';
import {
  type BlockKind,
  type Description,
  writeBlockHeader,
  writeContents,
  writeFileHeader,
  writeTrailer,
} from './layout.ts';

/** Contents of a block that was closed. */
export interface Block {
  readonly kind: BlockKind;
  readonly records: number;
  readonly firstUs: number;
  readonly lastUs: number;
  readonly plain: Uint8Array;
}

/** A middle level: docs/recording.md has the measurement. */
const DEFLATE_LEVEL = 5;
/** Contents that wait for the disk, from which the source is to be held, and to which it may go on. */
const PENDING_BYTES_MAX = 8 * 2 ** 20;

const pack = promisify(deflateRaw) as (bytes: Uint8Array, options: { level: number }) => Promise<Buffer>;

export class RecordingWriter {
  /** Of the file, as far as it is on the disk. */
  bytes = 0;
  private pendingBytes = 0;
  private blocks = 0;
  private records = 0;
  private firstUs: number | null = null;
  private lastUs = 0;
  private readonly keys: [offset: number, firstUs: number][] = [];
  private tail: Promise<void> = Promise.resolve();

  private constructor(private readonly file: FileHandle) {}

  /** Begins a new file. Rejects with EEXIST where there is one: a recording is never written over. */
  static async create(path: string, description: Description): Promise<RecordingWriter> {
    const writer = new RecordingWriter(await open(path, 'wx'));
    await writer.store(writeFileHeader(description));
    return writer;
  }

  /** More waits for the disk than should: whoever writes holds its source until `settled`. */
  get congested(): boolean {
    return this.pendingBytes > PENDING_BYTES_MAX;
  }

  /** Takes a block; it is on the disk when `settled` resolves. */
  append(block: Block): void {
    this.pendingBytes += block.plain.length;
    this.tail = this.tail.then(async () => {
      await this.write(block);
      this.pendingBytes -= block.plain.length;
    });
    // Told by `settled`.
    this.tail.catch(() => {});
  }

  /** Resolves when everything so far is on the disk; rejects with what the disk said. */
  settled(): Promise<void> {
    return this.tail;
  }

  /** Writes index and trailer, and closes the file, whatever went before. */
  async close(): Promise<void> {
    try {
      await this.tail;
      const { keys, blocks, records, firstUs, lastUs } = this;
      const contents = { keys, blocks, records, firstUs: firstUs ?? 0, lastUs };
      const indexOffset = this.bytes;
      await this.write({ kind: 'index', records: 0, firstUs: lastUs, lastUs, plain: writeContents(contents) });
      await this.store(writeTrailer(indexOffset));
    } finally {
      await this.file.close();
    }
  }

  private async write({ kind, records, firstUs, lastUs, plain }: Block): Promise<void> {
    const packed = await pack(plain, { level: DEFLATE_LEVEL });
    const number = this.blocks;
    const sizes = { packedBytes: packed.length, plainBytes: plain.length, packedCrc: crc32(packed) };
    if (kind === 'key') this.keys.push([this.bytes, firstUs]);
    await this.store(Buffer.concat([writeBlockHeader({ kind, number, records, firstUs, lastUs, ...sizes }), packed]));
    this.blocks += 1;
    this.records += records;
    this.firstUs ??= firstUs;
    this.lastUs = lastUs;
  }

  private async store(bytes: Uint8Array): Promise<void> {
    await this.file.appendFile(bytes);
    await this.file.datasync();
    this.bytes += bytes.length;
  }
}
