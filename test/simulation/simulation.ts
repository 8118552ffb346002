// Owns one run: from a seed two nodes on one bus, some venues and clients, and at least 500 steps in which everything that
// can go wrong does. The tests, the mutants and the command call `simulate`. Invariant: a run depends on its seed alone, and
// ends only when every client holds what the oracle holds and nothing is left over.

import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { type Channel, DEPTHS } from '../../src/protocol/frames.ts';
import type { Connection } from '../../src/sessions/connection.ts';
import type { Identity } from '../../src/sessions/grant.ts';
import { WINDOW_FULL_BYTES } from '../../src/sessions/window.ts';
import { type Branches, branchesOf, noEvents } from './branches.ts';
import { type Shape, SimulatedClient, shapeAsBefore } from './client.ts';
import { identityOf, principalOf } from './identities.ts';
import { Kernel, Random } from './kernel.ts';
import type { Link, LinkOptions } from './link.ts';
import { Listings } from './listings.ts';
import { type Market, MemoryMarket } from './market.ts';
import { Moves } from './moves.ts';
import { type NodeLimits, SimulatedNode } from './node.ts';
import { Oracle } from './oracle.ts';
import { RedisMarket } from './redis-market.ts';
import { SessionLedger, type SessionTimes } from './session-ledger.ts';
import { stylesOf } from './styles.ts';
import { type Planned, Venue } from './venue.ts';
import type { Active } from './witness.ts';

const STEPS = 500;
const CLIENTS_MIN = 8;
const CLIENTS_MAX = 10;
const GRACE_MS = 100;
/** Share of runs with a book so long that answers go out in parts. */
const LONG_BOOK_SHARE = 0.03;
/** Share of book subscriptions whose levels are summed, and of how many ticks. */
const GROUPED_SHARE = 0.2;
const GROUPS = [2, 5];
/** Share of runs in which the nodes share a Redis. */
const REDIS_SHARE = 0.4;
const NODES = ['a', 'b'];
/** Share of runs with a client that speaks JSON, which costs as much as all others. */
const JSON_SHARE = 0.25;
const INTERVALS_MS = [0, 0, 0, 10, 50, 100, 250, 500, 1_000];
const CHANNELS: readonly Channel[] = ['book', 'book', 'book', 'quote', 'quote', 'trade', 'status'];
/** Of a node that nobody uses: its topics' health, its pulse. */
const NODE_TIMERS = 2;

/** @throws Error that names the seed and the command that repeats the run. */
export async function simulate(seed: number): Promise<Branches> {
  const simulation = new Simulation(seed);
  try {
    return await simulation.run();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const again = `again: npm run simulate -- --seed ${seed}`;
    throw new Error(`seed ${seed}, step ${simulation.step}: ${reason}\n${again}`, { cause: error });
  }
}

class Simulation {
  step = 0;
  private readonly events = noEvents();
  private readonly random: Random;
  private readonly kernel = new Kernel();
  private readonly oracle = new Oracle();
  private readonly limits: NodeLimits;
  private readonly market: Market;
  private readonly ledger: SessionLedger;
  private readonly nodes: SimulatedNode[];
  private readonly moves: Moves;
  private readonly listings: Listings;
  /** By what their holders say to show who they are. */
  private readonly identities = new Map<string, Identity>();
  /** Processes that were started. */
  private nodeCount = 0;
  private readonly venues: readonly Venue[];
  private readonly clients: readonly SimulatedClient[];
  private readonly longest: boolean;
  private readonly sendMs: number;
  /** Runs in which more time passes between steps, so that lasting trouble shows. */
  private readonly slowness: number;
  private intervalMsMax = 0;
  /** The widest window that each connection has had. */
  private readonly widestBytes = new Map<string, number>();

  /** Whether nodes that share no sessions sign with the same key all the same. */
  private readonly sharesKeys: boolean;

