// Owns bare TCP connections to the gateway, for what no WebSocket library would send: broken handshakes, broken frames,
// readers that stop. Invariant: `endAll` closes every socket that was made here.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { portOf } from './harness.ts';

const WAIT_MS = 30_000;

/** RFC 6455 section 11.8. */
export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameOptions {
  readonly fin?: boolean;
  readonly mask?: boolean;
  /** The three reserved bits. */
  readonly rsv?: number;
  /** What the header claims, where that is not the truth. */
  readonly claimedBytes?: number;
}

/** One WebSocket frame as a client sends it. */
export function wsFrame(opcode: number, payload: Uint8Array | string, options: FrameOptions = {}): Buffer {
  const { fin = true, mask = true, rsv = 0, claimedBytes } = options;
  const body = Buffer.from(payload);
  const length = claimedBytes ?? body.length;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = mask ? 0x80 : 0;
  if (length < 126) head[1] |= length;
  else if (length < 65_536) {
    head[1] |= 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] |= 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  if (!mask) return Buffer.concat([head, body]);
  const key = randomBytes(4);
  for (let i = 0; i < body.length; i++) body[i]! ^= key[i % 4]!;
  return Buffer.concat([head, key, body]);
}

export interface WsMessage {
  readonly opcode: number;
  readonly payload: Buffer;
}

const sockets = new Set<RawSocket>();

export class RawSocket {
  received: Buffer = Buffer.alloc(0);
  closed = false;
  private readonly waiting = new Set<() => void>();

  private constructor(readonly tcp: Socket) {
    tcp.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    tcp.on('error', () => {});
    tcp.on('close', () => {
      this.closed = true;
      this.wake();
    });
    sockets.add(this);
  }

  static connect(gateway: Gateway): Promise<RawSocket> {
    return RawSocket.dial(portOf(gateway));
  }

  static async dial(port: number, host = '127.0.0.1'): Promise<RawSocket> {
    const raw = new RawSocket(connect(port, host));
    await once(raw.tcp, 'connect');
    return raw;
  }

  /** A connection that was made otherwise, over TLS for example. */
  static over(tcp: Socket): RawSocket {
    return new RawSocket(tcp);
  }

  /** Connected, upgraded, and with the welcome still to be read. */
  static async upgraded(gateway: Gateway, subprotocol?: string): Promise<RawSocket> {
    const raw = await RawSocket.connect(gateway);
    raw.write(handshake(subprotocol === undefined ? {} : { 'Sec-WebSocket-Protocol': subprotocol }));
    const { status } = await raw.response();
    if (status !== 101) throw new Error(`the upgrade was answered with ${status}`);
    return raw;
  }

  write(bytes: Uint8Array | string): void {
    if (!this.tcp.destroyed) this.tcp.write(bytes);
  }

  /** Takes an HTTP response, with its body where one is announced. */
  async response(): Promise<{ status: number; headers: Map<string, string>; body: string }> {
    const end = await this.until(() => {
      const at = this.received.indexOf('\r\n\r\n');
      return at < 0 ? undefined : at;
    });
    const [statusLine = '', ...lines] = this.received.subarray(0, end).toString('latin1').split('\r\n');
    const headers = new Map(
      lines.map((line) => line.split(/: ?(.*)/s).slice(0, 2)).map(([k, v]) => [k!.toLowerCase(), v!]),
    );
    const bytes = Number(headers.get('content-length') ?? 0);
    this.received = this.received.subarray(end + 4);
    await this.until(() => (this.received.length >= bytes ? true : undefined));
    const body = this.received.subarray(0, bytes).toString();
    this.received = this.received.subarray(bytes);
    return { status: Number(statusLine.split(' ')[1]), headers, body };
  }

  /** Takes the next WebSocket frame from the server, but for pings, which are answered. */
  async message(): Promise<WsMessage> {
    for (;;) {
      const message = await this.until(() => this.takeFrame());
      if (message.opcode !== Opcode.ping) return message;
      this.write(wsFrame(Opcode.pong, message.payload));
    }
  }

  /** Takes messages up to the one that is wanted, and answers no pings. */
  async unanswered(isWanted: (message: WsMessage) => boolean): Promise<WsMessage> {
    for (;;) {
      const message = await this.until(() => this.takeFrame());
      if (isWanted(message)) return message;
    }
  }

  /** Takes messages up to the one that is wanted. */
  async messageWhere(isWanted: (message: WsMessage) => boolean): Promise<WsMessage> {
    for (;;) {
      const message = await this.message();
      if (isWanted(message)) return message;
    }
  }

  async untilClosed(): Promise<void> {
    await this.until(() => (this.closed ? true : undefined), true);
  }

  end(): void {
    this.tcp.destroy();
    sockets.delete(this);
  }

  private takeFrame(): WsMessage | undefined {
    const { received } = this;
    if (received.length < 2) return undefined;
    const short = received[1]! & 0x7f;
    const head = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (received.length < head) return undefined;
    const length =
      short === 126 ? received.readUInt16BE(2) : short === 127 ? Number(received.readBigUInt64BE(2)) : short;
    if (received.length < head + length) return undefined;
    this.received = received.subarray(head + length);
    return { opcode: received[0]! & 0x0f, payload: received.subarray(head, head + length) };
  }

  private wake(): void {
    for (const go of this.waiting) go();
    this.waiting.clear();
  }

  private async until<T>(take: () => T | undefined, closing = false): Promise<T> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.wake();
    }, WAIT_MS);
    try {
      for (;;) {
        const taken = take();
        if (taken !== undefined) return taken;
        const left = this.received.subarray(0, 200).toString();
        if (late) throw new Error(`waited too long; left over: ${left}`);
        if (this.closed && !closing) throw new Error(`closed; left over: ${left}`);
        await new Promise<void>((resolve) => {
          this.waiting.add(resolve);
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

export function endAll(): void {
  for (const socket of sockets) socket.end();
}

/** The head of an upgrade; a header of null is left out. */
export function handshake(changes: Readonly<Record<string, string | null>> = {}, path = '/v1/stream'): string {
  const headers = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...changes,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== null);
  return `GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}
