// Owns one client of one gateway in the nodes proof: a plain connection that subscribes to all symbols at one depth, anew or from the
// cursors of an earlier one, and writes all that it gets into the ledger. Invariant: it asks for nothing but what it subscribed to; a hole, a wrong checksum, a gap or a reset
// is a trouble that it remembers.

import { once } from 'node:events';
import WebSocket from 'ws';
import { ClientStream, type Held, type SubscribeOptions } from '../../src/client/stream.ts';
import type { LadderLevel } from '../../src/market/ladder.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { type Channel, type Depth, SUBPROTOCOL_MSGPACK, topicName } from '../../src/protocol/frames.ts';
import { piecesOf } from './frame-pieces.ts';
import type { Ledger, Place } from './ledger.ts';

/** No price: smaller than any. */
const NONE = Number.MIN_SAFE_INTEGER;

export interface NodesWishes {
  /** Of the whole books. */
  readonly depth: Depth;
  readonly mode: 'live' | 'raw';
  /** Channels besides the books. */
  readonly channels: readonly Channel[];
  /** Ticks of grouped books, of the same depth. */
  readonly groups: readonly number[];
}

export class NodesClient {
  readonly troubles: string[] = [];
  readonly stream: ClientStream;
  private wake: () => void = () => {};

  private constructor(
    readonly node: string,
    readonly wishes: NodesWishes,
    private readonly socket: WebSocket,
    private readonly ledger: Ledger,
  ) {
    const trouble = (what: string) => (held: Held, detail: unknown) => {
      this.troubles.push(
        `${node}, depth ${wishes.depth} ${wishes.mode}: ${what} ${nameOf(held)} ${JSON.stringify(detail)}`,
      );
    };
    this.stream = new ClientStream(msgpackCodec, (bytes) => socket.send(bytes, { binary: true }), {
      book: (held, { bids, asks, depth, checksum }, { seq }) => {
        ledger.book(node, placeOf(held, depth), seq, { checksum, bids: flat(bids), asks: flat(asks) });
      },
      quote: (held, { seq, bidPrice, bidSize, askPrice, askSize }) => {
        ledger.state(node, placeOf(held, 0), seq, [bidPrice ?? NONE, bidSize, askPrice ?? NONE, askSize]);
      },
      resync: trouble('asked for a resync of'),
      gap: trouble('a gap in'),
      reset: (held, frame) => {
        if (frame.reason !== 'subscribed') trouble('a reset of')(held, frame);
      },
      end: trouble('the end of'),
      error: (frame) => this.troubles.push(`${node}: ${frame.code} ${frame.message}`),
    });
    socket.on('message', (message: Buffer) => this.receive(message));
    socket.on('close', (code) => this.troubles.push(`${node}: closed with ${code}`));
    socket.on('error', () => {});
  }

  /** Subscribes to all symbols, or goes on from where an earlier client stood in those that it held. */
  static async connect(
    url: string,
    node: string,
    wishes: NodesWishes,
    ledger: Ledger,
    earlier: NodesClient | null = null,
  ): Promise<NodesClient> {
    const socket = new WebSocket(url, SUBPROTOCOL_MSGPACK);
    const client = new NodesClient(node, wishes, socket, ledger);
    await once(socket, 'open');
    if (earlier !== null) client.stream.carry(earlier.stream);
    const { depth, mode, channels, groups } = wishes;
    client.ask('book', mode === 'raw' ? { mode } : { depth }, earlier);
    for (const group of groups) client.ask('book', { depth, group }, earlier);
    for (const channel of channels) client.ask(channel, {}, earlier);
    return client;
  }

  /** Resolves after the next message, or after that long without one. */
  next(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  end(): void {
    this.socket.removeAllListeners('close');
    this.socket.terminate();
  }

  private ask(channel: Channel, options: SubscribeOptions, earlier: NodesClient | null): void {
    const { stream } = this;
    if (earlier !== null) this.goOn(channel, options, earlier);
    // What was asked for by name stays as it is.
    stream.subscribe(channel, ['*'], options);
  }

  private goOn(channel: Channel, options: SubscribeOptions, earlier: NodesClient): void {
    const { stream } = this;
    const { group = 0 } = options;
    const held = [...earlier.stream.held.values()].map(({ topic }) => topic);
    const symbols = held.filter((topic) => topic.channel === channel && (topic.group ?? 0) === group);
    const names = symbols.map(({ symbol }) => symbol);
    const cursor = Object.fromEntries(names.map((symbol) => [symbol, stream.cursor(channel, symbol, group)!]));
    stream.subscribe(channel, names, { ...options, cursor });
  }

  private receive(message: Buffer): void {
    try {
      this.stream.receive(message);
      for (const piece of piecesOf(message)) {
        const held = this.stream.held.get(piece.topic);
        if (held === undefined) continue;
        const { channel, group = 0 } = held.topic;
        const mode = channel === 'book' && group === 0 ? this.wishes.mode : 'live';
        this.ledger.frame(this.node, placeOf(held, piece.depth), mode, piece);
      }
    } catch (error) {
      this.troubles.push(`${this.node}: ${(error as Error).message}`);
    }
    this.wake();
  }
}

function placeOf(held: Held, depth: number): Place {
  const { epoch, stride } = held.topic;
  return { topic: nameOf(held), epoch, depth, stride };
}

function flat(levels: readonly LadderLevel[]): number[] {
  const out: number[] = [];
  for (const { price, size, count } of levels) out.push(price, size, count);
  return out;
}

function nameOf({ topic: { channel, symbol, group } }: Held): string {
  return topicName(channel, symbol, group);
}
