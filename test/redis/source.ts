// Owns a market that is published into Redis at a steady pace, what it was at each of its updates, and what became of them. The rig
// runs it. Invariant: an update's exchange time is its own, so that whoever sees it anywhere can ask what the market was then.

import type { Bus, Published } from '../../src/bus/bus.ts';
import type { Quote, Trade, Update, UpdateChannel } from '../../src/market/update.ts';
import { channelOf } from '../../src/market/update.ts';
import { Random } from '../simulation/kernel.ts';
import { NaiveBook, type NaiveLevel } from '../simulation/oracle.ts';

/** `unknown`: refused, though it may have been published. */
export type Fate = 'open' | 'accepted' | 'refused' | 'unknown';

export interface Offer {
  readonly index: number;
  readonly update: Update;
  /** The market's book after it. */
  readonly book: NaiveBook;
  fate: Fate;
  /** Of a refusal, else empty. */
  code: string;
  tookMs: number;
  epoch: number;
  seq: number;
}

const MIDDLE_TICKS = 1_000;
const LEVELS = 40;
const TICK_MS = 5;
const CHANNELS: readonly UpdateChannel[] = ['book', 'trade', 'quote'];

export class Source {
  readonly offers: Offer[] = [];
  /** After the market's newest update. */
  book = new NaiveBook([], []);
  /** Of one update with its answer. */
  tookMsMax = 0;
  unanswered = 0;
  private readonly firstUs = Date.now() * 1_000;
  private readonly random: Random;
  private timer: NodeJS.Timeout | null = null;
  /** The newest snapshot that was offered; what was refused before it is made good by it. */
  private snapshotIndex = -1;
  private wantsSnapshot = true;

  constructor(
    private readonly bus: Bus,
    readonly symbol: string,
    seed: number,
    /** Told after each answer. */
    private readonly onAnswer: () => void,
  ) {
    this.random = new Random(seed);
  }

