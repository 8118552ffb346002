// Owns the proof that gateways on one Redis tell the same: a synthetic market is published; of three gateways one is there from the
// start, one joins midway, one loses messages of its channels. `npm run nodes` runs it. Invariant: whatever two of them told of the
// same view at the same sequence number was compared, and in the end each of them with the publisher's own books.

import { pino } from 'pino';
import type { RedisBus } from '../../src/bus/redis.ts';
import type { FollowerCounters } from '../../src/bus/redis-follower.ts';
import { RedisLink } from '../../src/bus/redis-link.ts';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { Ingest } from '../../src/feeds/ingest.ts';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import type { Depth } from '../../src/protocol/frames.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { startBus } from '../redis/bus.ts';
import { Ledger } from './ledger.ts';
import { LossyLink, oneSizeLarger } from './lossy-link.ts';
import { NodesClient, type NodesWishes } from './nodes-client.ts';
import { Random } from './seeded.ts';

const DEPTHS: readonly Depth[] = [1, 5, 10, 20, 50];
const WISHES: readonly NodesWishes[] = [
  ...DEPTHS.map((depth): NodesWishes => ({ depth, mode: 'live', channels: [], groups: depth === 10 ? [10] : [] })),
  { depth: 0, mode: 'live', channels: ['quote', 'trade', 'status'], groups: [5] },
  { depth: 0, mode: 'raw', channels: [], groups: [] },
];
const BATCH_UPDATES_MAX = 40;
/** One batch in so many waits until the first gateway's clients have it all: the others are merged as they come. */
const WAIT_OF_BATCHES = 3;
/** Of the first half of the updates: those after which clients come back, to a gateway that has only begun. */
const AWAY_SHARE = 0.05;
const ARRIVAL_MS_MAX = 15_000;
const SAY_MS = 10_000;

export interface NodesPlan {
  readonly url: string;
  readonly prefix: string;
  readonly updates: number;
  readonly seed: number;
  readonly symbols: number;
  /** Of a thousand messages that the third gateway hears. */
  readonly lostOfThousand: number;
  /** Alters one level of one update on its way to the third gateway: the comparison must find it. */
  readonly planted?: boolean;
  readonly signal?: AbortSignal;
  readonly say: (line: string) => void;
}

export interface NodesOutcome {
  readonly updates: number;
  readonly topics: number;
  readonly states: Readonly<Record<string, number>>;
  readonly frames: Readonly<Record<string, number>>;
  /** Messages that the gateway heard which loses some, and those that it lost. */
  readonly losses: { readonly heard: number; readonly dropped: number };
  /** Of the gateway that loses messages. */
  readonly repairs: FollowerCounters;
  /** How the gateway that joined answered cursors, by kind. */
  readonly joined: Readonly<Record<string, number>>;
  /** Views that were equal to the publisher's books in the end. */
  readonly finals: number;
  readonly differenceCount: number;
  readonly failures: readonly string[];
}

export async function prove(plan: NodesPlan): Promise<NodesOutcome> {
  const run = await NodesRun.begin(plan);
  try {
    const half = Math.floor(plan.updates / 2);
    await run.publish(half - Math.floor(half * AWAY_SHARE));
    const gone = await run.leave();
    await run.publish(half);
    await run.join(gone);
    await run.publish(plan.updates);
    return await run.finish();
  } finally {
    await run.end();
  }
}

class NodesRun {
  private readonly ledger = new Ledger();
  private readonly random: Random;
  private readonly market: SyntheticMarket;
  private readonly gateways = new Map<string, Gateway>();
  private readonly clients: NodesClient[] = [];
  private readonly ingest: Ingest;
  private readonly failures: string[] = [];
  /** Where each topic of the bus stands. */
  private readonly heads = new Map<string, number>();
  private lossy!: LossyLink;
  private updates = 0;
  private saidMs = performance.now();

  private constructor(
    private readonly plan: NodesPlan,
    private readonly source: Awaited<ReturnType<typeof startBus>>,
  ) {
    this.random = new Random(plan.seed);
    this.market = new SyntheticMarket({ seed: plan.seed, symbols: plan.symbols });
    this.ingest = new Ingest(
      {
        instruments: {
          put: (instrument) => {
            source.instruments.put(instrument);
            this.gateways.get('A')!.instruments.put(instrument);
          },
        },
        bus: source.bus,
      },
      (symbol, refused) => this.failures.push(`refused: ${symbol} ${refused.code} ${refused.message}`),
    );
  }

