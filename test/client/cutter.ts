// Owns a TCP proxy that stands between a client and a gateway, and cuts, stalls or refuses connections as a bad network does.
// Invariant: what it passes on is unchanged; after `close` nothing of it is left.

import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net';

export class Cutter {
  /** Connections that were accepted so far. */
  accepted = 0;
  private readonly sockets = new Set<Socket>();
  private stalled = false;
  private refusing = false;

  private constructor(
    private readonly server: Server,
    private readonly portOfGateway: () => number,
  ) {
    server.on('connection', (client) => this.join(client));
  }

  static async start(portOfGateway: () => number): Promise<Cutter> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Cutter(server, portOfGateway);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1/stream`;
  }

  /** Destroys all connections, without a word to either side. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  /** Nothing passes any more, in either direction, while connections stay. */
  stall(): void {
    this.stalled = true;
    for (const socket of this.sockets) socket.pause();
  }

  /** New connections are cut at once, or no longer. */
  refuse(refusing: boolean): void {
    this.refusing = refusing;
  }

  resume(): void {
    this.stalled = false;
    for (const socket of this.sockets) socket.resume();
  }

  close(): void {
    this.server.close();
    this.cut();
  }

  private join(client: Socket): void {
    this.accepted += 1;
    if (this.refusing) {
      client.resetAndDestroy();
      return;
    }
    const gateway = dial(this.portOfGateway(), '127.0.0.1');
    for (const [from, to] of [
      [client, gateway],
      [gateway, client],
    ] as const) {
      this.sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => {});
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
      from.on('data', (bytes: Buffer) => to.write(bytes));
    }
    if (this.stalled) for (const socket of [client, gateway]) socket.pause();
  }
}