  constructor(private readonly seed: number) {
    this.random = new Random(seed);
    const { random, kernel, oracle, events } = this;
    this.longest = random.chance(LONG_BOOK_SHARE);
    this.sendMs = random.chance(0.2) ? 0.4 : 0;
    this.slowness = random.chance(0.1) ? 10 : 1;
    this.limits = {
      tombstonesMax: random.pick([4, 16, 64, 4_096]),
      ringFramesMax: random.pick([4, 4, 16, 64]),
      controlBytesMax: random.chance(0.2) ? 1_024 : 65_536,
      graceMs: GRACE_MS,
      staleAfterMs: random.pick([1_500, 60_000]),
      sourceDownAfterMs: 90_000,
      heartbeatMs: random.pick([1_000, 5_000]),
      ageMsMax: random.pick([1_500, 30_000]),
      connectionBytesPerSecMax: random.chance(0.1) ? 20_000 : 0,
      requestsPerSecMax: 1_000_000,
      ...drawTimes(new Random(seed, 500)),
    };
    const newEpoch = (): number => 1 + random.bits() * 0x1_0000 + random.below(0x1_0000);
    const logEntriesMax = random.pick([4, 32, 1_024]);
    const shared = { kernel, oracle, events, newEpoch, nodes: NODES.length, tombstonesMax: this.limits.tombstonesMax };
    const own = new Random(seed, 400);
    this.market = own.chance(REDIS_SHARE)
      ? new RedisMarket({ ...shared, random: own, logEntriesMax: own.pick([32, 256, 1_024]) })
      : new MemoryMarket({ ...shared, random, logEntriesMax });
    this.ledger = new SessionLedger(kernel, this.limits, () => this.market.sharing);
    this.sharesKeys = own.chance(0.5);
    this.nodes = NODES.map((_, i) => this.startNode(i));
    this.venues = stylesOf(random, this.longest).map(
      (style, i) => new Venue(style, new Random(seed, 200 + i), this.oracle, () => kernel.nowUs()),
    );
    this.clients = Array.from({ length: random.between(CLIENTS_MIN, CLIENTS_MAX) }, (_, i) => {
      const codec = i === CLIENTS_MIN - 1 && random.chance(JSON_SHARE) ? jsonCodec : msgpackCodec;
      const identity = identityOf(principalOf(i));
      return new SimulatedClient(
        `${i}`,
        codec,
        kernel,
        new Random(seed, 300 + i),
        oracle,
        this.ledger.events,
        identity,
      );
    });
    this.listings = new Listings({ random, market: this.market, events });
    this.moves = new Moves({
      ...{ kernel, ledger: this.ledger, nodes: this.nodes, clients: this.clients, identities: this.identities },
      random: new Random(seed, 501),
      restart: (place) => this.startNode(place),
      linkOptions: () => this.linkOptions(),
      symbols: this.venues.map(({ symbol }) => symbol),
    });
  }

  private startNode(i: number): SimulatedNode {
    const { kernel, limits, oracle, ledger, identities, seed } = this;
    const count = this.nodeCount++;
    const own = this.market.sharing === null && !this.sharesKeys ? count : 0;
    return new SimulatedNode({
      ...{ name: `${NODES[i]}${count}`, place: this.market.places[i]!, kernel, limits, oracle, ledger, identities },
      random: new Random(seed, 1_000 + count),
      keys: `first${own}:${'s'.repeat(40)}${`${own}`.padStart(3, '0')}`,
    });
  }

  async run(): Promise<Branches> {
    for (const { instrument } of this.venues) this.market.put(instrument, false);
    await this.market.open();
    await this.open();
    for (this.step = 1; this.step <= STEPS; this.step++) {
      this.market.disturb(this.venues);
      this.moves.disturb();
      await this.act();
      if (this.random.chance(0.6)) await this.kernel.advance(this.pauseMs());
      if (this.step % 16 === 0) this.checkBounds();
    }
    await this.settle();
    await this.empty();
    for (const { witness, counters } of this.clients) {
      this.events['frames checked'] += witness.comparison.checks;
      for (const pace of witness.paces) if (pace !== 'other') this.events[`pace ${pace}`] += 1;
      for (const { ignored, merged, gapped } of counters) {
        this.events['frames ignored'] += ignored;
        this.events['updates merged'] += merged;
        this.events['updates in gaps'] += gapped;
      }
    }
    this.ledger.checkEnd();
    const nodes = [...this.moves.past, ...this.nodes];
    return branchesOf(nodes, this.events, this.market.redisBranches, this.ledger.events);
  }

  /** Books are published, clients connect; the first two want the same, and every depth is wanted by somebody. */
  private async open(): Promise<void> {
    for (const venue of this.venues) if (this.random.chance(0.8)) await this.publish(venue.snapshot());
    if (this.longest) await this.publish(this.venues[3]!.snapshot());
    for (const [i, client] of this.clients.entries()) {
      client.connect(this.moves.nodeFor(), this.linkOptions());
      const symbol = this.longest ? 'WIDE' : this.venues[i % this.venues.length]!.symbol;
      client.subscribe('book', [symbol], { depth: DEPTHS[i % DEPTHS.length]!, interval: 0, mode: 'live' });
      if (i < 2) {
        client.subscribe('book', ['CNT'], { depth: 0, interval: 0, mode: 'live' });
        client.subscribe('trade', ['CNT', 'PUB'], { depth: 0, interval: 0, mode: 'live' });
      } else this.subscribe(client);
    }
    await this.kernel.advance(5);
  }

