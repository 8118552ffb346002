// Owns bystanders: clients in both codecs that hold a book while others misbehave, and a publisher that keeps it moving.
// Invariant: `unharmed` fails unless each of them holds exactly the published book, without a hole or a resync, and a fresh
// client is served too.

import { expect } from 'vitest';
import { Random } from '../../src/feeds/random.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { NaiveBook } from '../feeds/naive.ts';
import { list } from './harness.ts';
import { expectExact, StreamClient } from './streamclient.ts';

export const SYMBOL = 'WITNESSED';

export class Witnesses {
  private readonly oracle = new NaiveBook();
  private readonly random = new Random(7);
  private seq = 0;
  private bystanders: StreamClient[] = [];

  private constructor(private readonly gateway: Gateway) {}

  static async gather(gateway: Gateway): Promise<Witnesses> {
    const witnesses = new Witnesses(gateway);
    list(gateway, { symbol: SYMBOL, priceScale: 2, sizeScale: 0 });
    await witnesses.publish(true);
    for (const codec of ['json', 'msgpack'] as const) {
      for (const depth of [0, 5] as const) witnesses.bystanders.push(await witnesses.bystander(codec, depth));
    }
    return witnesses;
  }

  /** One more update of the book. */
  async publish(whole = false): Promise<void> {
    const levels = (from: number, outward: number) =>
      Array.from({ length: whole ? 20 : 3 }, (_, i) => [
        from + outward * (whole ? i : i * 4),
        1 + this.random.below(99),
        0,
      ]).flat();
    const update = {
      kind: whole ? ('snapshot' as const) : ('delta' as const),
      bids: levels(1_000, -1),
      asks: levels(1_001, 1),
    };
    const [published] = await this.gateway.bus.publish([{ symbol: SYMBOL, update, exchangeUs: null }]);
    expect(published).toMatchObject({ seq: ++this.seq });
    this.oracle.apply(update);
  }

  async unharmed(): Promise<void> {
    await this.publish();
    const fresh = [await this.bystander('json', 0), await this.bystander('msgpack', 5)];
    for (const bystander of [...this.bystanders, ...fresh]) {
      await bystander.reaches('book', SYMBOL, this.seq);
      expectExact(bystander.held('book', SYMBOL), this.oracle, this.seq);
    }
    for (const { client } of fresh) client.end();
  }

  private async bystander(codec: 'json' | 'msgpack', depth: 0 | 5): Promise<StreamClient> {
    const bystander = await StreamClient.connect(this.gateway, codec);
    bystander.stream.subscribe('book', [SYMBOL], { depth });
    return bystander;
  }
}
