// Owns a TCP proxy between clients and a server, and the ways in which a network fails between them: silence, delay, resets, refusal.
// Called by the tests of lost connections. Invariant: what passes keeps its order and has no holes; a connection that lost bytes
// passes nothing ever after, as no real one would.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';

const HOST = '127.0.0.1';
/** A direction that holds more than this, delayed or not taken by its receiver, stops reading. */
const HELD_BYTES_MAX = 2 ** 23;

type Direction = 'toServer' | 'toClient';

interface Held {
  /** Null is the end of the direction. */
  readonly bytes: Buffer | null;
  readonly dueMs: number;
}

/** What the network does to a direction, and who counts. */
interface Weather {
  delayMs(): number;
  silent(direction: Direction): boolean;
  held(countBytes: number): void;
  passed(direction: Direction, countBytes: number): void;
  swallowed(countBytes: number): void;
}

/** One direction of a connection: what comes in at `from` goes out at `to`. */
class Lane {
  /** It lost bytes: none pass any more. */
  torn = false;
  /** The word that its sender has ended was lost. */
  endLost = false;
  private readonly held: Held[] = [];
  private heldBytes = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly direction: Direction,
    private readonly weather: Weather,
    private readonly cut: () => void,
  ) {
    from.on('data', (bytes) => this.take(bytes));
    from.on('end', () => this.take(null));
    to.on('drain', () => this.release());
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.held.length = 0;
    this.hold(-this.heldBytes);
  }

  private take(bytes: Buffer | null): void {
    if (this.loses(bytes)) return;
    this.held.push({ bytes, dueMs: performance.now() + this.weather.delayMs() });
    this.hold(bytes?.length ?? 0);
    this.release();
    if (this.heldBytes + this.to.writableLength > HELD_BYTES_MAX) this.from.pause();
  }

  /** Hands on what is due, in order: nothing passes what came before it. */
  private release(): void {
    if (this.timer !== null) return;
    for (let head = this.held[0]; head !== undefined; head = this.held[0]) {
      const waitMs = head.dueMs - performance.now();
      if (waitMs > 0) {
        this.timer = setTimeout(() => {
          this.timer = null;
          this.release();
        }, waitMs);
        return;
      }
      this.held.shift();
      this.pass(head.bytes);
    }
    if (this.heldBytes + this.to.writableLength <= HELD_BYTES_MAX) this.from.resume();
  }

  private pass(bytes: Buffer | null): void {
    this.hold(-(bytes?.length ?? 0));
    // It may have been on its way when the network fell silent.
    if (this.loses(bytes)) return;
    if (bytes === null) {
      this.to.end();
      return;
    }
    this.to.write(bytes);
    this.weather.passed(this.direction, bytes.length);
  }

  private hold(countBytes: number): void {
    this.heldBytes += countBytes;
    this.weather.held(countBytes);
  }

  private loses(bytes: Buffer | null): boolean {
    if (bytes === null) return this.losesEnd();
    if (!this.torn && !this.weather.silent(this.direction)) return false;
    this.torn = true;
    this.weather.swallowed(bytes.length);
    return true;
  }

  /** Whether the receiver is not to hear of an end, because of silence; an end after lost bytes is a reset. */
  losesEnd(): boolean {
    if (this.weather.silent(this.direction)) this.torn = this.endLost = true;
    else if (this.torn) this.cut();
    return this.torn;
  }
}

/** A client's connection, and the one to the server that stands for it. */
class Pair {
  private readonly lanes: readonly Lane[];
  private readonly left = new Set<Socket>();

  constructor(
    readonly client: Socket,
    readonly server: Socket,
    weather: Weather,
    private readonly gone: () => void,
  ) {
    const cut = () => this.cut();
    this.lanes = [
      new Lane(client, server, 'toServer', weather, cut),
      new Lane(server, client, 'toClient', weather, cut),
    ];
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', (hadError) => this.closed(socket, other, hadError));
    }
  }

  /** Nothing passes on it, in either direction. */
  tear(): void {
    for (const lane of this.lanes) lane.torn = true;
  }

  /** Whoever is alone on a connection that lost bytes learns of it now. */
  heal(): void {
    if (!this.lanes.some((lane) => lane.torn)) return;
    this.tear();
    if (this.left.size > 0 || this.lanes.some((lane) => lane.endLost)) this.cut();
  }

  cut(): void {
    for (const lane of this.lanes) lane.stop();
    for (const socket of [this.client, this.server]) if (!socket.destroyed) socket.resetAndDestroy();
  }

  private closed(socket: Socket, other: Socket, hadError: boolean): void {
    this.left.add(socket);
    if (this.left.size === 2) {
      for (const lane of this.lanes) lane.stop();
      this.gone();
      return;
    }
    const lane = this.lanes[socket === this.client ? 0 : 1]!;
    // An orderly end was passed on by its lane.
    if (hadError && !lane.losesEnd()) other.resetAndDestroy();
  }
}