  private async act(): Promise<void> {
    const { random } = this;
    const drawn = random.below(1_000);
    const client = this.someClient();
    const venue = random.pick(this.venues);
    if (drawn < 690) return this.trade(venue);
    if (drawn < 705) return this.publishBatch();
    if (drawn < 711) return this.burst(venue);
    if (drawn < 721) return this.publish(venue.refresh());
    if (drawn < 771) return this.stall(client);
    if (drawn < 831) return this.reshape(client);
    if (drawn < 848) return this.subscribe(client);
    if (drawn < 865) return this.unsubscribe(client);
    if (drawn < 877) return this.resync(client);
    if (drawn < 910) return this.reconnect(client);
    if (drawn < 925) return this.chat(client);
    if (drawn < 935) return this.listings.change(venue);
    if (drawn < 938) return this.listings.list(venue);
    if (drawn < 941) return this.kernel.shiftWall(random.between(-5_000, 5_000));
    if (drawn < 955) return this.limit(client);
    if (drawn < 961) {
      random.pick(this.nodes).demand = random.chance(0.5) ? 1.2 : 0;
      return;
    }
    return this.kernel.advance(random.between(1, 200));
  }

  /** Rather one in trouble: what happens while a client is behind is what goes wrong. */
  private someClient(): SimulatedClient {
    const { random, clients } = this;
    const behind = random.chance(0.4) ? clients.filter(({ served }) => served !== null && served.block !== null) : [];
    return random.pick(behind.length > 0 ? behind : clients);
  }

  /** In runs with a long book rather that: its answers go out in parts. */
  private someActive(client: SimulatedClient): Active | undefined {
    const { random } = this;
    const { active } = client;
    const long = this.longest && random.chance(0.5) ? active.filter(isLongBook) : [];
    return random.pick(long.length > 0 ? long : active);
  }

  private pauseMs(): number {
    const { random, slowness } = this;
    const drawn = random.below(100);
    if (drawn < 35) return 0;
    if (drawn < 80) return random.between(1, 5) * slowness;
    if (drawn < 96) return random.between(5, 40) * slowness;
    return random.between(50, drawn < 99 ? 400 : 1_500);
  }

  private linkOptions(): LinkOptions {
    const { random, sendMs } = this;
    const slow = random.chance(this.longest || this.slowness > 1 ? 0.6 : 0.25);
    return {
      latencyMs: random.pick([0, 0, 1, 5, 40]),
      bytesPerMs: slow ? random.pick([0.5, 2, 20, 200]) : Number.POSITIVE_INFINITY,
      pieceBytes: random.pick([1, 100, Number.POSITIVE_INFINITY]),
      pongTrouble: random.pick([0, 0, 0.05, 0.3]),
      bufferBytesMax: random.pick([0, 500, 20_000, Number.POSITIVE_INFINITY]),
      sendMs,
    };
  }

  private shape(channel: Channel, group = 0): Shape {
    const { random } = this;
    if (group === 0 && random.chance(0.25)) return { depth: 0, interval: 0, mode: 'raw' };
    const interval = random.chance(0.002) ? 60_000 : random.pick(INTERVALS_MS);
    this.intervalMsMax = Math.max(this.intervalMsMax, interval);
    if (channel !== 'book' || (this.longest && random.chance(0.5))) return { depth: 0, interval, mode: 'live' };
    return { depth: random.pick(DEPTHS), interval, mode: 'live' };
  }

  private async publish(planned: Planned): Promise<void> {
    await this.market.publish([planned]);
  }

  private async publishBatch(): Promise<void> {
    await this.market.publish(this.venues.filter(() => this.random.chance(0.6)).map((venue) => venue.next()));
  }

  /** What a venue does by itself; one that was delisted or began anew mostly comes to its senses. */
  private async trade(venue: Venue): Promise<void> {
    if (!venue.listed && this.random.chance(0.4)) this.listings.list(venue);
    const { symbol } = venue;
    const lacking = this.oracle.now('book', symbol) === undefined || this.market.wantsSnapshot(symbol);
    const begins = lacking && this.random.chance(0.5);
    await this.publish(begins ? venue.snapshot() : venue.next());
  }

  /** More than a ring holds, within one turn. */
  private async burst(venue: Venue): Promise<void> {
    this.events.bursts += 1;
    const trades = this.random.chance(0.4);
    const count = Math.min(this.limits.ringFramesMax, 20) + this.random.between(1, 5);
    for (let i = 0; i < count; i++) await this.publish(trades ? venue.trade() : venue.delta(this.random.between(0, 2)));
  }

