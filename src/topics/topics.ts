// Owns the topics of this process: opens them when somebody asks, follows the bus for them, lets go of them after a while.
// Sessions call it. Invariant: a topic that is ready has applied every update of its epoch up to `seq`, in order.

import type { Bus, BusListener, Entry } from '../bus/bus.ts';
import type { Instrument, InstrumentEvent, Instruments } from '../market/instrument.ts';
import type { Clock, Timer, Timers } from '../ports/clock.ts';
import { type Channel, type Status, topicName } from '../protocol/frames.ts';
import { BookTopic } from './book-topic.ts';
import type { Flush } from './flush.ts';
import { GroupedTopic } from './grouped-topic.ts';
import { QuoteTopic } from './quote-topic.ts';
import { StatusTopic } from './status-topic.ts';
import { AnswerCounters, TOPIC_LIMITS, type Topic, type TopicLimits } from './topic.ts';
import { TradeTopic } from './trade-topic.ts';

export interface TopicsOptions {
  readonly bus: Bus;
  readonly instruments: Instruments;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly flush: Flush;
  /** A topic that nobody uses is kept this long, for those who come back. */
  readonly graceMs: number;
  /** A topic without an update for this long is `stale`. */
  readonly staleAfterMs: number;
  /** A topic without an update for this long has lost its source: `source-down`. */
  readonly sourceDownAfterMs: number;
  /** Removed levels that a book remembers. */
  readonly tombstonesMax?: number;
  /** Frames that a ring keeps. */
  readonly ringFramesMax?: number;
  /** Called where the bus fails to load a topic; it is tried again. */
  readonly onError: (error: unknown) => void;
}

/** Short, since a bus that is back should have its topics back before clients would be told to wait. */
const RETRY_INTERVAL_MS = 250;
const HEALTH_INTERVAL_MS = 1_000;

interface Open {
  readonly topic: Topic;
  /** Ends what feeds the topic. */
  stop: () => void;
  closing: Timer | null;
}

export class Topics {
  readonly counters = new AnswerCounters();
  private readonly open = new Map<string, Open>();
  private nextId = 1;
  private healthTimer: Timer | null = null;
  private readonly ids = new Map<string, number>();
  /** Topics of the bus (`book:BTC-USD`) of which it says that it can't vouch for them. */
  private readonly doubted = new Set<string>();
  private readonly limits: TopicLimits;

  constructor(private readonly options: TopicsOptions) {
    this.limits = {
      tombstonesMax: options.tombstonesMax ?? TOPIC_LIMITS.tombstonesMax,
      ringFramesMax: options.ringFramesMax ?? TOPIC_LIMITS.ringFramesMax,
    };
    options.instruments.watch((event) => this.instrumentChanged(event));
    this.watchHealth();
  }

  get size(): number {
    return this.open.size;
  }

  /** All that are open. */
  *each(): IterableIterator<Topic> {
    for (const { topic } of this.open.values()) yield topic;
  }

  /** The topic if it is open. */
  peek(channel: Channel, symbol: string, group = 0): Topic | undefined {
    return this.open.get(topicName(channel, symbol, group))?.topic;
  }

  /** The topic of a listed instrument; it loads by itself. Whoever takes it calls `release` when it has left. */
  acquire(channel: Channel, symbol: string, group = 0): Topic | undefined {
    const instrument = this.options.instruments.get(symbol);
    if (instrument === undefined) return undefined;
    const key = topicName(channel, symbol, group);
    let held = this.open.get(key);
    if (held === undefined) {
      held = this.start(channel, instrument, group);
      this.open.set(key, held);
    }
    held.closing?.cancel();
    held.closing = null;
    return held.topic;
  }

  /** Lets go of the topic after the grace time, unless somebody took it meanwhile. */
  release(topic: Topic): void {
    const key = topic.name;
    const held = this.open.get(key);
    if (held?.topic !== topic || topic.users > 0 || held.closing !== null || this.isFollowed(topic)) return;
    held.closing = this.options.timers.after(this.options.graceMs, () => {
      held.closing = null;
      if (topic.users === 0 && !this.isFollowed(topic)) this.close(key, held);
    });
  }

  private isFollowed(topic: Topic): boolean {
    return topic instanceof BookTopic && topic.followed;
  }

  private close(key: string, held: Open): void {
    this.open.delete(key);
    // Clients choose the groups, of which there are many: their ids are not kept.
    if (held.topic.group > 0) this.ids.delete(key);
    held.closing?.cancel();
    held.stop();
  }

  private start(channel: Channel, instrument: Instrument, group: number): Open {
    const key = topicName(channel, instrument.symbol, group);
    const id = this.ids.get(key) ?? this.nextId++;
    this.ids.set(key, id);
    const topic = this.make(channel, id, instrument, group);
    this.assess(topic);
    return { topic, stop: this.connect(topic), closing: null };
  }

  private make(channel: Channel, id: number, instrument: Instrument, group: number): Topic {
    const { counters, limits } = this;
    const { bus, flush } = this.options;
    switch (channel) {
      case 'book':
        if (group > 0) return new GroupedTopic(id, channel, instrument, flush, counters, limits, group);
        return new BookTopic(id, instrument, flush, counters, limits, () => bus.ownBook?.(instrument.symbol));
      case 'trade':
        return new TradeTopic(id, channel, instrument, flush, counters, limits);
      case 'status':
        return new StatusTopic(id, channel, instrument, flush, counters, limits);
      case 'quote':
        return new QuoteTopic(id, channel, instrument, flush, counters, limits);
    }
  }

  /** @returns the function that ends what feeds the topic. */
  private connect(topic: Topic): () => void {
    if (topic instanceof GroupedTopic) return this.derive(topic);
    return topic instanceof QuoteTopic && isDerived(topic) ? this.derive(topic) : this.feed(topic);
  }

