// Owns a client on a real socket that checks itself: everything that it holds against what the market was at that update. The rig
// makes them. Invariant: what is wrong is kept as a complaint, and nothing that was missed without an announcement goes unseen.

import type { LocalBook } from '../../src/client/local-book.ts';
import type { Held, StreamHandlers } from '../../src/client/stream.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import type { LadderLevel } from '../../src/market/ladder.ts';
import type {
  BookFrame,
  Channel,
  Depth,
  Mode,
  QuoteFrame,
  Stamp,
  Status,
  TradeFrame,
} from '../../src/protocol/frames.ts';
import { StreamClient } from '../gateway/streamclient.ts';
import type { NaiveBook, NaiveLevel } from '../simulation/oracle.ts';
import type { Offer, Source } from './source.ts';

export interface Wishes {
  readonly name: string;
  readonly codec: 'json' | 'msgpack';
  readonly depth: Depth;
  readonly mode: Mode;
  /** Besides the book. */
  readonly channels: readonly Channel[];
}

/** What was said to be void or missing. */
export interface Announcement {
  readonly channel: Channel;
  readonly kind: 'reset' | 'gap';
  readonly reason: string;
  readonly epoch: number;
  /** Updates that do not come. */
  readonly firstSeq: number;
  readonly lastSeq: number;
}

const COMPLAINTS_MAX = 10;

export class Observer {
  readonly complaints: string[] = [];
  readonly announced: Announcement[] = [];
  /** Of the book, in the order in which they came. */
  readonly healths: Status[] = [];
  /** Frames whose state was compared. */
  checks = 0;
  private client!: StreamClient;
  /** By channel, the market's newest update that is held. */
  private readonly held = new Map<Channel, number>();
  private readonly seqs = new Map<Channel, { epoch: number; seq: number }>();
  /** Where updates were seen whose answer may still come. */
  private readonly places = new Map<Offer, { epoch: number; seq: number }>();
  private readonly trades = new Set<Offer>();

  private constructor(
    readonly wishes: Wishes,
    private readonly source: Source,
    /** Told after each frame. */
    private readonly onFrame: () => void,
  ) {}

  static async connect(gateway: Gateway, wishes: Wishes, source: Source, onFrame: () => void): Promise<Observer> {
    const observer = new Observer(wishes, source, onFrame);
    observer.client = await StreamClient.connect(gateway, wishes.codec, observer.handlers);
    observer.subscribe();
    return observer;
  }

  /** From nothing: what came before counts no more. */
  subscribe(): void {
    this.held.clear();
    this.seqs.clear();
    const { depth, mode, channels } = this.wishes;
    const { stream } = this.client;
    stream.subscribe('book', [this.source.symbol], { depth, mode });
    for (const channel of channels) stream.subscribe(channel, [this.source.symbol]);
  }

  get channels(): readonly Channel[] {
    return ['book', ...this.wishes.channels];
  }

  /** Whether it holds an update of each channel that was offered at `index` or later. */
  holds(index: number): boolean {
    return this.channels.every((channel) => (this.held.get(channel) ?? -1) >= index);
  }

  /** Whether it holds what was accepted last in each channel, and is told that all is well. */
  get current(): boolean {
    const all = this.channels.every(
      (channel) => this.held.get(channel) === this.source.newest(channel as 'book')?.index,
    );
    return all && (this.healths.at(-1) ?? 'live') === 'live';
  }

  /** Resolves when the gateway has done it. */
  async unsubscribe(): Promise<void> {
    const { stream } = this.client;
    for (const channel of this.channels) stream.unsubscribe(channel, [this.source.symbol]);
    await this.client.until(() => stream.held.size === 0, 'the end of all subscriptions');
  }

  end(): void {
    this.client.client.end();
  }

  /** What is wrong in the end. */
  conclusion(): readonly string[] {
    for (const [{ fate, epoch, seq, index, code }, place] of this.places) {
      if (fate === 'refused') this.complain(`holds update ${index}, which was refused with ${code}`);
      if (fate !== 'accepted' || (place.epoch === epoch && place.seq === seq)) continue;
      this.complain(`holds update ${index} at ${place.epoch}/${place.seq}, it was answered ${epoch}/${seq}`);
    }
    for (const channel of this.channels) {
      const { counters, book } = this.client.held(channel, this.source.symbol);
      const lost = counters.resyncs + (book?.counters.holes ?? 0) + (book?.counters.badChecksums ?? 0);
      if (lost > 0) this.complain(`${channel}: ${JSON.stringify({ ...counters, ...book?.counters })}`);
    }
    const { book } = this.client.held('book', this.source.symbol);
    if (!sameBook(book!, this.source.book, this.wishes.depth)) this.complain('does not hold the market in the end');
    if (this.wishes.channels.includes('trade')) this.accountForTrades();
    return this.complaints;
  }

  private readonly handlers: StreamHandlers = {
    book: (held, book, frame) => this.book(held, book, frame),
    quote: (held, frame) => this.quote(held, frame),
    trade: (held, frame) => this.trade(held, frame),
    health: ({ topic }, { status }) => {
      if (topic.channel === 'book') this.healths.push(status);
      this.onFrame();
    },
    gap: ({ topic: { channel, epoch } }, { firstSeq, lastSeq, reason }) => {
      this.announced.push({ channel, kind: 'gap', reason, epoch, firstSeq, lastSeq });
      this.seqs.set(channel, { epoch, seq: lastSeq });
    },
    reset: ({ topic: { channel, epoch } }, { seq, reason }) => {
      // The first of a trade subscription only says where it begins.
      const first = !this.seqs.has(channel);
      if (!first) this.announced.push({ channel, kind: 'reset', reason, epoch, firstSeq: 0, lastSeq: seq });
      this.seqs.set(channel, channel === 'trade' ? { epoch, seq } : { epoch, seq: -1 });
    },
    resync: ({ topic }, reason) => this.complain(`${topic.channel}: found a ${reason} by itself`),
    error: ({ code, message }) => this.complain(`an error: ${code} ${message}`),
  };

