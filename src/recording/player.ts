// Owns the way from a recording back to a feed: records become events of a feed, each at its time, from any moment on.
// `tickwire replay` hands them to a gateway. Invariant: the updates of a topic come in their recorded order, each once, and
// whatever the recording lacks or can't give is counted.

import type { LocalBook } from '../client/local-book.ts';
import type { FeedEvent } from '../feeds/feed.ts';
import type { Instrument } from '../market/instrument.ts';
import { type BookSnapshot, LEVEL_STRIDE, type Update } from '../market/update.ts';
import type { BookFrame, Channel, ChannelFrame, Frame, TopicFrame } from '../protocol/frames.ts';
import { RecordingError } from './layout.ts';
import type { Damage, ReadBlock, RecordingFile } from './reader.ts';
import { type Entry, flatLevels, readEntries, timeOf } from './records.ts';
import { Replica } from './replica.ts';

/** Events that stand at one moment. */
export interface Played {
  /** Microseconds since 1970; never less than before. */
  readonly timeUs: number;
  readonly events: readonly FeedEvent[];
  /** Place in the file, for showing how far it is. */
  readonly offset: number;
}

export interface PlayerOptions {
  /** Microseconds since 1970; what was held then comes first, as fresh statements. Null: from the begin. */
  readonly fromUs: number | null;
  readonly toUs: number | null;
  /** Whether damaged blocks are passed over; else the first one ends it with a RecordingError. */
  readonly skipDamaged: boolean;
  readonly onDamage?: (damage: Damage) => void;
}

export interface PlayerCounts {
  /** Updates of the recording that were read, those before `fromUs` too. */
  frames: number;
  /** Quotes that follow from a recorded book: whoever gets the book derives them again. */
  derived: number;
  /** Updates that the recording lacks: its gaps, and what was merged or passed over when it was made. */
  missing: number;
  gaps: number;
  /** Times that the connection was lost while it was made. */
  connectionsLost: number;
  damagedBlocks: number;
}

export class Player {
  readonly counts: PlayerCounts = {
    frames: 0,
    derived: 0,
    missing: 0,
    gaps: 0,
    connectionsLost: 0,
    damagedBlocks: 0,
  };
  private readonly replicas = new Map<number, Replica>();
  private readonly instruments = new Map<string, Instrument>();
  /** Symbols whose quotes follow from their book. */
  private readonly derived = new Set<string>();
  private readonly withBooks: boolean;
  private timeUs = 0;
  /** Before `fromUs`: what is read is held, not told. */
  private seeking: boolean;
  private readonly missing = (count: number): void => {
    this.counts.missing += count;
  };

  constructor(
    private readonly file: RecordingFile,
    private readonly options: PlayerOptions,
  ) {
    this.withBooks = file.description.channels.includes('book');
    this.seeking = options.fromUs !== null;
  }

  /** The book of a symbol after all that was told of it; null where none is held. */
  book(symbol: string): BookSnapshot | null {
    for (const { topic, valid, book, newest } of this.replicas.values()) {
      const whole = valid && topic.group === undefined && newest !== null;
      if (topic.symbol === symbol && whole && book !== null) return bookOf(book);
    }
    return null;
  }

  /** @throws RecordingError at the first damaged block, where these are not to be skipped. */
  async *play(): AsyncGenerator<Played, void, undefined> {
    const { fromUs, toUs } = this.options;
    for await (const block of this.file.blocks(fromUs, (damage) => this.damaged(damage))) {
      if (toUs !== null && block.header.firstUs > toUs) break;
      this.timeUs = Math.max(this.timeUs, block.header.firstUs);
      for (const entry of this.entriesOf(block)) {
        for (const played of this.playEntry(entry, block.offset)) {
          if (toUs !== null && played.timeUs > toUs) return;
          yield played;
        }
      }
    }
    if (this.seeking) yield* this.sought(this.file.contents.lastUs, this.file.bytesTotal);
  }

  private *playEntry(entry: Entry, offset: number): Generator<Played, void, undefined> {
    if (entry.kind === 'note') {
      const { note } = entry;
      if ('instrument' in note) yield* this.list(note.instrument, offset);
      else if (note.connection === 'lost') this.counts.connectionsLost += 1;
      return;
    }
    for (const frame of entry.frames) {
      const timeUs = entry.kind === 'frames' ? timeOf(frame) : null;
      if (timeUs !== null) this.timeUs = Math.max(this.timeUs, timeUs);
      if (this.seeking && this.timeUs >= this.options.fromUs!) yield* this.sought(this.options.fromUs!, offset);
      const event = this.take(frame);
      if (event !== null && !this.seeking) yield { timeUs: this.timeUs, events: [event], offset };
    }
  }

  /** Everything that is held at the moment that was asked for. */
  private *sought(timeUs: number, offset: number): Generator<Played, void, undefined> {
    this.seeking = false;
    const events: FeedEvent[] = [];
    for (const instrument of this.instruments.values()) events.push({ kind: 'instrument', definition: instrument });
    for (const { valid, topic, book, newest } of this.replicas.values()) {
      if (!valid || newest === null || newest.seq === 0) continue;
      const event = book === null ? this.eventOf(topic, newest) : stateEvent(topic, newest as BookFrame, book);
      if (event !== null) events.push(event);
    }
    if (events.length > 0) yield { timeUs, events, offset };
  }

