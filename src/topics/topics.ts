// Owns the topics of this process: opens them when somebody asks, follows the bus for them, lets go of them after a while.
// Sessions call it. Invariant: a topic that is ready has applied every update of its epoch up to `seq`, in order.

import type { Bus, BusListener, Entry } from '../bus/bus.ts';
import type { Instrument, InstrumentEvent, Instruments } from '../market/instrument.ts';
import type { Clock, Timer, Timers } from '../ports/clock.ts';
import type { Channel } from '../protocol/frames.ts';
import { BookTopic } from './book-topic.ts';
import type { Flush } from './flush.ts';
import { DerivedQuoteTopic, QuoteTopic } from './quote-topic.ts';
import { StatusTopic } from './status-topic.ts';
import { AnswerCounters, type Topic } from './topic.ts';
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

  constructor(private readonly options: TopicsOptions) {
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
    const { flush } = this.options;
    switch (channel) {
      case 'book':
        return this.feed(new BookTopic(id, channel, instrument, flush, this.counters));
      case 'trade':
        return this.feed(new TradeTopic(id, channel, instrument, flush, this.counters));
      case 'status':
        return this.feed(new StatusTopic(id, channel, instrument, flush, this.counters));
      case 'quote':
        if (instrument.quoteSource === 'book') return this.derive(id, instrument);
        return this.feed(new QuoteTopic(id, channel, instrument, flush, this.counters));
    }
  }

  private derive(id: number, instrument: Instrument): Open {
    const topic = new DerivedQuoteTopic(id, 'quote', instrument, this.options.flush, this.counters);
    const book = this.acquire('book', instrument.symbol) as BookTopic;
    const unfollow = book.follow(topic, this.options.clock.nowMs());
    const stop = (): void => {
      unfollow();
      this.release(book);
    };
    return { topic, stop, closing: null };
  }

  /** Subscribes first and loads then, so that nothing falls between. */
  private feed(topic: Topic): Open {
    const { bus, clock } = this.options;
    let early: Entry[] = [];
    let stopped = false;
    const listener: BusListener = {
      entry: (entry) => {
        if (topic.ready) topic.apply(entry, clock.nowMs());
        else early.push(entry);
      },
      epoch: (epoch) => {
        early = [];
        if (topic.ready) topic.restart(epoch);
      },
    };
    const unsubscribe = bus.subscribe(topic.channel, topic.symbol, listener);
    const load = async (): Promise<void> => {
      const state = await bus.load(topic.channel, topic.symbol);
      if (stopped) return;
      topic.load(state, clock.nowMs());
      for (const entry of early) if (entry.seq > topic.seq) topic.apply(entry, clock.nowMs());
      early = [];
    };
    const attempt = (): void => {
      load().catch((error: unknown) => {
        this.options.onError(error);
        if (!stopped) this.options.timers.after(RETRY_INTERVAL_MS, attempt);
      });
    };
    attempt();
    const stop = (): void => {
      stopped = true;
      unsubscribe();
    };
    return { topic, stop, closing: null };
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
      }
    }
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
