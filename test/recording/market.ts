// Owns what the tests of recordings have in common: a gateway on free ports, a client that writes down every state that it
// holds, files that end with the test.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { Link } from '../../src/cli/link.ts';
import type { Held } from '../../src/client/stream.ts';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import type { LadderLevel } from '../../src/market/ladder.ts';
import type { Update } from '../../src/market/update.ts';
import type { ChannelFrame } from '../../src/protocol/frames.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';

/** A path in a folder of its own, where nothing is yet. */
export function freshPath(name = 'market.twr'): string {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-recording-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, name);
}

export function startGateway(settings: Partial<Settings> = {}): Gateway {
  const gateway = new Gateway(readSettings({ port: 0, adminPort: 0, ...settings }, {}), pino({ level: 'silent' }));
  gateway.start();
  onTestFinished(() => gateway.stop());
  return gateway;
}

/** A client in raw mode: every state of every topic that it held, as text, in order. */
export class Notes {
  /** By `channel:symbol`. */
  readonly states = new Map<string, string[]>();
  private wake: () => void = () => {};

  private constructor(private readonly link: () => Link) {}

  static async open(url: string): Promise<Notes> {
    const take = (held: Held, frame: ChannelFrame): void => notes.write(held, frame);
    const link: Link = await Link.open(url, {
      book: (held, _book, frame) => take(held, frame),
      quote: take,
      trade: take,
      status: take,
      topic: () => notes.wake(),
      reset: () => notes.wake(),
    });
    const notes = new Notes(() => link);
    onTestFinished(() => link.close());
    return notes;
  }

  /** Resolves when everything is subscribed and held. */
  async subscribe(symbols: readonly string[], channels: readonly ChannelFrame['type'][]): Promise<void> {
    const { stream } = this.link();
    for (const channel of channels) stream.subscribe(channel, symbols, { mode: 'raw' });
    for (const channel of channels) {
      for (const symbol of symbols) await this.until(() => stream.find(channel, symbol)?.valid === true);
    }
  }

  async until(met: () => boolean): Promise<void> {
    while (!met()) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** Seq that is held of a topic. */
  seq(channel: ChannelFrame['type'], symbol: string): number {
    return this.link().stream.find(channel, symbol)?.seq ?? 0;
  }

  private write(held: Held, frame: ChannelFrame): void {
    const name = `${held.topic.channel}:${held.topic.symbol}`;
    const states = this.states.get(name) ?? [];
    this.states.set(name, states);
    // Before anything was published there is nothing to hold.
    if (frame.seq > 0) states.push(stateOf(held, frame));
    this.wake();
  }
}

/** The derived quote has the book's numbers, but not all of them: it is held when the book of the same turn is. */
export async function untilAllHeld(
  notes: Notes,
  gateway: Gateway,
  channels: readonly string[],
  symbols = gateway.instruments.list().map(({ symbol }) => symbol),
): Promise<void> {
  for (const symbol of symbols) {
    for (const channel of ['book', 'trade', 'status'] as const) {
      if (!channels.includes(channel)) continue;
      const { seq } = await gateway.bus.load(channel, symbol);
      await notes.until(() => notes.seq(channel, symbol) === seq);
    }
  }
}

/** Without what another gateway numbers and times in its own way. */
function stateOf({ topic, book }: Held, frame: ChannelFrame): string {
  const { priceScale, sizeScale } = topic;
  const scales = { priceScale, sizeScale, exchangeUs: frame.exchangeUs };
  if (frame.type === 'book') {
    const { checksum } = book!;
    return JSON.stringify({ ...scales, checksum, bids: rows(book!.bids), asks: rows(book!.asks) });
  }
  const { topic: _topic, fromSeq: _fromSeq, seq: _seq, publishUs: _publishUs, gatewayUs: _gatewayUs, ...rest } = frame;
  return JSON.stringify({ ...scales, ...rest });
}

function rows(levels: readonly LadderLevel[]): number[][] {
  return levels.map(({ price, size, count }) => [price, size, count]);
}

/** An update as a feed tells it. */
export function published(symbol: string, update: Update): FeedEvent {
  return { kind: 'update', symbol, update, exchangeUs: null, checksum: null };
}

/** A way to a gateway through a port of its own: it can be cut, and lead to another gateway afterwards. */
export class Way {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private port: number | null,
  ) {
    server.on('connection', (socket) => this.join(socket));
  }

  static async open(gateway: Gateway): Promise<Way> {
    const server = createServer();
    const way = new Way(server, portOf(gateway));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      way.leadTo(null);
      server.close();
    });
    return way;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Cuts what is open; from now on it leads there, or nowhere. */
  leadTo(gateway: Gateway | null): void {
    this.port = gateway === null ? null : portOf(gateway);
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  private join(socket: Socket): void {
    if (this.port === null) {
      socket.destroy();
      return;
    }
    const other = connect(this.port, '127.0.0.1');
    for (const [one, another] of [
      [socket, other],
      [other, socket],
    ] as const) {
      this.sockets.add(one);
      one.on('error', () => one.destroy());
      one.on('close', () => another.destroy());
      one.pipe(another);
    }
  }
}

function portOf(gateway: Gateway): number {
  return Number(new URL(gateway.url).port);
}
