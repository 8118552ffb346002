// Owns the product's client on a real socket, and the plain books that its own are held against.
// Invariant: `exact` passes only where every level, the seq and the counters say that nothing was lost or made up.

import { expect } from 'vitest';
import { ClientStream, type Held, type StreamHandlers } from '../../src/client/stream.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import type { Channel } from '../../src/protocol/frames.ts';
import type { NaiveBook } from '../feeds/naive.ts';
import { TestClient } from './harness.ts';

export class StreamClient {
  readonly stream: ClientStream;

  private constructor(
    readonly client: TestClient,
    readonly codec: 'json' | 'msgpack',
    handlers: StreamHandlers,
  ) {
    this.stream = new ClientStream(
      codec === 'json' ? jsonCodec : msgpackCodec,
      (bytes) => client.socket.send(bytes, { binary: codec === 'msgpack' }),
      handlers,
    );
    client.decode = (message) => this.stream.receive(message);
  }

  static async connect(
    gateway: Gateway,
    codec: 'json' | 'msgpack' = 'msgpack',
    handlers: StreamHandlers = {},
  ): Promise<StreamClient> {
    return new StreamClient(await TestClient.connect(gateway, codec), codec, handlers);
  }

  held(channel: Channel, symbol: string): Held {
    const held = this.stream.find(channel, symbol);
    if (held === undefined) throw new Error(`${channel}:${symbol} was not announced`);
    return held;
  }

  /** Waits until the topic is at that seq, or past it. */
  async reaches(channel: Channel, symbol: string, seq: number): Promise<void> {
    await this.until(() => (this.stream.find(channel, symbol)?.seq ?? -1) >= seq, `${channel}:${symbol} at ${seq}`);
  }

  /** Waits until that holds; it is asked after each message. */
  async until(holds: () => boolean, what: string): Promise<void> {
    if (!holds()) await this.client.takeUntil(holds, what);
  }
}

/** Bids and asks, best first, as `[price, size]`. */
export function levelsOf(book: NonNullable<Held['book']>): Record<'bids' | 'asks', [number, number][]> {
  const side = (levels: typeof book.bids) => levels.map(({ price, size }): [number, number] => [price, size]).reverse();
  return { bids: side(book.bids), asks: side(book.asks) };
}

export function topOf(oracle: NaiveBook, depth: number): ReturnType<typeof levelsOf> {
  const cut = (side: 'bids' | 'asks') => oracle.sorted(side).slice(0, depth === 0 ? undefined : depth);
  return { bids: cut('bids'), asks: cut('asks') };
}

/** The client holds what was published, and was never in doubt. */
export function expectExact({ book, counters, valid, seq }: Held, oracle: NaiveBook, atSeq: number): void {
  expect({ valid, seq }).toEqual({ valid: true, seq: atSeq });
  // As text: comparing thousands of pairs one by one is slow, and the difference is shown as well.
  expect(JSON.stringify(levelsOf(book!))).toBe(JSON.stringify(topOf(oracle, book!.depth)));
  expect({ ...counters, ...book!.counters }).toMatchObject({
    resyncs: 0,
    resets: 0,
    gapped: 0,
    holes: 0,
    badChecksums: 0,
  });
}