export class TcpProxy {
  readonly host = HOST;
  /** Milliseconds by which each direction is delayed; what is under way keeps the delay that it began with. */
  delayMs = 0;
  /** Bytes that were handed on. */
  readonly bytes = { toServer: 0, toClient: 0 };
  /** Bytes under way now, because of a delay. */
  bytesHeld = 0;
  /** Bytes that were lost, of both directions. */
  bytesSwallowed = 0;
  /** Connections since the beginning, those refused not counted. */
  connectionsTotal = 0;
  connectionsRefused = 0;
  private readonly pairs = new Set<Pair>();
  private readonly silent = { toServer: false, toClient: false };
  private refusing = false;
  private wakes: (() => void)[] = [];
  private readonly weather: Weather = {
    delayMs: () => this.delayMs,
    silent: (direction) => this.silent[direction],
    held: (countBytes) => {
      this.bytesHeld += countBytes;
      this.wake();
    },
    passed: (direction, countBytes) => {
      this.bytes[direction] += countBytes;
      this.wake();
    },
    swallowed: (countBytes) => {
      this.bytesSwallowed += countBytes;
      this.wake();
    },
  };

  constructor(
    private readonly listener: Server,
    private targetPort: number,
  ) {
    listener.on('connection', (client) => this.accept(client));
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port;
  }

  /** For clients of Redis. */
  get url(): string {
    return `redis://${HOST}:${this.port}`;
  }

  /** Connections that are open on one side at least. */
  get connections(): number {
    return this.pairs.size;
  }

  /**
   * From now on bytes are taken and dropped, both ways. Connections stay open; new ones are accepted and get nothing, and the
   * server does not hear of them; nobody learns that the other side has closed.
   */
  swallow(): void {
    this.silent.toServer = true;
    this.silent.toClient = true;
  }

  /** The same for what the server sends only: it does what it is asked, and no answer arrives. */
  swallowToClient(): void {
    this.silent.toServer = false;
    this.silent.toClient = true;
  }

  /** The same for what clients send only: the server says what it has to say, and hears nothing. */
  swallowToServer(): void {
    this.silent.toServer = true;
    this.silent.toClient = false;
  }

  /**
   * Bytes pass again, but not on connections that lost some, or were made in silence: these stay open and silent until `cut`. Only
   * those whose one side has closed are cut now.
   */
  heal(): void {
    this.silent.toServer = false;
    this.silent.toClient = false;
    for (const pair of this.pairs) pair.heal();
  }

  /** Resets all connections, on both sides. New ones are taken as before. */
  cut(): void {
    for (const pair of this.pairs) pair.cut();
  }

  /** Whether new connections are reset at once. */
  refuse(refusing: boolean): void {
    this.refusing = refusing;
  }

  /** Resolves once the condition holds, which is looked at whenever a figure of the proxy changes. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((wake) => {
        this.wakes.push(wake);
      });
    }
  }

  /** New connections lead to that port from now on. */
  aim(targetPort: number): void {
    this.targetPort = targetPort;
  }

  /** Cuts everything and listens no more. */
  async close(): Promise<void> {
    this.refusing = true;
    const closed = this.listener.listening ? once(this.listener, 'close') : undefined;
    this.listener.close();
    this.cut();
    await closed;
  }

  private accept(client: Socket): void {
    if (this.refusing) {
      client.on('error', () => {});
      client.resetAndDestroy();
      this.connectionsRefused += 1;
      this.wake();
      return;
    }
    const server = new Socket({ allowHalfOpen: true });
    const pair: Pair = new Pair(client, server, this.weather, () => {
      this.pairs.delete(pair);
      this.wake();
    });
    this.pairs.add(pair);
    this.connectionsTotal += 1;
    // What asks for a connection is lost as well.
    if (this.silent.toServer) pair.tear();
    else server.connect(this.targetPort, HOST);
    this.wake();
  }

  private wake(): void {
    for (const wake of this.wakes.splice(0)) wake();
  }
}

/** A proxy before the server on this port of 127.0.0.1; `close` it after the test. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const listener = createServer({ allowHalfOpen: true });
  const proxy = new TcpProxy(listener, targetPort);
  listener.listen(0, HOST);
  await once(listener, 'listening');
  return proxy;
}