  private *list(recorded: Instrument, offset: number): Generator<Played, void, undefined> {
    if (recorded.quoteSource === 'book') this.derived.add(recorded.symbol);
    else this.derived.delete(recorded.symbol);
    // Without the book a derived quote can't be derived again: it is published as it was.
    const instrument: Instrument = this.withBooks ? recorded : { ...recorded, quoteSource: 'published' };
    const before = this.instruments.get(instrument.symbol);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(instrument)) return;
    this.instruments.set(instrument.symbol, instrument);
    if (this.seeking) return;
    yield { timeUs: this.timeUs, events: [{ kind: 'instrument', definition: instrument }], offset };
  }

  private take(frame: Frame): FeedEvent | null {
    switch (frame.type) {
      case 'topic':
        this.announced(frame);
        return null;
      case 'gap':
        this.counts.gaps += 1;
        this.missing(this.replicas.get(frame.topic)?.skip(frame.lastSeq) ?? 0);
        return null;
      case 'reset':
        this.replicas.get(frame.topic)?.begin(frame.seq, this.missing);
        return null;
      case 'end':
        this.replicas.delete(frame.topic);
        return null;
      case 'book':
      case 'quote':
      case 'trade':
      case 'status':
        return this.takeData(frame);
      default:
        return null;
    }
  }

  private announced(topic: TopicFrame): void {
    const known = this.replicas.get(topic.topic);
    const same = known !== undefined && known.topic.epoch === topic.epoch && known.topic.symbol === topic.symbol;
    if (same && known.topic.channel === topic.channel) known.topic = topic;
    else this.replicas.set(topic.topic, new Replica(topic));
  }

  private takeData(frame: ChannelFrame): FeedEvent | null {
    const replica = this.replicas.get(frame.topic);
    if (replica === undefined || CHANNEL_OF[frame.type] !== replica.topic.channel) return null;
    const { topic } = replica;
    // A derived quote has the book's numbers, and only those at which it changed.
    const jumps = frame.type === 'quote' && this.derived.has(topic.symbol);
    const taken = replica.take(frame, jumps ? () => {} : this.missing);
    if (typeof taken === 'object') return { kind: 'resync', symbol: topic.symbol, reason: taken.lost };
    if (taken !== 'next' && taken !== 'fresh') return null;
    this.counts.frames += 1;
    return this.eventOf(topic, frame);
  }

  private eventOf(topic: TopicFrame, frame: ChannelFrame): FeedEvent | null {
    // Before anything was published a topic says that, and nothing else.
    if (frame.seq === 0) return null;
    const { symbol } = topic;
    if (frame.type === 'quote' && this.instruments.get(symbol)?.quoteSource !== 'published') {
      if (!this.seeking) this.counts.derived += 1;
      return null;
    }
    const checksum = frame.type === 'book' ? frame.checksum : null;
    return { kind: 'update', symbol, update: updateOf(frame), exchangeUs: frame.exchangeUs, checksum };
  }

  private entriesOf({ header, offset, plain }: ReadBlock): Entry[] {
    try {
      return [...readEntries(plain)];
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
      this.damaged({ offset, bytes: 0, why: `block ${header.number}: ${error.message}` });
      return [];
    }
  }

  private damaged(damage: Damage): void {
    this.counts.damagedBlocks += 1;
    this.options.onDamage?.(damage);
    if (this.options.skipDamaged) return;
    const { path } = this.file;
    const how = '--skip-damaged plays what can be read';
    throw new RecordingError(`${path} is damaged at byte ${damage.offset}: ${damage.why}; ${how}`);
  }
}

const CHANNEL_OF = { book: 'book', quote: 'quote', trade: 'trade', status: 'status' } as const satisfies Record<
  ChannelFrame['type'],
  Channel
>;

function updateOf(frame: ChannelFrame): Update {
  switch (frame.type) {
    case 'book': {
      const kind = frame.fromSeq === 0 ? 'snapshot' : 'delta';
      return { kind, bids: widened(frame.bids, frame.stride), asks: widened(frame.asks, frame.stride) };
    }
    case 'quote': {
      const { bidPrice, bidSize, askPrice, askSize } = frame;
      return { kind: 'quote', bidPrice, bidSize, askPrice, askSize };
    }
    case 'trade': {
      const { id, kind: tradeKind, side, price, size } = frame;
      return { kind: 'trade', id, tradeKind, side, price, size };
    }
    case 'status':
      return { kind: 'status', status: frame.status, reason: frame.reason };
  }
}

function stateEvent(topic: TopicFrame, { exchangeUs, checksum }: BookFrame, book: LocalBook): FeedEvent {
  return { kind: 'update', symbol: topic.symbol, update: bookOf(book), exchangeUs, checksum };
}

function bookOf({ bids, asks }: LocalBook): BookSnapshot {
  return { kind: 'snapshot', bids: flatLevels(bids, LEVEL_STRIDE), asks: flatLevels(asks, LEVEL_STRIDE) };
}

/** Levels with as many numbers each as updates have. */
function widened(levels: readonly number[], stride: number): readonly number[] {
  if (stride === LEVEL_STRIDE) return levels;
  const out: number[] = [];
  for (let i = 0; i < levels.length; i += stride) out.push(levels[i]!, levels[i + 1]!, 0);
  return out;
}
