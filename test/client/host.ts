// Owns a WebSocket server that says what a test has it say, in frames of the real JSON codec, and hands on what clients send.
// Called by the tests of sessions, refusals, links and goodbyes. Invariant: every connection and every request can be awaited, in their order.

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Client, ClientOptions } from '../../src/client/node.ts';
import { jsonCodec } from '../../src/protocol/codecs.ts';
import type { Channel, Frame, TopicFrame, WelcomeFrame } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { clientOf, next } from './scene.ts';

/** Longer than any test: what comes nevertheless did not wait for it. */
export const NEVER_MS = 3_600_000;
/** A delay between attempts is all of its bound, and that is for ever. */
export const NEVER_BACK = { reconnect: { minMs: NEVER_MS, maxMs: NEVER_MS }, random: () => 1 };

export type Fields = Readonly<Record<string, unknown>> & { readonly op: string; readonly id: number };

/** What was not awaited yet, and who awaits what did not come yet. */
class Line<T> {
  private readonly come: T[] = [];
  private readonly waiting: ((item: T) => void)[] = [];

  push(item: T): void {
    const waiter = this.waiting.shift();
    if (waiter === undefined) this.come.push(item);
    else waiter(item);
  }

  next(): Promise<T> {
    const item = this.come.shift();
    return item === undefined ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve(item);
  }

  get count(): number {
    return this.come.length;
  }
}

export function topicFrame(channel: Channel, symbol: string, topic: number): TopicFrame {
  const scales = { priceScale: 2, sizeScale: 0, stride: 2, tickSize: 1, lotSize: 1 };
  return { type: 'topic', topic, channel, symbol, epoch: 77, ...scales };
}

/** One client's connection, as the server sees it. */
export class Guest {
  /** Whether it has knocked: a ping at once, by a client that does not say who it is. */
  knocked = false;
  /** Subprotocols that it offers, in their order. */
  readonly offered: readonly string[];
  readonly path: string;
  /** The close code that the client sent, or 1006. */
  readonly closed: Promise<number>;
  private readonly requests = new Line<Fields>();

  constructor(
    private readonly socket: WebSocket,
    { headers, url }: IncomingMessage,
  ) {
    this.offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim());
    this.path = url ?? '';
    this.closed = once(socket, 'close').then(([code]) => code as number);
    socket.on('message', (data) => {
      const request = JSON.parse(String(data)) as Fields;
      if (request.op === 'ping' && request.id === 0) this.knocked = true;
      else this.requests.push(request);
    });
  }

  /** The next request, of this operation where one is named: those between are passed over. */
  async request(op?: string): Promise<Fields> {
    for (;;) {
      const request = await this.requests.next();
      if (op === undefined || request.op === op) return request;
    }
  }

  /** One message. */
  say(...frames: Frame[]): void {
    const writer = new ByteWriter();
    const topic = frames.find((frame) => frame.type === 'topic');
    for (const frame of frames) jsonCodec.encode(writer, frame, topic);
    this.socket.send(Buffer.from(writer.copy()).toString());
  }

  welcome(limits: Partial<WelcomeFrame['limits']> = {}): void {
    const usual = { requestBytes: 65_536, symbolsPerRequest: 500, subscriptions: 2_000, heartbeatMs: 60_000 };
    this.say({
      type: 'welcome',
      version: 'tickwire.v1',
      server: 'host',
      session: 's',
      timeUs: 1_000_000,
      limits: { ...usual, ageMsMax: 60_000, ...limits },
    });
  }

  /** Grants all symbols of a subscribe request; their topics are numbered from `topic` on. */
  grant({ id, op, channel, symbols }: Fields, topic = 1): void {
    const names = symbols as string[];
    const shape = { depth: 0, intervalMs: 0, mode: 'live' } as const;
    const accepted = names.map((symbol, i) => ({ symbol, topic: topic + i, ...shape }));
    this.say({ type: 'ack', id, op, accepted, refused: [] });
    for (const [i, symbol] of names.entries()) this.say(topicFrame(channel as Channel, symbol, topic + i));
  }

  ack({ id, op }: Fields): void {
    this.say({ type: 'ack', id, op, accepted: [], refused: [] });
  }

  error(id: number | null, code: string): void {
    this.say({ type: 'error', id, code, message: 'No.', action: 'Do.' });
  }

  refuse(code: string, retryAfterMs: number | null): void {
    this.say({ type: 'refused', code, message: 'Not served.', action: 'Do.', retryAfterMs });
  }

  close(code: number): void {
    this.socket.close(code);
  }

  /** Ends it as a network does. */
  cut(): void {
    this.socket.terminate();
  }
}

export class Host {
  private readonly guests = new Line<Guest>();

  private constructor(private readonly server: WebSocketServer) {
    server.on('connection', (socket, request) => this.guests.push(new Guest(socket, request)));
  }

  /** It ends with the test. */
  static async start(): Promise<Host> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    onTestFinished(() => {
      for (const socket of server.clients) socket.terminate();
      server.close();
    });
    return new Host(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/v1/stream`;
  }

  /** Connections that were not awaited yet. */
  get arrived(): number {
    return this.guests.count;
  }

  guest(): Promise<Guest> {
    return this.guests.next();
  }
}

export function jsonClient(urls: string | readonly string[], options: ClientOptions = {}): Client {
  return clientOf(urls, { codec: 'json', ...options });
}

/** A client of one such server, welcomed. */
export async function joined(options: ClientOptions = {}, limits: Parameters<Guest['welcome']>[0] = {}) {
  const host = await Host.start();
  const client = jsonClient(host.url, options);
  const guest = await host.guest();
  const open = next(client, 'state', ({ state }) => state === 'open');
  guest.welcome(limits);
  await open;
  return { host, client, guest };
}
