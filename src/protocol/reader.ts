// Owns the strict reading of MessagePack as Tickwire writes it: integers, strings, arrays, nil. Called by the frame decoder.
// Invariant: whatever the bytes are, a call either returns a whole value or throws DecodeError; it never reads past the end.

import { DecodeError } from './codec.ts';

// A leading U+FEFF is part of the text, not a mark to be dropped.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const NESTING_MAX = 16;

export class ByteReader {
  at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  /** Element count of an array; never more than the bytes that are left. */
  array(): number {
    const head = this.byte();
    let count: number;
    if ((head & 0xf0) === 0x90) count = head & 0x0f;
    else if (head === 0xdc) count = this.unsigned(2);
    else if (head === 0xdd) count = this.unsigned(4);
    else throw new DecodeError(`expected an array at byte ${this.at - 1}, found 0x${head.toString(16)}`);
    if (count > this.bytes.length - this.at) throw new DecodeError(`an array of ${count} elements in too few bytes`);
    return count;
  }

  /** A safe integer in any of the integer forms. */
  integer(): number {
    const head = this.byte();
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    const { view } = this;
    switch (head) {
      case 0xcc:
        return this.unsigned(1);
      case 0xcd:
        return this.unsigned(2);
      case 0xce:
        return this.unsigned(4);
      case 0xcf:
        return this.wide(this.unsigned(4));
      case 0xd0:
        return view.getInt8(this.skipBytes(1));
      case 0xd1:
        return view.getInt16(this.skipBytes(2));
      case 0xd2:
        return view.getInt32(this.skipBytes(4));
      case 0xd3:
        return this.wide(view.getInt32(this.skipBytes(4)));
    }
    throw new DecodeError(`expected an integer at byte ${this.at - 1}, found 0x${head.toString(16)}`);
  }

  integerOrNil(): number | null {
    return this.nil() ? null : this.integer();
  }

  /** A value that came to a frame later: an integer from 0 on; anything else is passed over, as unknown elements are. */
  naturalOrSkip(): number | undefined {
    const head = this.bytes[this.at] ?? 0;
    if (head < 0x80 || (head >= 0xcc && head <= 0xcf)) return this.integer();
    this.skip();
    return undefined;
  }

  /** Whether the next value is nil, which it then takes. */
  nil(): boolean {
    if (this.bytes[this.at] !== 0xc0) return false;
    this.at += 1;
    return true;
  }

  string(): string {
    const head = this.byte();
    let length: number;
    if ((head & 0xe0) === 0xa0) length = head & 0x1f;
    else if (head === 0xd9) length = this.unsigned(1);
    else if (head === 0xda) length = this.unsigned(2);
    else if (head === 0xdb) length = this.unsigned(4);
    else throw new DecodeError(`expected a string at byte ${this.at - 1}, found 0x${head.toString(16)}`);
    const start = this.skipBytes(length);
    try {
      return utf8.decode(this.bytes.subarray(start, start + length));
    } catch {
      throw new DecodeError(`the string at byte ${start} is not UTF-8`);
    }
  }

  integerOrString(): number | string {
    const head = this.bytes[this.at] ?? 0;
    return (head & 0xe0) === 0xa0 || (head >= 0xd9 && head <= 0xdb) ? this.string() : this.integer();
  }

  /** Passes over one value of any kind, extensions included: an element that a later version added. */
  skip(nesting = 0): void {
    if (nesting > NESTING_MAX) throw new DecodeError(`values nested more than ${NESTING_MAX} deep`);
    const head = this.byte();
    if (head < 0x80 || head >= 0xe0 || head === 0xc0 || head === 0xc2 || head === 0xc3) return;
    if (head < 0x90) return this.skipMany((head & 0x0f) * 2, nesting);
    if (head < 0xa0) return this.skipMany(head & 0x0f, nesting);
    if (head < 0xc0) return this.drop(head & 0x1f);
    switch (head) {
      case 0xc4:
      case 0xd9:
        return this.drop(this.unsigned(1));
      case 0xc5:
      case 0xda:
        return this.drop(this.unsigned(2));
      case 0xc6:
      case 0xdb:
        return this.drop(this.unsigned(4));
      case 0xc7:
        return this.drop(this.unsigned(1) + 1);
      case 0xc8:
        return this.drop(this.unsigned(2) + 1);
      case 0xc9:
        return this.drop(this.unsigned(4) + 1);
      case 0xca:
        return this.drop(4);
      case 0xcb:
        return this.drop(8);
      case 0xcc:
      case 0xd0:
        return this.drop(1);
      case 0xcd:
      case 0xd1:
        return this.drop(2);
      case 0xce:
      case 0xd2:
        return this.drop(4);
      case 0xcf:
      case 0xd3:
        return this.drop(8);
      case 0xdc:
        return this.skipMany(this.unsigned(2), nesting);
      case 0xdd:
        return this.skipMany(this.unsigned(4), nesting);
      case 0xde:
        return this.skipMany(this.unsigned(2) * 2, nesting);
      case 0xdf:
        return this.skipMany(this.unsigned(4) * 2, nesting);
    }
    if (head >= 0xd4 && head <= 0xd8) return this.drop(1 + (1 << (head - 0xd4)));
    throw new DecodeError(`byte 0x${head.toString(16)} at ${this.at - 1} begins no value`);
  }

  private skipMany(count: number, nesting: number): void {
    if (count > this.bytes.length - this.at) throw new DecodeError(`a collection of ${count} values in too few bytes`);
    for (let i = 0; i < count; i++) this.skip(nesting + 1);
  }

  private drop(count: number): void {
    this.skipBytes(count);
  }

  private wide(high: number): number {
    const value = high * 0x1_0000_0000 + this.unsigned(4);
    if (!Number.isSafeInteger(value)) throw new DecodeError('an integer beyond 2^53');
    return value;
  }

  private unsigned(bytes: 1 | 2 | 4): number {
    const at = this.skipBytes(bytes);
    if (bytes === 1) return this.view.getUint8(at);
    return bytes === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  private byte(): number {
    const head = this.bytes[this.at];
    if (head === undefined) throw new DecodeError('the message ends inside a frame');
    this.at += 1;
    return head;
  }

  /** Moves on by `count` bytes and returns where they began. */
  private skipBytes(count: number): number {
    const start = this.at;
    if (count > this.bytes.length - start) throw new DecodeError('the message ends inside a frame');
    this.at = start + count;
    return start;
  }
}
