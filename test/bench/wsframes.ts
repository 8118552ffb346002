// Owns the generator's WebSocket: the upgrade's text, masked client frames, and reading server frames from TCP chunks.
// Pure: bytes in, calls to a sink out. client.ts puts it on a socket.
// Invariant: a chunk is parsed where it was read; only an unfinished frame is copied, and put in front of the next chunk:
//
//   | head: rest of the last chunk | area: the socket reads here |
//                    ^ parse from here

export const OPCODE = { binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** The key of RFC 6455's own example and its answer; a generator needs no other. */
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const MASK = [0x12, 0x34, 0x56, 0x78];

/** What a stream of server frames leads to. The bytes are only valid during the call. */
export interface WsSink {
  message(bytes: Uint8Array, start: number, end: number): void;
  ping(payload: Uint8Array): void;
  close(code: number, reason: string): void;
}

/** The buffer that all sockets read into, with a head for what is left over from a socket's last chunk. */
export class ReadBuffer {
  readonly bytes: Buffer;
  /** Where sockets read to. */
  readonly area: Buffer;
  readonly headBytes: number;

  constructor(headBytes = 1_048_576, areaBytes = 262_144) {
    this.headBytes = headBytes;
    this.bytes = Buffer.alloc(headBytes + areaBytes);
    this.area = this.bytes.subarray(headBytes);
  }
}

/** One connection's server frames. */
export class WsStream {
  private rest: Buffer = Buffer.alloc(0);
  private restBytes = 0;
  private readonly buffer: ReadBuffer;
  private readonly sink: WsSink;

  constructor(buffer: ReadBuffer, sink: WsSink) {
    this.buffer = buffer;
    this.sink = sink;
  }

  /** Takes what was read to `area[from..to)`. Throws on what no honest server sends. */
  take(from: number, to: number): void {
    const { bytes, headBytes } = this.buffer;
    const start = headBytes + from - this.restBytes;
    if (this.restBytes > 0) this.rest.copy(bytes, start, 0, this.restBytes);
    const end = headBytes + to;
    const stop = this.frames(bytes, start, end);
    this.keep(bytes, stop, end);
  }

  private keep(bytes: Buffer, from: number, to: number): void {
    this.restBytes = to - from;
    if (this.restBytes === 0) return;
    if (this.restBytes > this.buffer.headBytes) {
      throw new Error(`a WebSocket frame is over ${this.buffer.headBytes} bytes long, more than the generator takes`);
    }
    if (this.rest.length < this.restBytes) this.rest = Buffer.alloc(2 * this.restBytes);
    bytes.copy(this.rest, 0, from, to);
  }

  /** @returns where the first unfinished frame begins. */
  private frames(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (end - at >= 2) {
      const short = bytes[at + 1]!;
      let payloadAt = at + 2;
      let payloadBytes = short;
      if (short === 126) {
        payloadAt = at + 4;
        if (payloadAt > end) break;
        payloadBytes = bytes.readUInt16BE(at + 2);
      } else if (short === 127) {
        payloadAt = at + 10;
        if (payloadAt > end) break;
        payloadBytes = Number(bytes.readBigUInt64BE(at + 2));
      } else if (short > 127) throw new Error('the server masked a frame');
      const next = payloadAt + payloadBytes;
      if (next > end) break;
      this.frame(bytes[at]!, bytes, payloadAt, next);
      at = next;
    }
    return at;
  }

  private frame(head: number, bytes: Buffer, start: number, end: number): void {
    switch (head) {
      case 0x80 | OPCODE.binary:
        this.sink.message(bytes, start, end);
        return;
      case 0x80 | OPCODE.ping:
        this.sink.ping(bytes.subarray(start, end));
        return;
      case 0x80 | OPCODE.close:
        this.sink.close(end - start < 2 ? 1005 : bytes.readUInt16BE(start), bytes.toString('utf8', start + 2, end));
        return;
      case 0x80 | OPCODE.pong:
        return;
      default:
        throw new Error(`the server sent a frame that begins with 0x${head.toString(16)}, not a whole binary message`);
    }
  }
}

/** A whole client frame, masked as the standard asks. Payloads up to 65,535 bytes. */
export function maskedFrame(opcode: number, payload: Uint8Array): Buffer {
  if (payload.length > 0xffff)
    throw new Error(`a request of ${payload.length} bytes is longer than the generator sends`);
  const long = payload.length > 125;
  const lengths = long ? [0x80 | 126, payload.length >> 8, payload.length & 0xff] : [0x80 | payload.length];
  const head = Buffer.from([0x80 | opcode, ...lengths, ...MASK]);
  return Buffer.concat([head, payload.map((byte, index) => byte ^ MASK[index & 3]!)]);
}

export function upgradeRequest(path: string, subprotocol: string | null): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${KEY}`,
    'Sec-WebSocket-Version: 13',
  ];
  if (subprotocol !== null) lines.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** What is wrong with the answer to an upgrade, or null. */
export function upgradeFault(response: string, subprotocol: string | null): string | null {
  const [status = '', ...lines] = response.split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  if (!status.startsWith('HTTP/1.1 101 ')) return `the upgrade was answered with "${status}"`;
  if (headers.get('sec-websocket-accept') !== ACCEPT)
    return 'the upgrade was answered with a wrong Sec-WebSocket-Accept';
  const chosen = headers.get('sec-websocket-protocol') ?? null;
  if (chosen !== subprotocol) return `the server chose the subprotocol ${chosen} instead of ${subprotocol}`;
  return null;
}
