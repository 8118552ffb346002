// Owns a plain reading of MessagePack, as Lua's cmsgpack reads it: everything that stands in some bytes, or nothing. The model of the
// scripts and the oracle of the simulated Redis read updates with it. Invariant: shares no line with src/protocol/reader.ts.

/** Strings and binaries stay bytes. */
export type Packed = number | boolean | null | Uint8Array | Packed[];

/** All values, or null where the bytes are not whole values. Maps and extensions are not read. */
export function unpackAll(bytes: Uint8Array): Packed[] | null {
  const reader = new Unpacking(bytes);
  const values: Packed[] = [];
  try {
    while (!reader.over) values.push(reader.value());
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
  return values;
}

/** Elements up to the last that is not nil: in Lua there is no difference between nil and nothing. */
export function packedLength(list: readonly Packed[]): number {
  let length = list.length;
  while (length > 0 && list[length - 1] === null) length -= 1;
  return length;
}

class Unpacking {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get over(): boolean {
    return this.at >= this.bytes.length;
  }

  value(): Packed {
    const head = this.view.getUint8(this.skip(1));
    if (head <= 0x7f) return head;
    if (head >= 0xe0) return head - 256;
    if ((head & 0xf0) === 0x90) return this.list(head & 15);
    if ((head & 0xe0) === 0xa0) return this.raw(head & 31);
    return this.wide(head);
  }

  private wide(head: number): Packed {
    const { view } = this;
    if (head === 0xc0) return null;
    if (head === 0xc2 || head === 0xc3) return head === 0xc3;
    if (head === 0xc4 || head === 0xd9) return this.raw(view.getUint8(this.skip(1)));
    if (head === 0xc5 || head === 0xda) return this.raw(view.getUint16(this.skip(2)));
    if (head === 0xc6 || head === 0xdb) return this.raw(view.getUint32(this.skip(4)));
    if (head === 0xca) return view.getFloat32(this.skip(4));
    if (head === 0xcb) return view.getFloat64(this.skip(8));
    if (head === 0xcc) return view.getUint8(this.skip(1));
    if (head === 0xcd) return view.getUint16(this.skip(2));
    if (head === 0xce) return view.getUint32(this.skip(4));
    if (head === 0xcf) return Number(view.getBigUint64(this.skip(8)));
    if (head === 0xd0) return view.getInt8(this.skip(1));
    if (head === 0xd1) return view.getInt16(this.skip(2));
    if (head === 0xd2) return view.getInt32(this.skip(4));
    if (head === 0xd3) return Number(view.getBigInt64(this.skip(8)));
    if (head === 0xdc) return this.list(view.getUint16(this.skip(2)));
    if (head === 0xdd) return this.list(view.getUint32(this.skip(4)));
    throw new RangeError(`0x${head.toString(16)} is not read`);
  }

  private list(count: number): Packed[] {
    const values: Packed[] = [];
    for (let i = 0; i < count; i++) values.push(this.value());
    return values;
  }

  private raw(length: number): Uint8Array {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  private skip(count: number): number {
    const start = this.at;
    if (start + count > this.bytes.length) throw new RangeError('too few bytes');
    this.at += count;
    return start;
  }
}
