// Owns recordings that stand in for captures of venues without checksums: the synthetic market, told in the frames that
// Coinbase and Binance document. Any test that needs such a capture may call it. Invariant: the same seed, the same lines.

import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { syntheticSymbols } from '../../src/feeds/synthetic-symbols.ts';
import type { Trade } from '../../src/market/update.ts';
import { formatDecimal } from '../../src/protocol/decimal.ts';
import { capturePath, recordingFile } from './captures.ts';

const CAPTURES = {
  coinbase: ['COINBASE.0', 'COINBASE.ws.28.0'],
  binance: ['BINANCE_US.0', 'BINANCE_US.http.0.0', 'BINANCE_US.ws.1.0'],
} as const;
const RECORDED_MESSAGES = 1_000;

/** A venue's captures of real traffic, or a recording in their place. */
export function venueCapture(venue: keyof typeof CAPTURES): { paths: string[]; real: boolean } {
  const paths = CAPTURES[venue].map(capturePath);
  if (paths.every((path) => path !== null)) return { paths, real: true };
  console.log(`No captures of ${venue} (TICKWIRE_CAPTURES): a recording of the synthetic market stands in.`);
  const options = { seed: 1, messages: RECORDED_MESSAGES };
  const lines = venue === 'coinbase' ? coinbaseRecording(options) : binanceRecording(options).lines;
  return { paths: [recordingFile(lines)], real: false };
}

type Levels = [price: string, size: string][];

/** What happens to one symbol, in decimals. */
export type Happening =
  | { readonly kind: 'begin' | 'change'; readonly symbol: string; readonly bids: Levels; readonly asks: Levels }
  | {
      readonly kind: 'trade';
      readonly symbol: string;
      readonly side: 'buy' | 'sell';
      readonly price: string;
      readonly size: string;
    };

const START_US = 1_700_000_000_000_000;
const STEP_US = 12_345;

/** Books of the synthetic market, then their changes and trades. @param messages changes of books. */
function happenings({ seed, messages }: { seed: number; messages: number }): Happening[] {
  const market = new SyntheticMarket({ seed, symbols: syntheticSymbols(5, seed) });
  const scales = new Map(
    market
      .instruments()
      .filter((definition) => definition.negativePrices !== true)
      .map((definition) => [definition.symbol, definition]),
  );
  const told: Happening[] = [];
  let changes = 0;
  const tell = (event: ReturnType<SyntheticMarket['step']>[number]): void => {
    if (event.kind !== 'update' || changes === messages) return;
    const definition = scales.get(event.symbol);
    if (definition === undefined) return;
    const { symbol, priceScale, sizeScale } = definition;
    const texts = (flat: readonly number[]): Levels =>
      flat.flatMap(
        (price, i): Levels =>
          i % 3 === 0 ? [[formatDecimal(price, priceScale), formatDecimal(flat[i + 1]!, sizeScale)]] : [],
      );
    const { update } = event;
    if (update.kind === 'snapshot' || update.kind === 'delta') {
      const kind = update.kind === 'snapshot' ? 'begin' : 'change';
      if (kind === 'change') changes += 1;
      told.push({ kind, symbol, bids: texts(update.bids), asks: texts(update.asks) });
    } else if (update.kind === 'trade' && update.tradeKind === 'trade' && update.side !== 'unknown') {
      told.push({ kind: 'trade', symbol, side: sideOf(update), ...pricesOf(update, priceScale, sizeScale) });
    }
  };
  for (const event of market.snapshots()) tell(event);
  while (changes < messages) for (const event of market.step()) tell(event);
  return told;
}

/** Lines of a capture file of the exchange's WebSocket feed. */
export function coinbaseRecording(options: { seed: number; messages: number }): string[] {
  const lines = ['wss://ws-feed.exchange.coinbase.com <-> 1700000000.0'];
  const tradeIds = new Map<string, number>();
  happenings(options).forEach((happening, index) => {
    const timeUs = START_US + index * STEP_US;
    const { symbol: product_id } = happening;
    const time = new Date(timeUs / 1_000).toISOString().replace('Z', `${String(timeUs % 1_000).padStart(3, '0')}Z`);
    const say = (message: object) => lines.push(`${formatDecimal(timeUs, 6)}: ${JSON.stringify(message)}`);
    if (happening.kind === 'trade') {
      const trade_id = (tradeIds.get(product_id) ?? 100) + 1;
      tradeIds.set(product_id, trade_id);
      const { price, size } = happening;
      const side = happening.side === 'buy' ? 'sell' : 'buy';
      const orders = { maker_order_id: 'm', taker_order_id: 't' };
      say({ type: 'match', trade_id, ...orders, side, size, price, product_id, sequence: index, time });
      if (index % 5 === 0) say({ type: 'heartbeat', sequence: index, last_trade_id: trade_id, product_id, time });
      return;
    }
    const { bids, asks } = happening;
    const changes = [...bids.map((level) => ['buy', ...level]), ...asks.map((level) => ['sell', ...level])];
    if (happening.kind === 'begin') say({ type: 'snapshot', product_id, asks, bids, time });
    else say({ type: 'l2update', product_id, changes, time });
  });
  return [...lines, ''];
}

