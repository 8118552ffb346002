// Owns the MessagePack that Tickwire writes: integers in their shortest form, strings, arrays, maps, nil. No floats.
// Called by the frame encoder and by clients for their requests. Invariant: the bytes before `length` are whole values; the buffer grows and is reused, so
// whoever keeps bytes copies them (`copy`).

const utf8 = new TextEncoder();
/** Longer texts are for the encoder. With a header of at most two bytes. */
const ASCII_CHARS_MAX = 127;

export class ByteWriter {
  bytes: Uint8Array;
  length = 0;
  private view: DataView;

  constructor(initialBytes = 4_096) {
    this.bytes = new Uint8Array(initialBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Makes room for `more` bytes after `length`. */
  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  /** An independent copy of what was written from `start` on. */
  copy(start = 0): Uint8Array {
    return this.bytes.slice(start, this.length);
  }

  /** Bytes that are already whole values. */
  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  nil(): void {
    this.reserve(1);
    this.bytes[this.length++] = 0xc0;
  }

  array(count: number): void {
    this.reserve(5);
    if (count < 16) {
      this.bytes[this.length++] = 0x90 | count;
    } else if (count < 65_536) {
      this.bytes[this.length++] = 0xdc;
      this.view.setUint16(this.length, count);
      this.length += 2;
    } else {
      this.bytes[this.length++] = 0xdd;
      this.view.setUint32(this.length, count);
      this.length += 4;
    }
  }

  /**
   * A plain value of a request: safe integers, strings, booleans, null, arrays, objects (keys of undefined are left out).
   * @throws TypeError for anything else.
   */
  value(value: unknown): void {
    if (value === null) this.nil();
    else if (typeof value === 'string') this.string(value);
    else if (typeof value === 'boolean') {
      this.reserve(1);
      this.bytes[this.length++] = value ? 0xc3 : 0xc2;
    } else if (Number.isSafeInteger(value)) this.integer(value as number);
    else if (Array.isArray(value)) {
      this.array(value.length);
      for (const element of value) this.value(element);
    } else if (typeof value === 'object') {
      const entries = Object.entries(value).filter(([, member]) => member !== undefined);
      this.reserve(3);
      if (entries.length < 16) this.bytes[this.length++] = 0x80 | entries.length;
      else {
        this.bytes[this.length++] = 0xde;
        this.view.setUint16(this.length, entries.length);
        this.length += 2;
      }
      for (const [key, member] of entries) {
        this.string(key);
        this.value(member);
      }
    } else throw new TypeError(`a request cannot hold ${String(value)}`);
  }

  /** A safe integer, in the shortest of MessagePack's forms. */
  integer(value: number): void {
    this.reserve(9);
    if (value >= 0) this.unsigned(value);
    else this.negative(value);
  }

  integerOrNil(value: number | null): void {
    if (value === null) this.nil();
    else this.integer(value);
  }

  /** `count` integers of `values`, without an array header. */
  integers(values: readonly number[], count: number): void {
    this.reserve(9 * count);
    for (let i = 0; i < count; i++) {
      const value = values[i] as number;
      if (value >= 0) this.unsigned(value);
      else this.negative(value);
    }
  }

  string(text: string): void {
    this.reserve(5 + text.length * 3);
    if (text.length <= ASCII_CHARS_MAX && this.ascii(text)) return;
    // The header is written for the length in UTF-8, which for ASCII, nearly all there is, is the text's.
    let header = headerBytes(text.length);
    let { written } = utf8.encodeInto(text, this.bytes.subarray(this.length + header));
    if (headerBytes(written) !== header) {
      header = headerBytes(written);
      written = utf8.encodeInto(text, this.bytes.subarray(this.length + header)).written;
    }
    if (header === 1) this.bytes[this.length] = 0xa0 | written;
    else if (header === 2) {
      this.bytes[this.length] = 0xd9;
      this.bytes[this.length + 1] = written;
    } else if (header === 3) {
      this.bytes[this.length] = 0xda;
      this.view.setUint16(this.length + 1, written);
    } else {
      this.bytes[this.length] = 0xdb;
      this.view.setUint32(this.length + 1, written);
    }
    this.length += header + written;
  }

  /** Writes a short string if it is ASCII: without the view that an encoder needs, of which one a string is a lot of garbage. */
  private ascii(text: string): boolean {
    const { bytes, length } = this;
    const header = headerBytes(text.length);
    const start = length + header;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      bytes[start + i] = code;
    }
    bytes[length] = header === 1 ? 0xa0 | text.length : 0xd9;
    if (header === 2) bytes[length + 1] = text.length;
    this.length = start + text.length;
    return true;
  }

  /** Plain text in UTF-8, without a header: the JSON codec's frames. */
  text(text: string): void {
    this.reserve(text.length * 3);
    this.length += utf8.encodeInto(text, this.bytes.subarray(this.length)).written;
  }

  private unsigned(value: number): void {
    const { bytes } = this;
    let at = this.length;
    if (value < 0x80) {
      bytes[at++] = value;
    } else if (value < 0x100) {
      bytes[at++] = 0xcc;
      bytes[at++] = value;
    } else if (value < 0x1_0000) {
      bytes[at++] = 0xcd;
      bytes[at++] = value >>> 8;
      bytes[at++] = value;
    } else if (value < 0x1_0000_0000) {
      bytes[at++] = 0xce;
      bytes[at++] = value >>> 24;
      bytes[at++] = value >>> 16;
      bytes[at++] = value >>> 8;
      bytes[at++] = value;
    } else {
      bytes[at] = 0xcf;
      this.view.setUint32(at + 1, Math.floor(value / 0x1_0000_0000));
      this.view.setUint32(at + 5, value >>> 0);
      at += 9;
    }
    this.length = at;
  }

  private negative(value: number): void {
    const { view } = this;
    if (value >= -0x20) {
      view.setInt8(this.length, value);
      this.length += 1;
    } else if (value >= -0x80) {
      this.bytes[this.length] = 0xd0;
      view.setInt8(this.length + 1, value);
      this.length += 2;
    } else if (value >= -0x8000) {
      this.bytes[this.length] = 0xd1;
      view.setInt16(this.length + 1, value);
      this.length += 3;
    } else if (value >= -0x8000_0000) {
      this.bytes[this.length] = 0xd2;
      view.setInt32(this.length + 1, value);
      this.length += 5;
    } else {
      this.bytes[this.length] = 0xd3;
      view.setInt32(this.length + 1, Math.floor(value / 0x1_0000_0000));
      view.setUint32(this.length + 5, value >>> 0);
      this.length += 9;
    }
  }
}

function headerBytes(length: number): number {
  if (length < 32) return 1;
  if (length < 256) return 2;
  return length < 65_536 ? 3 : 5;
}
