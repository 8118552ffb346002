// Owns one client of one gateway in the nodes proof: a plain connection that subscribes to all symbols at one depth, and writes all
// that it gets into the ledger. Invariant: it asks for nothing but what it subscribed to; a hole, a wrong checksum, a gap or a reset
// is a trouble that it remembers.

import { once } from 'node:events';
import WebSocket from 'ws';
import { ClientStream, type Held } from '../../src/client/stream.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { type Channel, type Depth, SUBPROTOCOL_MSGPACK, topicName } from '../../src/protocol/frames.ts';
import { piecesOf } from './frame-pieces.ts';
import type { Ledger } from './ledger.ts';

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
      this.troubles.push(`${node}, depth ${wishes.depth} ${wishes.mode}: ${what} ${nameOf(held)} ${JSON.stringify(detail)}`);
    };
    this.stream = new ClientStream(msgpackCodec, (bytes) => socket.send(bytes, { binary: true }), {
      book: (held, { bids, asks, depth, checksum }, { seq }) => {
        const numbers = [checksum, bids.length];
        for (const { price, size, count } of bids) numbers.push(price, size, count);
        for (const { price, size, count } of asks) numbers.push(price, size, count);
        ledger.state(node, { topic: nameOf(held), epoch: held.topic.epoch, depth }, seq, numbers);
      },
      quote: (held, { seq, bidPrice, bidSize, askPrice, askSize }) => {
        const numbers = [bidPrice ?? Number.MIN_SAFE_INTEGER, bidSize, askPrice ?? Number.MIN_SAFE_INTEGER, askSize];
        ledger.state(node, { topic: nameOf(held), epoch: held.topic.epoch, depth: 0 }, seq, numbers);
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

  static async connect(url: string, node: string, wishes: NodesWishes, ledger: Ledger): Promise<NodesClient> {
    const socket = new WebSocket(url, SUBPROTOCOL_MSGPACK);
    const client = new NodesClient(node, wishes, socket, ledger);
    await once(socket, 'open');
    const { depth, mode, channels, groups } = wishes;
    client.stream.subscribe('book', ['*'], mode === 'raw' ? { mode } : { depth });
    for (const group of groups) client.stream.subscribe('book', ['*'], { depth, group });
    for (const channel of channels) client.stream.subscribe(channel, ['*']);
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

  private receive(message: Buffer): void {
    try {
      this.stream.receive(message);
      for (const piece of piecesOf(message)) {
        const held = this.stream.held.get(piece.topic);
        if (held === undefined) continue;
        const { epoch, channel, group } = held.topic;
        const raw = this.wishes.mode === 'raw' && channel === 'book' && (group ?? 0) === 0;
        this.ledger.frame(this.node, { topic: nameOf(held), epoch, depth: piece.depth }, raw ? 'raw' : 'live', piece);
      }
    } catch (error) {
      this.troubles.push(`${this.node}: ${(error as Error).message}`);
    }
    this.wake();
  }
}

function nameOf({ topic: { channel, symbol, group } }: Held): string {
  return topicName(channel, symbol, group);
}
