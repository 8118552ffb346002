// Owns the writing of a client's requests in MessagePack. The stream calls it; gateways and publishers have a writer for much more.
// Invariant: every value is in its shortest form. It is small rather than fast: requests are few, and browsers load it.

const utf8 = new TextEncoder();

/**
 * A plain value: numbers, strings, booleans, null, arrays, objects (members that are undefined are left out).
 * @throws TypeError for anything else.
 */
export function packed(value: unknown): Uint8Array {
  const out: number[] = [];
  put(out, value);
  return Uint8Array.from(out);
}

function put(out: number[], value: unknown): void {
  if (value === null) out.push(0xc0);
  else if (typeof value === 'boolean') out.push(value ? 0xc3 : 0xc2);
  else if (typeof value === 'number') putNumber(out, value);
  else if (typeof value === 'string') {
    const bytes = utf8.encode(value);
    if (bytes.length >= 32 && bytes.length < 256) out.push(0xd9, bytes.length);
    else putCount(out, bytes.length, 0xa0, 32, 0xda);
    for (const byte of bytes) out.push(byte);
  } else if (Array.isArray(value)) {
    putCount(out, value.length, 0x90, 16, 0xdc);
    for (const element of value) put(out, element);
  } else if (typeof value === 'object') {
    const entries = Object.entries(value).filter(([, member]) => member !== undefined);
    putCount(out, entries.length, 0x80, 16, 0xde);
    for (const [key, member] of entries) {
      put(out, key);
      put(out, member);
    }
  } else throw new TypeError(`a request cannot hold ${String(value)}`);
}

/** How many follow: within the first byte below `short`, else in two or four bytes behind it. */
function putCount(out: number[], count: number, head: number, short: number, long: number): void {
  if (count < short) out.push(head + count);
  else if (count < 0x1_0000) putBig(out, long, count, 2);
  else putBig(out, long + 1, count, 4);
}

function putNumber(out: number[], value: number): void {
  if (!Number.isSafeInteger(value)) {
    out.push(0xcb, ...new Uint8Array(Float64Array.of(value).buffer).reverse());
  } else if (value >= -0x20 && value < 0x80) out.push(value & 0xff);
  else {
    // As many bytes as hold it: 1, 2, 4 or 8, unsigned where it is not negative.
    const [head, least] = value < 0 ? [0xd0, -2 * value - 1] : [0xcc, value];
    const power = [0x100, 0x1_0000, 0x1_0000_0000, Number.POSITIVE_INFINITY].findIndex((end) => least < end);
    putBig(out, head + power, value, 2 ** power);
  }
}

/** A head, and an integer in so many bytes, the highest first, negative ones in two's complement. */
function putBig(out: number[], head: number, value: number, bytes: number): void {
  out.push(head);
  for (let i = bytes - 1; i >= 0; i--) out.push(Math.floor(value / 256 ** i) & 0xff);
}