  private stall(client: SimulatedClient): void {
    const { live } = client;
    if (live === null) return;
    this.events['link stalls'] += 1;
    live.link.stall();
    const shortMs = this.random.between(1, 60);
    this.kernel.after(this.random.chance(0.7) ? shortMs : shortMs * 50, () => live.link.unstall());
  }

  private limit(client: SimulatedClient): void {
    this.events.limits += 1;
    const bytesPerSec = this.random.pick(this.slowness > 1 ? [100, 200, 1_000] : [0, 0, 200, 1_000, 10_000]);
    client.limit(bytesPerSec, this.random.chance(this.slowness > 1 ? 0.9 : 0.5));
  }

  private subscribe(client: SimulatedClient): void {
    const channel = this.random.pick(CHANNELS);
    const symbols = this.venues.filter(() => this.random.chance(0.3)).map(({ symbol }) => symbol);
    if (symbols.length === 0) return;
    const more = channel === 'trade' && this.random.chance(0.5) ? { last: this.random.below(10) } : {};
    const group = channel === 'book' && this.random.chance(GROUPED_SHARE) ? this.random.pick(GROUPS) : 0;
    if (group > 0) this.events['grouped subscriptions'] += 1;
    client.subscribe(channel, symbols, this.shape(channel, group), { ...more, group });
  }

  private reshape(client: SimulatedClient): void {
    const active = this.someActive(client);
    if (active === undefined) return;
    this.events['changes of shape'] += 1;
    const { channel, symbol, group } = active;
    client.subscribe(channel, [symbol], this.shape(channel, group), { group });
    if (this.random.chance(0.2)) client.subscribe(channel, [symbol], this.shape(channel, group), { group });
  }

  private unsubscribe(client: SimulatedClient): void {
    const active = client.active;
    if (active.length < 2) return;
    const one = this.random.pick(active);
    const { channel, symbol, group } = one;
    client.unsubscribe(one);
    if (this.random.chance(0.3)) client.subscribe(channel, [symbol], this.shape(channel, group), { group });
  }

  /** What comes after one answer too many is in the same message. */
  private chat(client: SimulatedClient): void {
    client.chat();
    if (this.random.chance(0.5)) this.subscribe(client);
  }

  private resync(client: SimulatedClient): void {
    const active = this.someActive(client);
    if (active === undefined) return;
    this.events['resync requests'] += 1;
    client.resync(active);
  }

  private reconnect(client: SimulatedClient): void {
    const { random } = this;
    if (client.live !== null) {
      const before = client.live.node;
      client.disconnect(random.pick([0, 1, 50, 2_000]));
      // Often it is gone for a while: then it is this step's chance to come back that counts.
      const same = random.chance(0.5) && this.nodes.includes(before) && !before.draining;
      if (random.chance(0.5)) this.comeBack(client, same ? before : this.moves.nodeFor(before));
    } else this.comeBack(client, this.moves.nodeFor());
  }

  private comeBack(client: SimulatedClient, node: SimulatedNode, way = this.moves.wayBack(client)): void {
    const { random } = this;
    const tampering = random.pick(['none', 'none', 'none', 'none', 'future', 'foreign'] as const);
    if (tampering === 'future') this.events['cursors from the future'] += 1;
    if (tampering === 'foreign') this.events['foreign cursors'] += 1;
    const same = client.lastNode === node;
    this.events[same ? 'reconnects to the same node' : 'reconnects to the other node'] += 1;
    const shapeOf = (active: Active): Shape =>
      random.chance(0.2) ? this.shape(active.channel, active.group) : shapeAsBefore(active);
    client.connect(node, this.linkOptions(), { ...way, tampering, shapeOf });
  }

  private checkBounds(): void {
    this.ledger.check();
    this.moves.check();
    for (const node of this.nodes) {
      if (node.mistakes.length > 0) throw node.mistakes[0];
      for (const connection of node.connections) {
        checkDue(node, connection);
        if (connection.queuedBytes > this.limits.controlBytesMax + QUEUED_BYTES_MAX) {
          throw new Error(`connection ${connection.id} queues ${connection.queuedBytes} bytes`);
        }
        // A long link may be given a window of more; what is on its way stays when the window shrinks.
        const widestBytes = Math.max(this.widestBytes.get(connection.id) ?? WINDOW_FULL_BYTES, connection.window.bytes);
        this.widestBytes.set(connection.id, widestBytes);
        if (connection.unansweredBytes > widestBytes + OVERSHOOT_BYTES_MAX) {
          throw new Error(`connection ${connection.id} has ${connection.unansweredBytes} bytes on their way`);
        }
      }
    }
    for (const { live, served } of this.clients) if (served !== null) this.checkWindow(live!.link, served);
  }

