// Owns the topics of this process: opens them when somebody asks, follows the bus for them, lets go of them after a while.
// Sessions call it. Invariant: a topic that is ready has applied every update of its epoch up to `seq`, in order.

import type { Bus, BusListener, Entry } from '../bus/bus.ts';
import type { Instrument, InstrumentEvent, Instruments } from '../market/instrument.ts';
import type { Clock, Timer, Timers } from '../ports/clock.ts';
import type { Channel } from '../protocol/frames.ts';
import { BookTopic } from './book-topic.ts';
import type { Flush } from './flush.ts';
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
  /** Removed levels that a book remembers. */
  readonly tombstonesMax?: number;
  /** Frames that a ring keeps. */
  readonly ringFramesMax?: number;
  /** Called where the bus fails to load a topic; it is tried again. */
  readonly onError: (error: unknown) => void;
}

const RETRY_INTERVAL_MS = 1_000;
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

  /** The topic if it is open. */
  peek(channel: Channel, symbol: string): Topic | undefined {
    return this.open.get(`${channel}:${symbol}`)?.topic;
  }

  /** The topic of a listed instrument; it loads by itself. Whoever takes it calls `release` when it has left. */
  acquire(channel: Channel, symbol: string): Topic | undefined {
    const instrument = this.options.instruments.get(symbol);
    if (instrument === undefined) return undefined;
    const key = `${channel}:${symbol}`;
    let held = this.open.get(key);
    if (held === undefined) {
      held = this.start(channel, instrument, key);
      this.open.set(key, held);
    }
    held.closing?.cancel();
    held.closing = null;
    return held.topic;
  }

  /** Lets go of the topic after the grace time, unless somebody took it meanwhile. */
  release(topic: Topic): void {
    const key = `${topic.channel}:${topic.symbol}`;
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
    held.closing?.cancel();
    held.stop();
  }

  private start(channel: Channel, instrument: Instrument, key: string): Open {
    const id = this.ids.get(key) ?? this.nextId++;
    this.ids.set(key, id);
    const topic = this.make(channel, id, instrument);
    return { topic, stop: this.connect(topic), closing: null };
  }

  private make(channel: Channel, id: number, instrument: Instrument): Topic {
    const { counters, limits } = this;
    const { flush } = this.options;
    switch (channel) {
      case 'book':
        return new BookTopic(id, channel, instrument, flush, counters, limits);
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
    const derived = topic instanceof QuoteTopic && topic.instrument.quoteSource === 'book';
    return derived ? this.derive(topic) : this.feed(topic);
  }

  private derive(topic: QuoteTopic): () => void {
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
    /** What came in while the state was loaded; null once it is. */
    let early: Entry[] | null = [];
    let epochs = 0;
    let stopped = false;
    const listener: BusListener = {
      entry: (entry) => {
        if (early === null) topic.apply(entry, clock.nowMs());
        else early.push(entry);
      },
      epoch: (epoch) => {
        epochs += 1;
        topic.restart(epoch);
        if (early !== null) early = [];
      },
    };
    const unsubscribe = bus.subscribe(topic.channel, topic.symbol, listener);
    const load = async (): Promise<void> => {
      const epochsBefore = epochs;
      const state = await bus.load(topic.channel, topic.symbol);
      if (stopped) return;
      // The state may be of the epoch that ended meanwhile.
      if (epochs !== epochsBefore) return load();
      topic.load(state, clock.nowMs());
      for (const entry of early ?? []) if (entry.seq > topic.seq) topic.apply(entry, clock.nowMs());
      early = null;
    };
    const attempt = (): void => {
      load().catch((error: unknown) => {
        this.options.onError(error);
        if (!stopped) this.options.timers.after(RETRY_INTERVAL_MS, attempt);
      });
    };
    attempt();
    return () => {
      stopped = true;
      unsubscribe();
    };
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

  /** Stops everything; the topics are of no use afterwards. */
  shutDown(): void {
    this.healthTimer?.cancel();
    for (const [key, held] of this.open) this.close(key, held);
  }

  private watchHealth(): void {
    const { clock, timers, staleAfterMs } = this.options;
    this.healthTimer = timers.after(HEALTH_INTERVAL_MS, () => {
      const nowMs = clock.nowMs();
      for (const { topic } of this.open.values()) {
        if (topic.ready && topic.channel !== 'status' && topic.seq > 0) {
          topic.judge(nowMs - topic.updatedAtMs > staleAfterMs ? 'stale' : 'live');
        }
      }
      this.watchHealth();
    });
  }
}