  private derive(topic: QuoteTopic | GroupedTopic): () => void {
    const book = this.acquire('book', topic.symbol) as BookTopic;
    const unfollow = book.follow(topic, this.options.clock.nowMs());
    return () => {
      unfollow();
      this.release(book);
    };
  }

  /** Subscribes first and loads then, so that nothing falls between. */
  private feed(topic: Topic): () => void {
    const { bus, clock } = this.options;
    const name = topicName(topic.channel, topic.symbol);
    /** What came in while the state was loaded; null once it is. */
    let early: Entry[] | null = [];
    /** Epochs begun and losses suffered: a state that was asked for before the last one is of no use. */
    let upheavals = 0;
    let stopped = false;
    let { crossed } = topic;
    const load = async (): Promise<void> => {
      const before = upheavals;
      const state = await bus.load(topic.channel, topic.symbol);
      if (stopped || early === null) return;
      if (upheavals !== before) return load();
      const waiting: readonly Entry[] = early;
      early = null;
      const present = topic instanceof BookTopic ? topic.presentOf(state, waiting) : state;
      topic.load(present, this.heardAtMs(present.publishUs));
      for (const entry of waiting) if (entry.seq > topic.seq) take(entry);
      crossed = topic.crossed;
      this.assessDerived(name);
    };
    const attempt = (): void => {
      load().catch((error: unknown) => {
        this.options.onError(error);
        if (!stopped) this.options.timers.after(RETRY_INTERVAL_MS, attempt);
      });
    };
    const lose = (): void => {
      upheavals += 1;
      // Who is loading loads again.
      if (early !== null) early = [];
      else {
        early = [];
        attempt();
      }
    };
    const take = (entry: Entry): void => {
      if (early !== null) early.push(entry);
      // Of an epoch that was over when the state was loaded; the bus is about to say so.
      else if (entry.epoch !== topic.epoch) return;
      else if (entry.seq === topic.seq + 1) {
        topic.apply(entry, clock.nowMs());
        if (topic.crossed !== crossed) {
          crossed = topic.crossed;
          this.assessDerived(name);
        }
      } else if (entry.seq > topic.seq) lose();
    };
    const listener: BusListener = {
      entry: take,
      epoch: (epoch) => {
        upheavals += 1;
        topic.restart(epoch);
        if (early !== null) early = [];
      },
      lost: lose,
      doubt: (doubted) => {
        if (this.doubted.has(name) === doubted) return;
        if (doubted) this.doubted.add(name);
        else this.doubted.delete(name);
        this.assessDerived(name);
      },
    };
    const unsubscribe = bus.subscribe(topic.channel, topic.symbol, listener);
    attempt();
    return () => {
      stopped = true;
      this.doubted.delete(name);
      unsubscribe();
    };
  }

  /** The monotonic time at which an update was published, by what the wall clock says of its age. */
  private heardAtMs(publishUs: number): number {
    const { clock } = this.options;
    const ageMs = publishUs === 0 ? 0 : Math.max(0, (clock.nowUs() - publishUs) / 1_000);
    return clock.nowMs() - ageMs;
  }

  private instrumentChanged(event: InstrumentEvent): void {
    const { instrument } = event;
    for (const [key, held] of this.open) {
      if (held.topic.symbol !== instrument.symbol) continue;
      if (event.action === 'delisted') {
        held.topic.end();
        this.close(key, held);
      } else if (event.action === 'changed') {
        // Where the scales are others the bus has begun a new epoch; the topic frame tells either way.
        held.topic.redefine(instrument);
        if (held.topic.channel === 'quote' && instrument.quoteSource !== event.before.quoteSource) this.reconnect(held);
      }
    }
  }

  /** The topic's updates come from elsewhere now, in an epoch of their own. */
  private reconnect(held: Open): void {
    held.stop();
    held.stop = this.connect(held.topic);
  }

  /** Judges anew a topic of the bus and those that derive from it. */
  private assessDerived(name: string): void {
    for (const { topic } of this.open.values()) if (sourceOf(topic) === name) this.assess(topic);
  }

  /** This node's view of a topic; a crossed book is one on every node. */
  private assess(topic: Topic): void {
    if (topic.channel !== 'status') topic.judge(this.judgement(topic));
  }

  private judgement(topic: Topic): Status {
    const { clock, staleAfterMs, sourceDownAfterMs } = this.options;
    if (this.doubted.has(sourceOf(topic))) return 'resync';
    if (!topic.ready || topic.seq === 0) return topic.health === 'resync' ? 'live' : topic.health;
    const ageMs = clock.nowMs() - topic.updatedAtMs;
    if (ageMs > sourceDownAfterMs) return 'source-down';
    if (ageMs > staleAfterMs) return 'stale';
    return topic.crossed ? 'crossed' : 'live';
  }

  /** Stops everything; the topics are of no use afterwards. */
  shutDown(): void {
    this.healthTimer?.cancel();
    for (const [key, held] of this.open) this.close(key, held);
  }

  private watchHealth(): void {
    this.healthTimer = this.options.timers.after(HEALTH_INTERVAL_MS, () => {
      for (const { topic } of this.open.values()) this.assess(topic);
      this.watchHealth();
    });
  }
}

/** The topic of the bus that it is fed from or derived from. */
function sourceOf(topic: Topic): string {
  return topicName(isDerived(topic) ? 'book' : topic.channel, topic.symbol);
}

function isDerived(topic: Topic): boolean {
  return topic instanceof GroupedTopic || (topic instanceof QuoteTopic && topic.instrument.quoteSource === 'book');
}