  static async begin(plan: NodesPlan): Promise<NodesRun> {
    const { url, prefix } = plan;
    const run = new NodesRun(plan, await startBus({ url, prefix, logEntriesMax: 1_024 }));
    await run.start('A');
    await run.start('C');
    const listed = run.market.instruments().map((definition): FeedEvent => ({ kind: 'instrument', definition }));
    await run.take([listed, run.market.snapshots()]);
    await run.connect('A');
    await run.connect('C');
    return run;
  }

  /** Goes on until so many updates were published in all. */
  async publish(updates: number): Promise<void> {
    const { plan, random } = this;
    // What the bus has refused is missing everywhere: there is nothing to compare any more.
    while (this.updates < updates && this.failures.length === 0 && plan.signal?.aborted !== true) {
      const batch: FeedEvent[][] = [];
      const wanted = 1 + random.below(BATCH_UPDATES_MAX);
      for (let count = 0; count < wanted; count += batch.at(-1)!.length) batch.push(this.market.step(0));
      await this.take(batch);
      if (random.below(WAIT_OF_BATCHES) === 0) await this.arrival(this.clients.filter(isPrompt));
      this.tell();
    }
  }

  /** Two sets of clients of the first gateway, which have left it again. */
  async leave(): Promise<NodesClient[][]> {
    const gone = [await this.connect('A'), await this.connect('A')];
    for (const client of gone.flat()) client.end();
    this.clients.splice(-gone.flat().length);
    return gone;
  }

  /**
   * The second gateway begins. What it tells those who know nothing, and those who come with the cursors of the first one, is
   * compared with what the first one tells such clients now.
   */
  async join([one, other]: readonly NodesClient[][]): Promise<void> {
    await this.start('B');
    await this.connect('A');
    await this.connect('B');
    await this.connect('A', one);
    await this.connect('B', other);
  }

  async finish(): Promise<NodesOutcome> {
    const { clients, failures, ledger, lossy, heads, updates } = this;
    await this.arrival(clients);
    let finals = 0;
    for (const client of clients) {
      finals += this.compare(client);
      failures.push(...client.troubles);
    }
    const { states, frames, differences, differenceCount } = ledger;
    const losses = { heard: lossy.heard, dropped: lossy.dropped };
    const repairs = (this.gateways.get('C')!.bus as RedisBus).counters.followers;
    const joined = this.gateways.get('B')!.topics.counters.byKind;
    failures.push(...differences);
    return {
      updates,
      topics: heads.size,
      states,
      frames,
      losses,
      repairs,
      joined,
      finals,
      differenceCount,
      failures,
    };
  }

  async end(): Promise<void> {
    for (const client of this.clients) client.end();
    for (const gateway of this.gateways.values()) gateway.stop();
    await this.source.close();
  }

  private async start(node: string): Promise<void> {
    const { url: redisUrl, prefix: redisPrefix, lostOfThousand } = this.plan;
    const settings = readSettings({ port: 0, adminPort: 0, redisUrl, redisPrefix }, {});
    const altered = this.plan.planted === true ? oneSizeLarger() : (bytes: Uint8Array) => bytes;
    const gateway = new Gateway(settings, pino({ level: 'silent' }), (options) => {
      if (node !== 'C') return new RedisLink(options);
      this.lossy = new LossyLink(options, { random: new Random(this.plan.seed + 1), lostOfThousand, altered });
      return this.lossy;
    });
    this.gateways.set(node, gateway);
    gateway.start();
    await gateway.ready;
  }

  private async connect(node: string, earlier?: readonly NodesClient[]): Promise<NodesClient[]> {
    const url = this.gateways.get(node)!.streamUrl;
    const connected = WISHES.map((wishes, i) => {
      // Raw books are kept where somebody watches them raw: a gateway that has only begun tells of a gap, and starts them anew.
      const before = wishes.mode === 'raw' ? null : (earlier?.[i] ?? null);
      return NodesClient.connect(url, node, wishes, this.ledger, before);
    });
    const clients = await Promise.all(connected);
    this.clients.push(...clients);
    await this.arrival(clients);
    return clients;
  }

