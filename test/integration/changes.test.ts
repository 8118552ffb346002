// Holds what a client may do to a subscription while updates flow, on real sockets: change its depth, interval and mode
// without a gap, share the ticks of an interval byte for byte, and leave for good.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SubscribeOptions } from '../../src/client/stream.ts';
import { Random } from '../../src/feeds/random.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { NaiveBook } from '../feeds/naive.ts';
import { startGateway, stopAll } from '../gateway/harness.ts';
import { expectExact, StreamClient } from '../gateway/streamclient.ts';

let gateway: Gateway;
let publishing: Publishing;
beforeEach(async () => {
  gateway = startGateway({}, [{ symbol: 'A', priceScale: 2, sizeScale: 0 }]);
  publishing = new Publishing();
  await publishing.publish();
});
afterEach(stopAll);

/** One book of 60 levels a side; each update sets or removes a few of them. */
class Publishing {
  readonly oracle = new NaiveBook();
  seq = 0;
  private readonly random = new Random(5);

  /** @param best whether the best levels change for certain, so that every depth shows it. */
  async publish(best = false): Promise<void> {
    const kind = this.seq === 0 ? ('snapshot' as const) : ('delta' as const);
    const bids = best ? [1_000, 5_000 + this.seq, 0] : this.side('bids', 1_000, -1);
    const update = { kind, bids, asks: best ? [] : this.side('asks', 1_001, 1) };
    const [published] = await gateway.bus.publish([{ symbol: 'A', update, exchangeUs: null }]);
    expect(published).toMatchObject({ seq: ++this.seq });
    this.oracle.apply(update);
  }

  /** That many updates, one per turn of the event loop. */
  async run(updates: number): Promise<void> {
    for (let i = 0; i < updates; i++) {
      await this.publish();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private side(side: 'bids' | 'asks', from: number, outward: number): number[] {
    const flat: number[] = [];
    for (let i = 0; i < 60; i++) {
      if (this.seq > 0 && !this.random.chance(0.05)) continue;
      const price = from + outward * i;
      const removes = this.oracle[side].has(price) && this.random.chance(0.4);
      flat.push(price, removes && this.seq > 0 ? 0 : 1 + this.random.below(1_000), 0);
    }
    return flat;
  }
}

describe('a live change', () => {
  const SHAPES: readonly SubscribeOptions[] = [
    { depth: 10 },
    { depth: 50 },
    { depth: 1, interval: 10 },
    { depth: 0 },
    { mode: 'raw' },
    { depth: 5 },
    { depth: 20, interval: 50 },
    { mode: 'raw' },
    { depth: 0, interval: 10 },
    { depth: 1 },
  ];

  test.each(['json', 'msgpack'] as const)('of depth, interval and mode leaves no gap, in %s', async (codec) => {
    const clients = await Promise.all(SHAPES.map(() => StreamClient.connect(gateway, codec)));
    for (let round = 0; round < 3 * SHAPES.length; round++) {
      for (const [i, client] of clients.entries()) {
        client.stream.subscribe('book', ['A'], SHAPES[(i + round) % SHAPES.length]!);
      }
      // Some changes come in the middle of a burst, some while it is quiet.
      if (round % 3 !== 0) await publishing.run(10);
    }
    await publishing.publish(true);
    for (const [i, client] of clients.entries()) {
      const last = SHAPES[(i + 3 * SHAPES.length - 1) % SHAPES.length]!;
      await client.until(
        () =>
          client.stream.find('book', 'A')?.seq === publishing.seq &&
          client.held('book', 'A').book!.depth === (last.depth ?? 0),
        `depth ${last.depth} at ${publishing.seq}`,
      );
      expectExact(client.held('book', 'A'), publishing.oracle, publishing.seq);
      const { frames } = client.client;
      expect(frames.filter(({ type }) => type === 'error')).toEqual([]);
    }
  });
  test('is announced by one topic frame only, at the beginning', async () => {
    const client = await StreamClient.connect(gateway);
    for (const shape of SHAPES) {
      client.stream.subscribe('book', ['A'], shape);
      await publishing.run(3);
    }
    const frames = await client.client.settled();
    expect(frames.filter(({ type }) => type === 'topic')).toHaveLength(1);
    expect(frames.filter(({ type }) => type === 'ack')).toHaveLength(SHAPES.length);
  });
});

describe('an interval', () => {
  test.each(['json', 'msgpack'] as const)(
    'has ticks that all share: byte for byte the same frames, in %s',
    async (codec) => {
      const early = await StreamClient.connect(gateway, codec);
      early.stream.subscribe('book', ['A'], { depth: 10, interval: 50 });
      await early.reaches('book', 'A', 1);
      await publishing.run(7);
      const late = await StreamClient.connect(gateway, codec);
      late.stream.subscribe('book', ['A'], { depth: 10, interval: 35 });
      await late.reaches('book', 'A', 8);
      await early.reaches('book', 'A', 8);
      // The next tick finds both in step, whatever each was sent to get there.
      await publishing.run(1);
      for (const client of [early, late]) await client.reaches('book', 'A', publishing.seq);

      const joined = [early, late].map(({ client }) => client.messages.length);
      for (let i = 0; i < 6; i++) {
        await publishing.run(20);
        for (const client of [early, late]) await client.reaches('book', 'A', publishing.seq);
      }
      const [a, b] = [early, late].map(({ client }, i) =>
        client.messages.slice(joined[i]).map(({ bytes }) => bytes.toString('hex')),
      );
      expect(a!.length).toBeGreaterThanOrEqual(6);
      expect(b).toEqual(a);
      expectExact(late.held('book', 'A'), publishing.oracle, publishing.seq);
    },
  );
  test('is never undercut', async () => {
    const atUs: number[] = [];
    const client = await StreamClient.connect(gateway, 'msgpack', {
      book: (_, __, frame) => atUs.push(frame.gatewayUs),
    });
    client.stream.subscribe('book', ['A'], { interval: 50 });
    await client.reaches('book', 'A', 1);
    while (atUs.length < 12) await publishing.run(5);
    // A tick may come late and the one after it in time, but none comes twice; the first frame is the snapshot.
    for (let i = 2; i < atUs.length; i++) expect((atUs[i]! - atUs[i - 1]!) / 1_000).toBeGreaterThan(5);
    expect((atUs.at(-1)! - atUs[1]!) / 1_000).toBeGreaterThan(50 * (atUs.length - 3));
  });
});

describe('leaving', () => {
  test.each(['json', 'msgpack'] as const)(
    'after the ack of an unsubscribe nothing of the topic comes, in %s',
    async (codec) => {
      const client = await StreamClient.connect(gateway, codec);
      client.stream.subscribe('book', ['A']);
      client.stream.subscribe('book', ['A'], { interval: 10 });
      client.stream.subscribe('quote', ['A']);
      await client.reaches('book', 'A', 1);
      await publishing.run(20);
      client.stream.unsubscribe('book', ['A']);
      client.stream.unsubscribe('quote', ['A']);
      const until = client.client.takeUntil((frame) => frame.type === 'ack' && frame.id === 5, 'the ack');
      await publishing.run(20);
      await until;
      await publishing.run(20);
      expect(await client.client.settled()).toEqual([]);
      expect([...client.stream.held]).toEqual([]);

      client.stream.subscribe('book', ['A'], { depth: 5 });
      await client.reaches('book', 'A', publishing.seq);
      expectExact(client.held('book', 'A'), publishing.oracle, publishing.seq);
    },
  );
});