/** A book of Binance's and all that it was: by update id, sorted. */
export interface BinanceTruth {
  readonly states: Map<number, { readonly bids: Levels; readonly asks: Levels }>;
}

export interface BinanceRecording {
  /** Lines of a capture file: streams and, by HTTP, snapshots. */
  readonly lines: string[];
  readonly truths: ReadonlyMap<string, BinanceTruth>;
}

/** A snapshot comes when some events have been sent, so that these must be dropped, kept and applied. */
export function binanceRecording(options: { seed: number; messages: number }): BinanceRecording {
  const markets = new Map<string, RecordedMarket>();
  const lines = ['wss://stream.binance.com:9443/stream?streams=x@depth@100ms <-> 1700000000.0'];
  happenings(options).forEach((happening, index) => {
    const time = formatDecimal(START_US + index * STEP_US, 6);
    const name = happening.symbol.replaceAll('-', '');
    const market = markets.get(name) ?? new RecordedMarket(name);
    markets.set(name, market);
    for (const said of market.tell(happening, Math.floor((START_US + index * STEP_US) / 1_000))) {
      if (typeof said !== 'string') lines.push(`${time}: ${JSON.stringify(said)}`);
      else lines.push(`https://api.binance.com/api/v3/depth?symbol=${name}&limit=1000 -> ${time}: ${said}`);
    }
  });
  return { lines: [...lines, ''], truths: markets };
}

class RecordedMarket implements BinanceTruth {
  readonly states: BinanceTruth['states'] = new Map();
  private readonly name: string;
  private readonly bids = new Map<string, string>();
  private readonly asks = new Map<string, string>();
  private updateId = 5_000;
  private changes = 0;
  private tradeId = 70;
  /** The snapshot that is under way. */
  private late = '';

  constructor(name: string) {
    this.name = name;
  }

  /** Frames of streams; a string is the body of a snapshot. */
  tell(happening: Happening, timeMs: number): (object | string)[] {
    const stream = (of: string, data: object) => ({ stream: `${this.name.toLowerCase()}@${of}`, data });
    const head = { E: timeMs, s: this.name };
    if (happening.kind === 'trade') {
      const { side, price: p, size: q } = happening;
      this.tradeId += 1;
      return [stream('trade', { e: 'trade', ...head, t: this.tradeId, p, q, T: timeMs, m: side === 'sell', M: true })];
    }
    const U = this.updateId + 1;
    this.updateId += 1 + (this.changes % 3);
    for (const [side, levels] of [[this.bids, happening.bids] as const, [this.asks, happening.asks] as const]) {
      for (const [price, size] of levels) {
        if (Number(size) === 0) side.delete(price);
        else side.set(price, size);
      }
    }
    const bids = sorted(this.bids, -1);
    const asks = sorted(this.asks, 1);
    this.states.set(this.updateId, { bids, asks });
    if (happening.kind === 'begin') return [];
    this.changes += 1;
    const event = { e: 'depthUpdate', ...head, U, u: this.updateId, b: happening.bids, a: happening.asks };
    const said: (object | string)[] = [stream('depth@100ms', event)];
    if (this.changes === 2) this.late = JSON.stringify({ lastUpdateId: this.updateId, bids, asks });
    if (this.changes === 4) said.push(this.late);
    const [[b, B], [a, A]] = [bids[0]!, asks[0]!];
    if (this.changes % 3 === 0) said.unshift(stream('bookTicker', { u: this.updateId, s: this.name, b, B, a, A }));
    return said;
  }
}

/** Best first. */
export function sorted(side: ReadonlyMap<string, string>, outward: 1 | -1): Levels {
  return [...side].sort(([a], [b]) => (Number(a) - Number(b)) * outward);
}

function sideOf({ side }: Trade): 'buy' | 'sell' {
  return side === 'sell' ? 'sell' : 'buy';
}

function pricesOf(trade: Trade, priceScale: number, sizeScale: number): { price: string; size: string } {
  return { price: formatDecimal(trade.price, priceScale), size: formatDecimal(trade.size, sizeScale) };
}
