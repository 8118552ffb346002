// Owns both ends of the Redis bus as `bench:redis` drives them: one process publishes, another follows.
// The child process makes one of them, or the plain one. Invariant: a refused update, a reset or a loss is a problem of the run.

import type { Bus } from '../../../src/bus/bus.ts';
import { defineInstrument, type Instrument } from '../../../src/market/instrument.ts';
import type { BookDelta } from '../../../src/market/update.ts';
import { type StartedBus, startBus, until } from '../../redis/bus.ts';
import { seededRandom } from '../workloads.ts';
import { GATEWAY_LIMITS, someDeltas, symbolOf, wholeBook } from './books.ts';
import { type Hearing, Problems } from './hearing.ts';
import type { SetupMessage } from './messages.ts';

export interface PublishingEnd {
  /** By topic. */
  readonly lastSeqs: number[];
  readonly problems: Problems;
  updates: number;
  folds(): number;
  /** Resolves when all of them were taken, or refused. */
  publish(topic: number, count: number, sentUs: number): Promise<void>;
  /** Resolves when nothing that publishing has brought about is under way any more. */
  settle(): Promise<void>;
}

export interface FollowingEnd {
  repaired(): number;
  folds(): number;
}

/** A book of this size is folded about so often, in updates: topics begin at all stages of it. */
const FOLD_EVERY = 290;
const FIRST_BATCH = 100;
/** Two, and one for turns of the promises between them. */
const SETTLING_CALLS = 3;

async function busOf({ url, prefix, topics }: SetupMessage): Promise<StartedBus> {
  const started = await startBus({ url, prefix, ...GATEWAY_LIMITS });
  for (let topic = 0; topic < topics; topic++) {
    const definition = { symbol: symbolOf(topic), priceScale: 2, sizeScale: 4 };
    started.instruments.put(defineInstrument(definition) as Instrument);
  }
  return started;
}

export class BusPublisher implements PublishingEnd {
  readonly lastSeqs: number[];
  readonly problems = new Problems();
  updates = 0;
  private readonly deltas: readonly BookDelta[];
  private readonly symbols: readonly string[];
  /** Where each topic stands in the list. */
  private readonly places: number[];

  private constructor(
    private readonly started: StartedBus,
    { topics, seed }: SetupMessage,
  ) {
    this.deltas = someDeltas(seed);
    this.lastSeqs = new Array<number>(topics).fill(0);
    this.symbols = this.lastSeqs.map((_, topic) => symbolOf(topic));
    this.places = this.lastSeqs.map((_, topic) => topic * 37);
  }

  static async start(setup: SetupMessage, nowUs: () => number): Promise<BusPublisher> {
    const publisher = new BusPublisher(await busOf(setup), setup);
    await publisher.prepare(setup.seed, nowUs);
    return publisher;
  }

  folds(): number {
    return this.started.bus.counters.folds;
  }

  async publish(topic: number, count: number, sentUs: number): Promise<void> {
    const symbol = this.symbols[topic]!;
    const publications = Array.from({ length: count }, () => {
      const place = this.places[topic]!++;
      return { symbol, update: this.deltas[place % this.deltas.length]!, exchangeUs: sentUs };
    });
    await this.take(topic, this.started.bus.publish(publications));
  }

  /** A fold is two calls, one after the other, and calls are answered in order: these are behind all folds that were asked for. */
  async settle(): Promise<void> {
    for (let calls = 0; calls < SETTLING_CALLS; calls++) await this.started.bus.load('status', this.symbols[0]!);
  }

  private async take(topic: number, answer: ReturnType<Bus['publish']>): Promise<void> {
    for (const result of await answer) {
      if ('refused' in result) this.problems.add(`topic ${topic}: refused, ${result.refused.code}`);
      else {
        this.lastSeqs[topic] = Math.max(this.lastSeqs[topic]!, result.seq);
        this.updates += 1;
      }
    }
  }

  /** Whole books first, then logs of all lengths, so that folds come as evenly as they do in the long run. */
  private async prepare(seed: number, nowUs: () => number): Promise<void> {
    const random = seededRandom(seed);
    for (const [topic, symbol] of this.symbols.entries()) {
      const publication = { symbol, update: wholeBook(random), exchangeUs: nowUs() };
      await this.take(topic, this.started.bus.publish([publication]));
      // In no order of topics, since calls come in that order.
      const updates = Math.floor(random() * FOLD_EVERY);
      for (let left = updates; left > 0; left -= FIRST_BATCH)
        await this.publish(topic, Math.min(left, FIRST_BATCH), nowUs());
    }
  }
}

export class BusFollower implements FollowingEnd {
  private constructor(private readonly started: StartedBus) {}

  static async start(setup: SetupMessage, hearing: Hearing, nowUs: () => number): Promise<BusFollower> {
    const started = await busOf(setup);
    for (let topic = 0; topic < setup.topics; topic++) {
      started.bus.subscribe('book', symbolOf(topic), {
        entry: ({ seq, exchangeUs }) => hearing.heard(topic, seq, exchangeUs ?? 0, nowUs()),
        epoch: () => hearing.problems.add(`topic ${topic}: another epoch`),
        lost: () => hearing.problems.add(`topic ${topic}: updates were lost`),
        doubt: () => {},
      });
    }
    await until(() => started.bus.settled);
    return new BusFollower(started);
  }

  repaired(): number {
    return this.started.bus.counters.followers.repaired;
  }

  folds(): number {
    return this.started.bus.counters.folds;
  }
}
