// Owns the naive reading of Binance's messages for verifications, step by step as the exchange's document words it, and the
// comparison of what was read with the exchange's own best prices. The list of readers names it.
// Invariant: it shares nothing with the adapter.

import type { NaiveReader, NaiveStep } from './verify-oracle.ts';

type Levels = [price: string, size: string][];
interface Update {
  readonly first: number;
  readonly last: number;
  readonly bids: Levels;
  readonly asks: Levels;
}

/** What the exchange sends: an event, or one in the envelope of a combined stream. Only some fields are there. */
interface Message {
  readonly stream?: string;
  readonly data?: Payload;
}
interface Payload {
  readonly e?: string;
  readonly s: string;
  readonly U: number;
  readonly u: number;
  readonly b: Levels & string;
  readonly a: Levels & string;
  readonly B?: string;
  readonly A?: string;
  readonly lastUpdateId: number;
  readonly bids: Levels;
  readonly asks: Levels;
}

/** One symbol: null until there is a snapshot, and again after a hole. */
interface Market {
  updateId: number | null;
  early: Update[];
  readonly bids: Map<number, number>;
  readonly asks: Map<number, number>;
  best: { readonly updateId: number; readonly prices: readonly number[] } | null;
}

export class NaiveBinance implements NaiveReader {
  readonly bests = { checked: 0, differences: [] as string[] };
  private readonly markets = new Map<string, Market>();

  read(text: string): NaiveStep[] {
    const message = JSON.parse(text) as Message & Payload;
    const { stream = '', data = message } = message;
    const symbol = stream.slice(0, stream.indexOf('@')).toUpperCase();
    if (stream.endsWith('@snapshot')) return this.snapshot(symbol, data.lastUpdateId, data.bids, data.asks);
    if (/@depth\d/.test(stream)) return [{ symbol, whole: true, bids: data.bids, asks: data.asks }];
    if (data.e === 'depthUpdate')
      return this.update(data.s, { first: data.U, last: data.u, bids: data.b, asks: data.a });
    if (data.B !== undefined && data.e === undefined) this.quote(data);
    return [];
  }

  private snapshot(symbol: string, updateId: number, bids: Levels, asks: Levels): NaiveStep[] {
    const market = this.market(symbol);
    if (market.updateId !== null && updateId <= market.updateId) return [];
    const later = market.early.filter(({ last }) => last > updateId);
    if (later.length > 0 && later[0]!.first > updateId + 1) return [];
    market.updateId = updateId;
    market.early = [];
    market.bids.clear();
    market.asks.clear();
    fill(market, bids, asks);
    this.compare(symbol, market);
    return [{ symbol, whole: true, bids, asks }, ...later.flatMap((update) => this.update(symbol, update))];
  }

  private update(symbol: string, update: Update): NaiveStep[] {
    const market = this.market(symbol);
    const { first, last, bids, asks } = update;
    if (market.updateId !== null && last <= market.updateId) return [];
    if (market.updateId === null || first > market.updateId + 1) {
      market.updateId = null;
      market.early.push(update);
      return [];
    }
    market.updateId = last;
    fill(market, bids, asks);
    this.compare(symbol, market);
    return [{ symbol, whole: false, bids, asks }];
  }

  private quote(data: Payload): void {
    const market = this.market(data.s);
    market.best = { updateId: data.u, prices: [data.b, data.B, data.a, data.A].map(Number) };
    this.compare(data.s, market);
  }

  /** Floats are good enough to tell whether two decimals are the same. */
  private compare(symbol: string, { updateId, best, bids, asks }: Market): void {
    if (best === null || best.updateId !== updateId) return;
    this.bests.checked += 1;
    const bid = Math.max(...bids.keys());
    const ask = Math.min(...asks.keys());
    const prices = [bid, bids.get(bid), ask, asks.get(ask)];
    if (prices.every((price, index) => price === best.prices[index])) return;
    this.bests.differences.push(
      `${symbol} at ${updateId}: ${prices.join(' ')}, the exchange says ${best.prices.join(' ')}`,
    );
  }

  private market(symbol: string): Market {
    let market = this.markets.get(symbol);
    if (market === undefined) {
      market = { updateId: null, early: [], bids: new Map(), asks: new Map(), best: null };
      this.markets.set(symbol, market);
    }
    return market;
  }
}

function fill(market: Market, bids: Levels, asks: Levels): void {
  for (const [side, levels] of [[market.bids, bids] as const, [market.asks, asks] as const]) {
    for (const [price, size] of levels) {
      if (Number(size) === 0) side.delete(Number(price));
      else side.set(Number(price), Number(size));
    }
  }
}