  private book(held: Held, book: LocalBook, frame: BookFrame): void {
    const offer = this.step(held, frame, this.wishes.mode === 'raw');
    if (offer === null) return;
    if (offer === 'none') {
      if (book.bids.length + book.asks.length > 0) this.complain(`a book with levels at seq ${frame.seq}`);
      return;
    }
    const at = `book at seq ${frame.seq}, update ${offer.index}, ${offer.fate}`;
    if (frame.checksum !== offer.book.checksum(frame.depth)) this.complain(`${at}: checksum of another state`);
    if (!sameBook(book, offer.book, frame.depth)) this.complain(`${at}: other levels`);
  }

  private quote(held: Held, frame: QuoteFrame): void {
    const offer = this.step(held, frame, false);
    if (offer === null || offer === 'none') return;
    const { update } = offer;
    const { bidPrice, bidSize, askPrice, askSize } = frame;
    const quote = { kind: 'quote', bidPrice, bidSize, askPrice, askSize };
    if (JSON.stringify(quote) !== JSON.stringify(update)) this.complain(`another quote at seq ${frame.seq}`);
  }

  private trade(held: Held, frame: TradeFrame): void {
    const offer = this.step(held, frame, true);
    if (offer === null || offer === 'none') return;
    const { update } = offer;
    const same = update.kind === 'trade' && update.price === frame.price && update.size === frame.size;
    if (!same) this.complain(`another trade at seq ${frame.seq}`);
    if (this.trades.has(offer)) this.complain(`trade ${offer.index} came twice`);
    this.trades.add(offer);
  }

  /** The update that the frame is of; `none` in an epoch without any, null where that is no update of this market. */
  private step(
    { topic: { channel, epoch } }: Held,
    { seq, exchangeUs }: Stamp,
    single: boolean,
  ): Offer | 'none' | null {
    this.checks += 1;
    const before = this.seqs.get(channel);
    const follows = before?.epoch === epoch && before.seq >= 0;
    if (before !== undefined && before.epoch !== epoch) this.complain(`${channel}: epoch ${epoch} without a reset`);
    if (single && follows && seq !== before.seq + 1) this.complain(`${channel}: ${seq} after ${before.seq}`);
    this.seqs.set(channel, { epoch, seq });
    if (seq === 0) {
      this.onFrame();
      return 'none';
    }
    const offer = exchangeUs === null ? undefined : this.source.at(exchangeUs);
    if (offer === undefined) {
      this.complain(`${channel}: nobody offered what is at ${seq}`);
      return null;
    }
    this.placed(offer, epoch, seq);
    this.held.set(channel, offer.index);
    this.onFrame();
    return offer;
  }

  private placed(offer: Offer, epoch: number, seq: number): void {
    const place = this.places.get(offer);
    if (place === undefined) this.places.set(offer, { epoch, seq });
    else if (place.epoch !== epoch || place.seq !== seq) {
      this.complain(`update ${offer.index} at ${place.epoch}/${place.seq} and at ${epoch}/${seq}`);
    }
  }

  /** Every trade that was accepted came, or was named in a gap, or a reset said that it does not come. */
  private accountForTrades(): void {
    const epochs = new Map<number, { first: number; last: number }>();
    for (const offer of this.trades) {
      const { epoch, seq } = this.places.get(offer)!;
      const range = epochs.get(epoch) ?? { first: seq, last: seq };
      epochs.set(epoch, { first: Math.min(range.first, seq), last: Math.max(range.last, seq) });
    }
    const lastEpoch = this.seqs.get('trade')?.epoch;
    for (const offer of this.source.offers) {
      const { update, fate, epoch, seq } = offer;
      if (update.kind !== 'trade' || fate !== 'accepted' || this.trades.has(offer)) continue;
      const named = this.announced.some(
        (each) => each.channel === 'trade' && each.epoch === epoch && each.firstSeq <= seq && seq <= each.lastSeq,
      );
      const range = epochs.get(epoch);
      const before = range !== undefined && seq < range.first && !this.announced.some((each) => each.epoch === epoch);
      const after = epoch !== lastEpoch && (range === undefined || seq > range.last);
      if (!named && !before && !after) this.complain(`trade ${epoch}/${seq} neither came nor was it announced`);
    }
  }

  private complain(what: string): void {
    if (this.complaints.length < COMPLAINTS_MAX) this.complaints.push(`${this.wishes.name}: ${what}`);
  }
}

function sameBook(book: LocalBook, naive: NaiveBook, depth: number): boolean {
  return sameSide(book.bids, naive.bids, depth) && sameSide(book.asks, naive.asks, depth);
}

/** The client's side, best last, against the market's, best first. */
function sameSide(held: readonly LadderLevel[], naive: readonly NaiveLevel[], depth: number): boolean {
  const shown = depth === 0 ? naive.length : Math.min(depth, naive.length);
  if (held.length !== shown) return false;
  return held.every(({ price, size }, i) => {
    const level = naive[shown - 1 - i]!;
    return price === level.price && size === level.size;
  });
}