  /** Offers that many updates a second from now on. */
  start(perSecond: number): void {
    this.stop();
    const startedMs = performance.now();
    let offered = 0;
    this.timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedMs) * perSecond) / 1_000) - offered;
      offered += due;
      for (let i = 0; i < due; i++) this.offer([this.next()]);
    }, TICK_MS);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** Snapshots in one call. */
  burst(count: number): void {
    this.offer(Array.from({ length: count }, () => this.snapshot()));
  }

  /** One update of every channel. */
  all(): void {
    this.offer([this.snapshot(), this.trade(), this.quote()]);
  }

  /** What the market offered at that exchange time. */
  at(exchangeUs: number): Offer | undefined {
    return this.offers[exchangeUs - this.firstUs];
  }

  count(fate: Fate, fromIndex = 0): number {
    let count = 0;
    for (let i = fromIndex; i < this.offers.length; i++) if (this.offers[i]!.fate === fate) count += 1;
    return count;
  }

  /** The newest update of a channel that was accepted; undefined where there is none. */
  newest(channel: UpdateChannel): Offer | undefined {
    return this.offers.findLast(({ update, fate }) => fate === 'accepted' && channelOf(update) === channel);
  }

  /** What is wrong with what Redis holds: twice, out of order, elsewhere than answered, or although it was refused. */
  async flaws(): Promise<string[]> {
    const flaws: string[] = [];
    for (const channel of CHANNELS) {
      const { epoch } = await this.bus.load(channel, this.symbol);
      let [index, seqBefore] = [-1, 0];
      for (const { seq, exchangeUs } of await this.bus.log(channel, this.symbol, 0)) {
        const offer = this.at(exchangeUs!);
        const place = `${channel} ${seq}`;
        if (offer === undefined) flaws.push(`${place}: nobody offered it`);
        else {
          if (offer.index <= index) flaws.push(`${place}: offer ${offer.index} after ${index}`);
          if (seqBefore > 0 && seq !== seqBefore + 1) flaws.push(`${place}: comes after ${seqBefore}`);
          const elsewhere = offer.fate === 'accepted' && (offer.epoch !== epoch || offer.seq !== seq);
          if (elsewhere) flaws.push(`${place}: offer ${offer.index} was answered ${offer.seq}`);
          if (offer.fate === 'refused') flaws.push(`${place}: offer ${offer.index} was refused with ${offer.code}`);
          index = offer.index;
        }
        seqBefore = seq;
      }
    }
    return flaws;
  }

  private next(): Update {
    const drawn = this.random.below(100);
    if (drawn < 25) return this.trade();
    if (drawn < 40) return this.quote();
    return this.wantsSnapshot ? this.snapshot() : this.delta();
  }

  private offer(updates: readonly Update[]): void {
    const atMs = performance.now();
    const offers = updates.map((update): Offer => {
      if (update.kind === 'delta' || update.kind === 'snapshot') this.book = this.book.after(update);
      const index = this.offers.length;
      if (update.kind === 'snapshot') [this.wantsSnapshot, this.snapshotIndex] = [false, index];
      const offer: Offer = { index, update, book: this.book, fate: 'open', code: '', tookMs: 0, epoch: 0, seq: 0 };
      this.offers.push(offer);
      return offer;
    });
    const { symbol, firstUs } = this;
    this.unanswered += offers.length;
    const answering = this.bus.publish(
      offers.map(({ update, index }) => ({ symbol, update, exchangeUs: firstUs + index })),
    );
    void Promise.resolve(answering).then((answers) => {
      this.unanswered -= offers.length;
      for (const [i, answer] of answers.entries()) this.answered(offers[i]!, answer, performance.now() - atMs);
      this.onAnswer();
    });
  }

  private answered(offer: Offer, answer: Published, tookMs: number): void {
    offer.tookMs = tookMs;
    this.tookMsMax = Math.max(this.tookMsMax, tookMs);
    if (!('refused' in answer)) {
      offer.fate = 'accepted';
      offer.epoch = answer.epoch;
      offer.seq = answer.seq;
      return;
    }
    const { code, message } = answer.refused;
    offer.fate = message.includes('may have been published') ? 'unknown' : 'refused';
    offer.code = code;
    if (channelOf(offer.update) === 'book' && offer.index >= this.snapshotIndex) this.wantsSnapshot = true;
  }

  private delta(): Update {
    const update: { kind: 'delta'; bids: number[]; asks: number[] } = { kind: 'delta', bids: [], asks: [] };
    const first = this.random.nearZero(LEVELS);
    for (let i = 0; i <= this.random.below(3); i++) {
      const away = 1 + ((first + i) % LEVELS);
      const [flat, price] = this.random.chance(0.5)
        ? [update.bids, MIDDLE_TICKS - away]
        : [update.asks, MIDDLE_TICKS + away];
      flat.push(price, this.random.below(10), 0);
    }
    return update;
  }

  private snapshot(): Update {
    const flat = (levels: readonly NaiveLevel[]): number[] => levels.flatMap(({ price, size }) => [price, size, 0]);
    const { bids, asks } = this.book.bids.length === 0 || this.book.asks.length === 0 ? this.fullBook() : this.book;
    return { kind: 'snapshot', bids: flat(bids), asks: flat(asks) };
  }

  private fullBook(): NaiveBook {
    const side = (sign: 1 | -1): NaiveLevel[] =>
      Array.from({ length: LEVELS }, (_, i) => ({ price: MIDDLE_TICKS + sign * (i + 1), size: 5, count: 0, hash: -1 }));
    return new NaiveBook(side(-1), side(1));
  }

  private trade(): Trade {
    const price = MIDDLE_TICKS + this.random.between(-3, 3);
    return { kind: 'trade', id: null, tradeKind: 'trade', side: 'buy', price, size: 1 + this.random.below(9) };
  }

  private quote(): Quote {
    const [bidPrice, askPrice] = [MIDDLE_TICKS - this.random.between(1, 3), MIDDLE_TICKS + this.random.between(1, 3)];
    return { kind: 'quote', bidPrice, bidSize: 1 + this.random.below(9), askPrice, askSize: 1 + this.random.below(9) };
  }
}