  /** The window counts every byte, and takes for arrived only what has. */
  private checkWindow(link: Link, connection: Connection): void {
    const { sentBytes, window, id } = connection;
    if (sentBytes !== link.takenBytes) {
      throw new Error(`connection ${id} counts ${sentBytes} bytes, its socket took ${link.takenBytes}`);
    }
    if (window.answeredBytes > link.arrivedBytes) {
      throw new Error(`connection ${id}: ${window.answeredBytes} bytes are answered for, ${link.arrivedBytes} arrived`);
    }
  }

  /** All links are mended and time passes: everybody must come to hold what there is. */
  private async settle(): Promise<void> {
    await this.moves.settle();
    for (const node of this.nodes) {
      node.uplink.reliable = true;
      node.demand = 0;
    }
    for (const client of this.clients) {
      client.live?.link.free();
      if (client.live === null) this.comeBack(client, this.moves.nodeFor());
      client.live!.link.free();
      client.limit(0, false);
    }
    await this.kernel.advance(1_500);
    await this.market.mend(this.venues);
    // Those who are still served at another pace begin anew, since calm takes its time.
    for (const client of this.clients) if (client.served?.rung.pace !== 'real-time') client.disconnect(1);
    await this.kernel.advance(100);
    for (const client of this.clients) {
      if (client.live === null) this.comeBack(client, this.moves.nodeFor(), {});
      client.live!.link.free();
    }
    // A long book takes an operator's budget several seconds.
    const budgeted = this.limits.connectionBytesPerSecMax > 0;
    await this.kernel.advance((budgeted ? 8_000 : 1_500) + this.longestIntervalMs);
    for (const client of this.clients) this.checkSettled(client);
    await this.market.checkSettled();
  }

  private checkSettled(client: SimulatedClient): void {
    for (const active of client.active) {
      const { channel, symbol, group } = active;
      const venue = this.venues.find((each) => each.symbol === symbol)!;
      if (!venue.listed) throw new Error(`client ${client.name}: subscribed to ${symbol}, which is not listed`);
      const derived = channel === 'quote' && venue.instrument.quoteSource === 'book';
      client.witness.settled(active, client.live!.stream.find(channel, symbol, group), derived ? 'book' : channel);
    }
  }

  private get longestIntervalMs(): number {
    return Math.max(0, ...this.clients.flatMap(({ active }) => active.map(({ intervalMs }) => intervalMs)));
  }

  /** Everybody leaves: nothing may be left but the nodes' own timers. */
  private async empty(): Promise<void> {
    for (const client of this.clients) client.disconnect(1);
    await this.kernel.advance(4 * GRACE_MS + 2_000 + this.intervalMsMax);
    for (const node of this.nodes) node.checkEmpty();
    await this.market.close();
    const timers = this.nodes.length * NODE_TIMERS;
    if (this.kernel.pending !== timers) throw new Error(`${this.kernel.pending} timers are left, not ${timers}`);
    this.checkBounds();
  }
}

/** What is due to a lane is on its way, in order, and of views that its connection is a member of. */
function checkDue({ flush: { lanes, outgoing } }: SimulatedNode, { id, lane, subscriptions }: Connection): void {
  let last = outgoing.first - 1;
  for (let i = 0; i < lanes.dueCounts[lane]!; i++) {
    const number = lanes.due[lane * lanes.dueStride + i]!;
    if (number <= last || number >= outgoing.next) throw new Error(`connection ${id} is due an answer that is gone`);
    last = number;
    const { view } = outgoing.at(number);
    const member = [...subscriptions.values()].some(
      (subscription) => subscription.inStep && subscription.view === view,
    );
    if (!member) throw new Error(`connection ${id} is due an answer of a view that it has left`);
  }
}

/** From a life that ends while its client is away to one that outlives the run. */
function drawTimes(random: Random): SessionTimes {
  return { resumeLifeMs: random.pick([300, 3_000, 60_000]), resumeRenewMs: random.pick([1_500, 10_000, 60_000]) };
}

function isLongBook({ channel, symbol }: Active): boolean {
  return channel === 'book' && symbol === 'WIDE';
}

/** A full window, which a socket may buffer whole, and one long answer to a request. */
const OVERSHOOT_BYTES_MAX = 36_864;
const QUEUED_BYTES_MAX = WINDOW_FULL_BYTES + OVERSHOOT_BYTES_MAX;
