// Owns a way to the gateway that ends every connection with a reset, in the midst of what the gateway sends: after a number of bytes
// that the test draws. Invariant: what passed before is unchanged, and it is known what the last byte was part of.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Where the cuts fell. */
export interface Cuts {
  /** Between two WebSocket messages. */
  between: number;
  /** In a header or a payload. */
  within: number;
  /** Before the handshake was answered whole. */
  handshake: number;
}

export class Shears {
  readonly cuts: Cuts = { between: 0, within: 0, handshake: 0 };
  /** Bytes that the next connections get; null: they are not cut. */
  bytesMax: (() => number) | null = null;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly targetPort: number,
  ) {
    server.on('connection', (client) => this.join(client));
  }

  static async start(targetPort: number): Promise<Shears> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Shears(server, targetPort);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1/stream`;
  }

  get total(): number {
    return this.cuts.between + this.cuts.within + this.cuts.handshake;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private join(client: Socket): void {
    const gateway = connect(this.targetPort, '127.0.0.1');
    const bytesMax = this.bytesMax?.() ?? Number.POSITIVE_INFINITY;
    const place = new Place();
    let passed = 0;
    for (const [socket, other] of [
      [client, gateway],
      [gateway, client],
    ] as const) {
      this.sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (bytes) => gateway.write(bytes));
    gateway.on('data', (bytes) => {
      const passing = bytes.subarray(0, bytesMax - passed);
      passed += passing.length;
      place.take(passing);
      if (passed < bytesMax) return void client.write(passing);
      gateway.removeAllListeners('data');
      this.cuts[place.now] += 1;
      // What was handed on arrives before the reset does.
      client.write(passing, () => client.resetAndDestroy());
      gateway.resetAndDestroy();
    });
  }
}

/** Where in the stream of a server one is. */
class Place {
  now: keyof Cuts = 'handshake';
  private head = Buffer.alloc(0);
  private leftBytes = 0;

  take(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.leftBytes > 0) {
        const taken = Math.min(this.leftBytes, bytes.length - at);
        at += taken;
        this.leftBytes -= taken;
        if (this.leftBytes === 0) this.now = 'between';
        continue;
      }
      this.head = Buffer.concat([this.head, bytes.subarray(at, at + 1)]);
      at += 1;
      if (this.now === 'handshake') {
        if (this.head.subarray(-4).toString('latin1') === '\r\n\r\n') this.begin('between');
        continue;
      }
      this.now = 'within';
      this.header();
    }
  }

  /** RFC 6455 section 5.2: a server's messages have no mask. */
  private header(): void {
    const { head } = this;
    if (head.length < 2) return;
    const short = head[1]! & 0x7f;
    const headBytes = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (head.length < headBytes) return;
    this.leftBytes = short === 126 ? head.readUInt16BE(2) : short === 127 ? Number(head.readBigUInt64BE(2)) : short;
    this.begin(this.leftBytes === 0 ? 'between' : 'within');
  }

  private begin(now: keyof Cuts): void {
    this.head = Buffer.alloc(0);
    this.now = now;
  }
}
