// Owns what the generator understands of Tickwire's frames: which updates a message brings, and the subscribe request.
// An implementation of its own, apart from src/protocol, so that one can't hide the other's mistakes; cheap before complete.
// Invariant: unknown frames and trailing elements are skipped; bytes that are not whole frames throw.

export const SUBPROTOCOL = 'tickwire.v1.msgpack';

const FRAME = { error: 2, time: 16, topic: 17, book: 18 } as const;

/** Bytes that a MessagePack value of this first byte takes in all, where that byte tells; else 0. */
const SCALAR_BYTES = scalarBytes();

/** What the book frames of one message bring, side by side: entry i of each list belongs to book frame i. */
export class Arrivals {
  count = 0;
  readonly topics: number[] = [];
  /** Exclusive; 0 where the frame replaces what the client holds. */
  readonly fromSeqs: number[] = [];
  readonly seqs: number[] = [];
  /** The newest update's exchange time, NaN where the frame has none. */
  readonly sentUs: number[] = [];

  add(topic: number, fromSeq: number, seq: number, sentUs: number): void {
    const at = this.count++;
    this.topics[at] = topic;
    this.fromSeqs[at] = fromSeq;
    this.seqs[at] = seq;
    this.sentUs[at] = sentUs;
  }
}

/** Reads messages of one gateway process. Topic ids are the gateway's, so all connections share one reader. */
export class TickwireReader {
  /** Error frames seen, as far as they can be read. */
  readonly errors: string[] = [];
  private readonly topicBySymbol: ReadonlyMap<string, number>;
  private readonly topicById = new Map<number, number>();
  private bytes: Uint8Array = new Uint8Array(0);
  private at = 0;
  private end = 0;

  constructor(topicBySymbol: ReadonlyMap<string, number>) {
    this.topicBySymbol = topicBySymbol;
  }

  /** Puts what the message brings into `arrivals`, in order. */
  read(bytes: Uint8Array, start: number, end: number, arrivals: Arrivals): void {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    arrivals.count = 0;
    let baseUs = Number.NaN;
    while (this.at < end) {
      const frameAt = this.at;
      const elements = this.arrayElements();
      const type = elements > 0 ? this.integer() : -1;
      if (type === FRAME.book) this.book(elements, baseUs, arrivals);
      else if (type === FRAME.time) {
        baseUs = this.integer();
        this.skip(elements - 2);
      } else if (type === FRAME.topic) this.topic(elements);
      else this.skip(elements - 1);
      if (this.at > end) throw new Error('a Tickwire message ends within a frame');
      if (type === FRAME.error) this.errors.push(printable(bytes.subarray(frameAt, this.at)));
    }
  }

  private topic(elements: number): void {
    const id = this.integer();
    this.skip(1);
    const symbol = this.text();
    this.skip(elements - 4);
    const topic = this.topicBySymbol.get(symbol);
    if (topic === undefined) throw new Error(`a topic frame names the symbol "${symbol}", which nobody asked for`);
    this.topicById.set(id, topic);
  }

  private book(elements: number, baseUs: number, arrivals: Arrivals): void {
    const id = this.integer();
    const seq = this.integer();
    const span = this.integer();
    const publishUs = baseUs - this.integer();
    const sentUs = this.isNil() ? Number.NaN : publishUs - this.integer();
    this.skip(elements - 6);
    const topic = this.topicById.get(id);
    if (topic === undefined) throw new Error(`a book frame has the topic id ${id}, which no topic frame introduced`);
    if (Number.isNaN(publishUs)) throw new Error('a book frame comes before the time frame of its message');
    arrivals.add(topic, seq - span, seq, sentUs);
  }

  /** Passes over a nil; anything else stays. */
  private isNil(): boolean {
    if (this.bytes[this.at] !== 0xc0) return false;
    this.at++;
    return true;
  }

  private arrayElements(): number {
    const first = this.bytes[this.at++]!;
    if (first >> 4 === 0x9) return first & 0x0f;
    if (first === 0xdc) return this.unsigned(2);
    if (first === 0xdd) return this.unsigned(4);
    throw new Error(`a frame begins with 0x${first.toString(16)}, which is not an array`);
  }

  private integer(): number {
    const first = this.bytes[this.at++]!;
    if (first < 0x80) return first;
    if (first >= 0xe0) return first - 256;
    if (first >= 0xcc && first <= 0xcf) return this.unsigned(1 << (first - 0xcc));
    if (first >= 0xd0 && first <= 0xd3) return this.signed(1 << (first - 0xd0));
    throw new Error(`0x${first?.toString(16)} stands where an integer belongs`);
  }

