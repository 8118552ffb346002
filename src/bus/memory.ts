// Owns sequencing within one process: the default bus. It is the only writer of its topics, so a crossed book is refused here.
// Called by publishing; calls its listeners in the same turn. Invariant: an update is applied to the sequencer's own state
// before anyone hears of it, and a refused one leaves no trace.

import { Book, TOMBSTONES_MAX } from '../market/book.ts';
import { checkUpdate } from '../market/guard.ts';
import { type Instrument, type InstrumentEvent, type Instruments, sameScales } from '../market/instrument.ts';
import { channelOf, type Quote, type StatusChange, type Update, type UpdateChannel } from '../market/update.ts';
import type { Clock } from '../ports/clock.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import type { Bus, BusListener, Entry, Leased, LeaseRequest, Publication, Published, TopicState } from './bus.ts';
import { KeyMemory } from './keys.ts';
import { Tenancy } from './tenancy.ts';

export interface MemoryBusOptions {
  readonly clock: Clock;
  readonly instruments: Instruments;
  /** A random non-zero integer below 2^48: the name of an epoch. */
  readonly newEpoch: () => number;
  /** Trades kept per symbol for `log` and `load`; of books, quotes and statuses none are: their topics miss nothing here. */
  readonly logEntriesMax: number;
  /** Removed levels that a book remembers. */
  readonly tombstonesMax?: number;
}

const CHANNELS: readonly UpdateChannel[] = ['book', 'quote', 'trade', 'status'];

/** The sequencer's state of one topic. */
class Sequencer {
  seq = 0;
  exchangeUs: number | null = null;
  publishUs = 0;
  hasSnapshot = false;
  /** Null where it is to be looked up: it was changed, or nobody has published yet. */
  instrument: Instrument | null = null;
  readonly book: Book | null;
  last: Quote | StatusChange | null = null;
  /** Circular: the entry of seq n stands at n - 1 modulo `entriesMax`. */
  readonly entries: Entry[] = [];
  /** Made with the first key. */
  keys: KeyMemory | null = null;
  readonly listeners = new Set<BusListener>();

  constructor(
    channel: UpdateChannel,
    public epoch: number,
    tombstonesMax: number,
    readonly entriesMax: number,
  ) {
    this.book = channel === 'book' ? new Book(tombstonesMax) : null;
  }
}

export class MemoryBus implements Bus {
  /** By channel, then by symbol: a key of both would be built for every update. */
  private readonly sequencers: Readonly<Record<UpdateChannel, Map<string, Sequencer>>> = {
    book: new Map(),
    quote: new Map(),
    trade: new Map(),
    status: new Map(),
  };
  /** Entries that somebody listened to. */
  entries = 0;
  private readonly tombstonesMax: number;
  /** By channel and symbol; those that were ever asked for. */
  private readonly tenancies = new Map<string, Tenancy>();
  private readonly doubted = new Set<string>();

  constructor(private readonly options: MemoryBusOptions) {
    this.tombstonesMax = options.tombstonesMax ?? TOMBSTONES_MAX;
    options.instruments.watch((event) => this.instrumentChanged(event));
  }

  publish(publications: readonly Publication[]): Published[] {
    const answers: Published[] = [];
    for (const publication of publications) answers.push(this.publishOne(publication));
    return answers;
  }

  subscribe(channel: UpdateChannel, symbol: string, listener: BusListener): () => void {
    this.sequencer(channel, symbol).listeners.add(listener);
    if (isDoubtful(channel) && this.doubted.has(symbol)) listener.doubt(true);
    return () => {
      const sequencer = this.sequencers[channel].get(symbol);
      if (sequencer === undefined) return;
      sequencer.listeners.delete(listener);
      // Nothing published and nobody listening: a topic that was only looked at leaves nothing behind.
      if (sequencer.seq === 0 && sequencer.listeners.size === 0) this.sequencers[channel].delete(symbol);
    };
  }

  async log(channel: UpdateChannel, symbol: string, fromSeq: number): Promise<Entry[]> {
    const sequencer = this.sequencers[channel].get(symbol);
    return sequencer === undefined ? [] : this.held(sequencer, fromSeq);
  }

  async load(channel: UpdateChannel, symbol: string): Promise<TopicState> {
    const sequencer = this.sequencers[channel].get(symbol) ?? this.begin(channel);
    const { epoch, seq, exchangeUs, publishUs, book, last } = sequencer;
    const recent = channel === 'trade' ? this.held(sequencer, 0) : [];
    return { epoch, seq, exchangeUs, publishUs, book: book === null ? null : book.state(), last, recent };
  }

  ownBook(symbol: string): Book | undefined {
    return this.sequencers.book.get(symbol)?.book ?? undefined;
  }

  async lease(channel: UpdateChannel, symbol: string, request: LeaseRequest): Promise<Leased> {
    if (this.options.instruments.get(symbol) === undefined) return { refused: fault('unknown-symbol', symbol) };
    const key = `${channel}:${symbol}`;
    let tenancy = this.tenancies.get(key);
    if (tenancy === undefined) {
      tenancy = new Tenancy();
      this.tenancies.set(key, tenancy);
    }
    return tenancy.take(request, this.options.clock.nowMs());
  }

  async release(channel: UpdateChannel, symbol: string, token: number): Promise<boolean> {
    const tenancy = this.tenancies.get(`${channel}:${symbol}`);
    return tenancy?.release(token, this.options.clock.nowMs()) ?? false;
  }

