// Owns the proof that gateways on one Redis tell the same: a synthetic market is published; of three gateways one is there from the
// start, one joins midway, one loses messages of its channels. `npm run nodes` runs it. Invariant: whatever two of them told of the
// same view at the same sequence number was compared, and in the end each of them with the publisher's own books.

import { pino } from 'pino';
import type { RedisBus } from '../../src/bus/redis.ts';
import { readBody, readHead, encodeUpdate } from '../../src/bus/redis-entry.ts';
import type { FollowerCounters } from '../../src/bus/redis-follower.ts';
import { RedisLink } from '../../src/bus/redis-link.ts';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { Ingest } from '../../src/feeds/ingest.ts';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import type { Depth } from '../../src/protocol/frames.ts';
import { ByteReader } from '../../src/protocol/reader.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { startBus } from '../redis/bus.ts';
import { Ledger } from './ledger.ts';
import { LossyLink } from './lossy-link.ts';
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
const ARRIVAL_MS_MAX = 15_000;
const SAY_MS = 2_000;

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
  /** Views that were compared with the publisher's books in the end. */
  readonly finals: number;
  readonly differenceCount: number;
  readonly failures: readonly string[];
}

export async function prove(plan: NodesPlan): Promise<NodesOutcome> {
  const run = await NodesRun.begin(plan);
  try {
    await run.publish(Math.floor(plan.updates / 2));
    await run.join();
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
    while (this.updates < updates && plan.signal?.aborted !== true) {
      const batch: FeedEvent[][] = [];
      const wanted = 1 + random.below(BATCH_UPDATES_MAX);
      for (let count = 0; count < wanted; count += batch.at(-1)!.length) batch.push(this.market.step(0));
      await this.take(batch);
      if (random.below(WAIT_OF_BATCHES) === 0) await this.arrival(this.clients.filter(({ node }) => node === 'A'));
      this.tell();
    }
  }

  /** The second gateway begins; so does another set of clients of the first, so that their snapshots can be compared. */
  async join(): Promise<void> {
    await this.start('B');
    await this.connect('A');
    await this.connect('B');
    await this.arrival(this.clients.filter(({ node }) => node !== 'C'));
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
    failures.push(...differences);
    return { updates, topics: heads.size, states, frames, losses, repairs, finals, differenceCount, failures };
  }

  async end(): Promise<void> {
    for (const client of this.clients) client.end();
    for (const gateway of this.gateways.values()) gateway.stop();
    await this.source.close();
  }

  private async start(node: string): Promise<void> {
    const { url: redisUrl, prefix: redisPrefix, lostOfThousand } = this.plan;
    const settings = readSettings({ port: 0, adminPort: 0, redisUrl, redisPrefix }, {});
    const altered = this.plan.planted === true ? plant() : same;
    const gateway = new Gateway(settings, pino({ level: 'silent' }), (options) => {
      if (node !== 'C') return new RedisLink(options);
      this.lossy = new LossyLink(options, { random: new Random(this.plan.seed + 1), lostOfThousand, altered });
      return this.lossy;
    });
    this.gateways.set(node, gateway);
    gateway.start();
    await gateway.ready;
  }

  private async connect(node: string): Promise<void> {
    const url = this.gateways.get(node)!.streamUrl;
    const connected = WISHES.map((wishes) => NodesClient.connect(url, node, wishes, this.ledger));
    const clients = await Promise.all(connected);
    this.clients.push(...clients);
    await this.arrival(clients);
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
          this.failures.push(`${client.node}, depth ${client.wishes.depth} ${client.wishes.mode}: ${late} did not arrive`);
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

  /** Holds what a client has in the end against the publisher's books. @returns how many views. */
  private compare({ node, stream, wishes: { depth, mode, channels } }: NodesClient): number {
    let finals = 0;
    for (const { definition } of this.market.instruments().map((each) => ({ definition: each }))) {
      const { symbol } = definition;
      const { bids, asks } = this.market.book(symbol)!;
      const book = stream.find('book', symbol)?.book;
      const held = [book?.bids ?? [], book?.asks ?? []].map((side) => side.flatMap(({ price, size }) => [price, size]));
      const wanted = [bids, asks].map((flat) => bestOf(flat, depth));
      finals += 1;
      // Of the ladders the best level is the last.
      if (JSON.stringify(held.map(reversed)) !== JSON.stringify(wanted)) {
        this.failures.push(`${node}: the book of ${symbol} at depth ${depth} ${mode} is not the publisher's in the end`);
      }
      if (!channels.includes('quote')) continue;
      const quote = stream.find('quote', symbol)?.quote;
      const [best, offer] = [wanted[0]!, wanted[1]!];
      finals += 1;
      const same = quote?.bidPrice === best[0] && quote?.bidSize === best[1] && quote?.askPrice === offer[0];
      if (!same || quote?.askSize !== offer[1]) this.failures.push(`${node}: the quote of ${symbol} is not the publisher's`);
    }
    return finals;
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

function same(bytes: Uint8Array): Uint8Array {
  return bytes;
}

/** Makes one level of one change of a book larger by a lot. */
function plant(): (bytes: Uint8Array) => Uint8Array {
  let planted = false;
  const writer = new ByteWriter();
  return (bytes) => {
    if (planted || bytes.length === 0) return bytes;
    const reader = new ByteReader(bytes);
    readHead(reader, { format: 0, epoch: 0, seq: 0, publishUs: 0, nonce: 0 });
    if (reader.done) return bytes;
    const head = bytes.slice(0, reader.at);
    const body = readBody(reader);
    if (!('update' in body) || body.update.kind !== 'delta') return bytes;
    const { bids, asks } = body.update;
    if (!(bids[1]! > 0)) return bytes;
    planted = true;
    const flipped = bids.map((number, i) => (i === 1 ? number + 1 : number));
    const update = encodeUpdate(writer, { kind: 'delta', bids: flipped, asks }, body.exchangeUs);
    return Buffer.concat([head, update]);
  };
}