  private unsigned(bytes: number): number {
    let value = 0;
    for (const stop = this.at + bytes; this.at < stop; this.at++) value = value * 256 + this.bytes[this.at]!;
    return value;
  }

  private signed(bytes: number): number {
    const negative = this.bytes[this.at]! >= 0x80;
    if (!negative) return this.unsigned(bytes);
    let inverted = 0;
    for (const stop = this.at + bytes; this.at < stop; this.at++)
      inverted = inverted * 256 + (255 - this.bytes[this.at]!);
    return -1 - inverted;
  }

  private text(): string {
    const first = this.bytes[this.at++]!;
    const bytes = first >> 5 === 0b101 ? first & 0x1f : first === 0xd9 ? this.unsigned(1) : -1;
    if (bytes < 0) throw new Error(`0x${first?.toString(16)} stands where a short text belongs`);
    this.at += bytes;
    return Buffer.from(this.bytes.subarray(this.at - bytes, this.at)).toString('utf8');
  }

  /** Passes over whole values, whatever they are. */
  private skip(values: number): void {
    for (let left = values; left > 0 && this.at <= this.end; left--) {
      const scalar = SCALAR_BYTES[this.bytes[this.at]!]!;
      if (scalar > 0) this.at += scalar;
      else left += this.skipHead();
    }
  }

  /** Passes over a text, binary or extension, or the head of a container. @returns values that the container holds. */
  private skipHead(): number {
    const first = this.bytes[this.at++]!;
    if (first >> 4 === 0x9) return first & 0x0f;
    if (first >> 4 === 0x8) return 2 * (first & 0x0f);
    if (first === 0xdc || first === 0xdd) return this.unsigned(2 << (first - 0xdc));
    if (first === 0xde || first === 0xdf) return 2 * this.unsigned(2 << (first - 0xde));
    if (first >= 0xd9 && first <= 0xdb) this.skipBytes(1 << (first - 0xd9), 0);
    else if (first >= 0xc4 && first <= 0xc6) this.skipBytes(1 << (first - 0xc4), 0);
    else if (first >= 0xc7 && first <= 0xc9) this.skipBytes(1 << (first - 0xc7), 1);
    else throw new Error(`0x${first?.toString(16)} begins no MessagePack value`);
    return 0;
  }

  private skipBytes(lengthBytes: number, more: number): void {
    const bytes = this.unsigned(lengthBytes);
    this.at += bytes + more;
  }
}

/** A request for books in full depth. */
export function subscribeRequest(id: number, symbols: readonly string[], mode: 'live' | 'raw'): Buffer {
  const fields: [string, Buffer][] = [
    ['op', packText('subscribe')],
    ['id', packUint(id)],
    ['channel', packText('book')],
    [
      'symbols',
      Buffer.concat([Buffer.from([0xdc, symbols.length >> 8, symbols.length & 0xff]), ...symbols.map(packText)]),
    ],
    ['depth', packUint(0)],
  ];
  if (mode === 'raw') fields.push(['mode', packText('raw')]);
  return Buffer.concat([
    Buffer.from([0x80 | fields.length]),
    ...fields.flatMap(([name, value]) => [packText(name), value]),
  ]);
}

function packText(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from(bytes.length < 32 ? [0xa0 | bytes.length] : [0xd9, bytes.length]), bytes]);
}

function packUint(value: number): Buffer {
  return Buffer.from(value < 0x80 ? [value] : [0xcd, value >> 8, value & 0xff]);
}

function printable(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim();
}

function scalarBytes(): Uint8Array {
  const table = new Uint8Array(256);
  table.fill(1, 0x00, 0x80);
  table.fill(1, 0xe0, 0x100);
  for (let length = 0; length < 32; length++) table[0xa0 | length] = 1 + length;
  for (const single of [0xc0, 0xc2, 0xc3]) table[single] = 1;
  for (const [first, bytes] of [
    [0xca, 5],
    [0xcb, 9],
    [0xd4, 3],
    [0xd5, 4],
    [0xd6, 6],
    [0xd7, 10],
    [0xd8, 18],
  ] as const)
    table[first] = bytes;
  for (let power = 0; power < 4; power++) {
    table[0xcc + power] = 1 + (1 << power);
    table[0xd0 + power] = 1 + (1 << power);
  }
  return table;
}