  doubt(symbol: string, doubted: boolean): void {
    if (this.doubted.has(symbol) === doubted) return;
    if (doubted) this.doubted.add(symbol);
    else this.doubted.delete(symbol);
    for (const channel of CHANNELS.filter(isDoubtful)) {
      for (const listener of this.sequencers[channel].get(symbol)?.listeners ?? []) listener.doubt(doubted);
    }
  }

  private publishOne({ symbol, update, exchangeUs, key, lease }: Publication): Published {
    const channel = channelOf(update);
    const known = this.sequencers[channel].get(symbol);
    const instrument = known?.instrument ?? this.options.instruments.get(symbol);
    if (instrument === undefined) return { refused: fault('unknown-symbol', symbol) };
    const earlier = key === undefined ? undefined : known?.keys?.get(key);
    if (earlier !== undefined) return { epoch: known!.epoch, seq: earlier };
    const refused =
      checkUpdate(instrument, update) ?? this.leaseFault(channel, symbol, lease) ?? stateFault(known, update);
    if (refused !== null) return { refused };
    const sequencer = known ?? this.sequencer(channel, symbol);
    sequencer.instrument = instrument;
    if (key !== undefined) {
      sequencer.keys ??= new KeyMemory();
      sequencer.keys.put(key, sequencer.seq + 1);
    }
    const { epoch } = sequencer;
    const publishUs = this.options.clock.nowUs();
    const entry: Entry = { epoch, seq: sequencer.seq + 1, update, exchangeUs, publishUs };
    applyTo(sequencer, entry);
    const { entriesMax } = sequencer;
    if (entriesMax > 0) sequencer.entries[(entry.seq - 1) % entriesMax] = entry;
    if (sequencer.listeners.size > 0) this.entries += 1;
    for (const listener of sequencer.listeners) listener.entry(entry);
    return { epoch, seq: entry.seq };
  }

  private leaseFault(channel: UpdateChannel, symbol: string, token: number | undefined): Fault | null {
    if (this.tenancies.size === 0 && token === undefined) return null;
    const tenancy = this.tenancies.get(`${channel}:${symbol}`);
    if (tenancy === undefined) return token === undefined ? null : fault('fenced');
    return tenancy.check(token, this.options.clock.nowMs());
  }

  private held({ seq, entries, entriesMax }: Sequencer, fromSeq: number): Entry[] {
    const held: Entry[] = [];
    for (let wanted = Math.max(fromSeq + 1, seq - entriesMax + 1, 1); wanted <= seq; wanted++) {
      held.push(entries[(wanted - 1) % entriesMax]!);
    }
    return held;
  }

  private sequencer(channel: UpdateChannel, symbol: string): Sequencer {
    let sequencer = this.sequencers[channel].get(symbol);
    if (sequencer === undefined) {
      sequencer = this.begin(channel);
      this.sequencers[channel].set(symbol, sequencer);
    }
    return sequencer;
  }

  private begin(channel: UpdateChannel): Sequencer {
    const { newEpoch, logEntriesMax } = this.options;
    return new Sequencer(channel, newEpoch(), this.tombstonesMax, channel === 'trade' ? logEntriesMax : 0);
  }

  private instrumentChanged(event: InstrumentEvent): void {
    const { symbol } = event.instrument;
    for (const channel of CHANNELS) {
      const sequencer = this.sequencers[channel].get(symbol);
      if (sequencer !== undefined) sequencer.instrument = null;
    }
    if (event.action === 'changed' && !sameScales(event.before, event.instrument)) this.renew(symbol);
    if (event.action === 'delisted') this.renew(symbol);
  }

  /** Starts a new epoch in all of an instrument's topics; listeners stay. */
  private renew(symbol: string): void {
    for (const channel of CHANNELS) {
      const before = this.sequencers[channel].get(symbol);
      if (before === undefined) continue;
      const after = this.begin(channel);
      if (before.listeners.size === 0) this.sequencers[channel].delete(symbol);
      else this.sequencers[channel].set(symbol, after);
      for (const listener of before.listeners) {
        after.listeners.add(listener);
        listener.epoch(after.epoch);
      }
    }
  }
}

/** Channels whose listeners hear of a source that has lost its book. */
function isDoubtful(channel: UpdateChannel): boolean {
  return channel === 'book' || channel === 'quote';
}

/** What only the present state can tell: a delta before any snapshot, a book that would be crossed. */
function stateFault(sequencer: Sequencer | undefined, update: Update): Fault | null {
  if (update.kind === 'snapshot') return new Book().wouldCross(update.bids, update.asks) ? fault('crossed') : null;
  if (update.kind !== 'delta') return null;
  if (sequencer?.book == null || !sequencer.hasSnapshot) return fault('needs-snapshot');
  return sequencer.book.wouldCross(update.bids, update.asks) ? fault('crossed') : null;
}

function applyTo(sequencer: Sequencer, { seq, update, exchangeUs, publishUs }: Entry): void {
  sequencer.seq = seq;
  sequencer.exchangeUs = exchangeUs;
  sequencer.publishUs = publishUs;
  switch (update.kind) {
    case 'delta':
      return sequencer.book?.applyDelta(update.bids, update.asks, seq);
    case 'snapshot':
      sequencer.hasSnapshot = true;
      return sequencer.book?.applySnapshot(update.bids, update.asks, seq);
    case 'quote':
    case 'status':
      sequencer.last = update;
  }
}