  private async take(batch: readonly (readonly FeedEvent[])[]): Promise<void> {
    for (const { event, published } of await this.ingest.messages(batch)) {
      if ('refused' in published) continue;
      const { kind } = event.update;
      const channel = kind === 'delta' || kind === 'snapshot' ? 'book' : kind;
      this.heads.set(`${channel}:${event.symbol}`, published.seq);
      this.updates += 1;
    }
  }

  /** Resolves when these clients hold all that was published. */
  private async arrival(clients: readonly NodesClient[]): Promise<void> {
    for (const client of clients) {
      const endMs = performance.now() + ARRIVAL_MS_MAX;
      for (let late = this.late(client); late !== null; late = this.late(client)) {
        const leftMs = endMs - performance.now();
        if (leftMs <= 0 || client.troubles.length > 0) {
          this.failures.push(
            `${client.node}, depth ${client.wishes.depth} ${client.wishes.mode}: ${late} did not arrive`,
          );
          break;
        }
        await client.next(leftMs);
      }
    }
  }

  /** The first topic of which a client lacks something. */
  private late({ stream, wishes }: NodesClient): string | null {
    for (const [topic, seq] of this.heads) {
      const [channel, symbol] = topic.split(':') as ['book' | 'trade' | 'status', string];
      if (channel !== 'book' && !wishes.channels.includes(channel)) continue;
      const wanted = channel === 'book' ? [0, ...wishes.groups] : [0];
      for (const group of wanted) if ((stream.find(channel, symbol, group)?.seq ?? -1) < seq) return topic;
    }
    return null;
  }

  /** Holds what a client has in the end against the publisher's books. @returns how many views are equal. */
  private compare({ node, stream, wishes: { depth, mode, channels } }: NodesClient): number {
    let equal = 0;
    const hold = (same: boolean, what: string): void => {
      if (same) equal += 1;
      else this.failures.push(`${node}: ${what} is not the publisher's in the end`);
    };
    for (const { symbol } of this.market.instruments()) {
      const { bids, asks } = this.market.book(symbol)!;
      const book = stream.find('book', symbol)?.book;
      const held = [book?.bids ?? [], book?.asks ?? []].map((side) => side.flatMap(({ price, size }) => [price, size]));
      const wanted = [bids, asks].map((flat) => bestOf(flat, depth));
      // Of the ladders the best level is the last.
      const same = JSON.stringify(held.map(reversed)) === JSON.stringify(wanted);
      hold(same, `the book of ${symbol} at depth ${depth} ${mode}`);
      if (!channels.includes('quote')) continue;
      const quote = stream.find('quote', symbol)?.quote;
      const best = [...wanted[0]!.slice(0, 2), ...wanted[1]!.slice(0, 2)].join();
      hold(
        [quote?.bidPrice, quote?.bidSize, quote?.askPrice, quote?.askSize].join() === best,
        `the quote of ${symbol}`,
      );
    }
    return equal;
  }

  private tell(): void {
    const nowMs = performance.now();
    if (nowMs - this.saidMs < SAY_MS) return;
    this.saidMs = nowMs;
    const { states, differenceCount } = this.ledger;
    const { dropped } = this.lossy;
    const compared = sum(states);
    this.plan.say(
      `${this.updates} of ${this.plan.updates} updates, ${compared} states compared, ${dropped} messages lost, ${differenceCount} differences`,
    );
  }
}

/** Gets every update at once: a view that shows less may be told only once a second that nothing in it has changed. */
function isPrompt({ node, wishes: { depth } }: NodesClient): boolean {
  return node === 'A' && depth === 0;
}

/** The best levels of a side as price and size, best first. */
function bestOf(flat: readonly number[], depth: number): number[] {
  const out: number[] = [];
  const count = depth === 0 ? flat.length / 3 : Math.min(depth, flat.length / 3);
  for (let i = 0; i < count; i++) out.push(flat[3 * i]!, flat[3 * i + 1]!);
  return out;
}

/** The pairs from the last to the first. */
function reversed(pairs: readonly number[]): number[] {
  const out: number[] = [];
  for (let i = pairs.length - 2; i >= 0; i -= 2) out.push(pairs[i]!, pairs[i + 1]!);
  return out;
}

export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
