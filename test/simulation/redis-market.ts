// Owns a market on a simulated Redis: a publishing process and a process for each node, each with the product's Redis bus on a
// connection of its own, and what goes wrong between them. The simulation publishes into it. Invariant: what was sequenced is known
// from the server itself; no answer is believed, each is held against it.

import type { Bus, Leased, Published } from '../../src/bus/bus.ts';
import { RedisBus } from '../../src/bus/redis.ts';
import { ScriptRefusal } from '../../src/bus/redis-scripts.ts';
import { RedisSessions } from '../../src/bus/redis-sessions.ts';
import { type Instrument, Instruments } from '../../src/market/instrument.ts';
import { RedisFailure } from '../../src/ports/redis.ts';
import type { SessionStore, SessionStoreOptions } from '../../src/ports/session-store.ts';
import { Random } from './kernel.ts';
import type { Life } from './life.ts';
import type { Market, MarketOptions, Place, Sharing } from './market.ts';
import { channelOf } from './oracle.ts';
import { isStateful, Publications } from './publications.ts';
import { RESTARTS, SimulatedRedis } from './redis.ts';
import { noRedisEvents, type RedisEvent, redisBranches } from './redis-branches.ts';
import { isOneTopic, RedisCaller } from './redis-caller.ts';
import { News } from './redis-news.ts';
import type { SimulatedPort } from './redis-port.ts';
import type { Planned, Venue } from './venue.ts';

interface Process extends Place {
  readonly bus: RedisBus;
  readonly port: SimulatedPort;
  /** What it knows of changes of instruments that were made elsewhere. */
  readonly news: News;
}

interface Sending {
  readonly planned: Planned;
  /** Through which process. */
  readonly process: number;
}

const PAST_THE_BUS = -1;
const PREFIX = 'sim';
const LEASE_MS = 400;
const LOOK_MS_MAX = 200;
/** What was on its way has arrived. */
const GOODBYE_MS = 600;
const SHARES = [0, 0, 0.02, 0.1];

export class RedisMarket implements Market, Sharing {
  readonly places: readonly Place[];
  readonly server: SimulatedRedis;
  /** The publishing process first, then the nodes'. */
  readonly processes: readonly Process[];
  /** Errors that nothing in the simulation explains. */
  readonly mistakes: unknown[] = [];
  private readonly counts = noRedisEvents();
  private readonly publications: Publications;
  /** By symbol the process at which its venue is, where changes are known first. */
  private readonly homes = new Map<string, number>();
  private readonly trouble: number;
  private readonly lagMsMax: number;
  /** How often a venue publishes through another process than its own. */
  private readonly straying: number;
  private readonly leasable: boolean;
  /** How often updates go in by a plain call of the script, by somebody who knows of no server's id. */
  private readonly bypassing: number;
  private readonly flooding: number;
  private readonly caller: RedisCaller;
  /** How often an update has an idempotency key. */
  private readonly keying: number;
  private keyCount = 0;
  /** Of the slowest connection, each way. */
  delayMsMax = 0;
  /** The newest update with a key. */
  private keyed: { readonly planned: Planned; readonly instrument: Instrument | undefined } | null = null;
  private leased: { symbol: string; token: number } | null = null;
  private readonly doubted = new Set<string>();

  constructor(private readonly options: MarketOptions) {
    const { kernel, random, oracle, nodes } = options;
    this.publications = new Publications(oracle, options.events, this.counts);
    this.counts.runs = 1;
    this.server = new SimulatedRedis(kernel, this.publications);
    this.trouble = random.pick([0, 0.01, 0.03, 0.08]);
    this.lagMsMax = random.pick([0, 5, 100]);
    this.straying = random.pick([0, 0, 0.3]);
    this.leasable = random.chance(0.3);
    this.bypassing = random.pick([0, 0, 0.2]);
    this.keying = random.pick([0, 0.2]);
    this.flooding = random.pick([0, 0, 0, 0.03]);
    if (this.trouble > 0) {
      const { carriage } = this.server;
      carriage.lost = random.pick(SHARES);
      carriage.doubled = random.pick(SHARES);
      carriage.swapped = random.pick(SHARES);
    }
    const { newEpoch: newId, logEntriesMax } = options;
    this.caller = new RedisCaller({ server: this.server, kernel, random, newId, logEntriesMax, keysOf });
    const retryMs = random.pick([300, 1_000, 3_000]);
    this.processes = Array.from({ length: 1 + nodes }, (_, i) => this.start(i, retryMs));
    this.places = this.processes.slice(1);
  }

  get redisBranches(): [string, number][] {
    const counters = this.processes.map(({ bus }) => bus.counters);
    const counts: Record<RedisEvent, number> = { ...this.counts, 'split epochs': this.options.oracle.splits };
    return redisBranches(counters, this.server.counters, this.publications.refusals, counts);
  }

  get isTroubled(): boolean {
    return this.trouble > 0;
  }

  get sharing(): Sharing {
    return this;
  }

  get losses(): number {
    return this.server.losses;
  }

  async open(): Promise<void> {
    for (const { bus } of this.processes) bus.open();
    await this.options.kernel.advance(600);
    if (this.bypassing > 0) this.caller.begin(this.homes.keys());
    await this.options.kernel.advance(20);
  }

  async publish(planned: readonly Planned[]): Promise<void> {
    const { random, kernel } = this.options;
    const bypasses = random.chance(this.bypassing) && isOneTopic(planned);
    const routes = new Map<string, number>();
    const wanted = planned.map((each): Sending => {
      const { symbol } = each.publication;
      const instrument = this.knownAtHome(symbol);
      const process = bypasses ? PAST_THE_BUS : (routes.get(symbol) ?? this.processFor(symbol));
      routes.set(symbol, process);
      const scales = bypasses || instrument === undefined ? '' : `${instrument.priceScale}.${instrument.sizeScale}`;
      const key = !bypasses && random.chance(this.keying) ? `key-${this.keyCount++}` : undefined;
      const wishes = { process, scales, key, lease: bypasses ? undefined : this.tokenFor(each) };
      const marked = this.publications.plan(each, wishes, kernel.nowUs(), random);
      if (key !== undefined && isStateful(each.refusal)) this.keyed = { planned: marked, instrument };
      return { planned: marked, process };
    });
    if (bypasses) this.callPast(wanted.map(({ planned: marked }) => marked));
    else this.send(wanted);
  }

  private callPast(wanted: readonly Planned[]): void {
    this.counts['calls past the bus'] += 1;
    for (const each of wanted) this.publications.unanswered(each);
    this.caller.publish(wanted);
  }

  private send(wanted: readonly Sending[]): void {
    for (const [i, { bus }] of this.processes.entries()) {
      const some = wanted.filter(({ process }) => process === i).map(({ planned }) => planned);
      if (some.length === 0) continue;
      bus.publish(some.map(({ publication }) => publication)).then(
        (answers) => {
          for (const [at, answer] of answers.entries()) this.answered(some[at]!, answer);
        },
        (error: unknown) => this.mistakes.push(error),
      );
    }
    this.options.kernel.promiseSettled();
    this.checkMistakes();
  }

  put(instrument: Instrument): void {
    this.spread(instrument.symbol, (instruments) => instruments.put(instrument));
  }

  delist(symbol: string): void {
    this.spread(symbol, (instruments) => instruments.delist(symbol));
  }

  wantsSnapshot(symbol: string): boolean {
    return this.publications.torn.has(symbol);
  }

  disturb(venues: readonly Venue[]): void {
    const { random, kernel } = this.options;
    if (random.chance(0.05)) this.server.replicate();
    if (this.leasable && random.chance(0.1)) this.keepLease(random.pick(venues));
    if (random.chance(0.005)) this.doubt(random.pick(venues));
    if (random.chance(0.1)) this.repeat();
    if (random.chance(this.flooding)) void this.flood(random.pick(venues));
    if (!random.chance(this.trouble)) return;
    const { port } = random.pick(this.processes);
    const drawn = random.below(100);
    if (drawn < 28) port.cutCalls('cut');
    else if (drawn < 56) port.cutChannels('cut');
    else if (drawn < 66) port.silenceCalls();
    else if (drawn < 76) port.silenceChannels();
    else if (drawn < 88) this.restart(venues);
    else if (drawn < 92) this.server.flush();
    else if (!this.server.model.full) {
      this.server.model.full = true;
      kernel.after(random.between(5, 300), () => {
        this.server.model.full = false;
      });
    }
  }

  async mend(venues: readonly Venue[]): Promise<void> {
    const { kernel } = this.options;
    const { carriage, model } = this.server;
    [carriage.lost, carriage.doubled, carriage.swapped] = [0, 0, 0];
    model.full = false;
    for (const { port } of this.processes) port.reliable = true;
    this.leased = null;
    // Silent connections are found, those that are down come back, leases run out.
    await kernel.advance(5_000);
    this.publications.checkAnswered();
    const calm = venues.filter(({ listed }) => listed);
    await this.publish(calm.map((venue) => venue.snapshot()));
    // A server that went back knows of old doubts again, where nobody ends the epoch for it.
    if (this.bypassing > 0) for (const symbol of this.homes.keys()) this.doubted.add(symbol);
    for (const symbol of this.doubted) this.settleDoubt(symbol);
    await kernel.advance(200);
    this.publications.checkAnswered();
  }

  async checkSettled(): Promise<void> {
    this.checkMistakes();
    for (const [i, { bus }] of this.processes.entries()) {
      // A look at a quiet topic may be under way.
      for (let leftMs = LOOK_MS_MAX; !bus.settled && leftMs > 0; leftMs--) await this.options.kernel.advance(1);
      if (!bus.settled) throw new Error(`bus ${i} is not settled`);
    }
  }

  async close(): Promise<void> {
    for (const [i, { bus }] of this.processes.entries()) {
      if (bus.followed !== 0) throw new Error(`bus ${i} follows ${bus.followed} topics`);
      bus.close();
    }
    await this.options.kernel.advance(GOODBYE_MS);
    this.checkMistakes();
  }

  private start(i: number, publishRetryMs: number): Process {
    const { kernel, random, newEpoch, logEntriesMax, tombstonesMax } = this.options;
    const delayMsMax = random.pick([0, 1, 5, 30]);
    this.delayMsMax = Math.max(this.delayMsMax, delayMsMax);
    const port = this.server.connect(new Random(random.bits(), 500 + i), delayMsMax);
    const instruments = new Instruments();
    const news = new News(kernel);
    const bus = new RedisBus({
      port,
      clock: kernel,
      timers: kernel,
      instruments,
      newEpoch,
      prefix: PREFIX,
      logEntriesMax,
      tombstonesMax,
      publishRetryMs,
      instrumentNews: news,
      onError: (error) => {
        if (!(error instanceof RedisFailure) && !(error instanceof ScriptRefusal)) this.mistakes.push(error);
      },
    });
    const openStore = (life: Life, own: SessionStoreOptions): SessionStore => this.openStore({ bus, port }, life, own);
    return { bus, port, instruments, news, openStore, sharesBooks: false };
  }

  /** The bus outlives the process whose guest the store is: it is told no more, and says no more. */
  private openStore({ bus, port }: Pick<Process, 'bus' | 'port'>, life: Life, own: SessionStoreOptions): SessionStore {
    const store = new RedisSessions({
      ...own,
      port: { call: (...call) => life.hears(life.over ? new Promise(() => {}) : port.call(...call)) },
      clock: this.options.kernel,
      timers: life,
      prefix: PREFIX,
      onError: (error) => {
        if (!(error instanceof RedisFailure)) this.mistakes.push(error);
      },
    });
    bus.invite({
      channels: store.channels,
      up: (identity) => life.over || store.up(identity),
      down: () => life.over || store.down(),
      subscribed: () => {},
      message: () => {},
      pulse: () => life.over || store.pulse(),
    });
    return store;
  }

  private restart(venues: readonly Venue[]): void {
    const { random, kernel } = this.options;
    const kind = this.bypassing > 0 && random.chance(0.7) ? 'lagging replica' : random.pick(RESTARTS);
    const downMs = random.pick([1, 20, 200, 1_000]);
    const lingerMs = random.pick([0, 20, 300]);
    if (this.bypassing === 0) return this.server.restart(kind, downMs, lingerMs);
    // Some of it is still on its way to who listens.
    this.outrun(venues);
    kernel.after(random.between(1, 10), () => {
      this.server.restart(kind, downMs, lingerMs);
      kernel.after(downMs, () => this.outrun(venues));
    });
  }

  /** Somebody publishes of whom no process knows: where the server goes back, the same numbers are given twice. */
  private outrun(venues: readonly Venue[]): void {
    const { random, kernel } = this.options;
    const wishes = { process: PAST_THE_BUS, scales: '', key: undefined, lease: undefined };
    for (const venue of venues) {
      for (let left = random.between(0, 20); left > 0; left--) {
        const planned = random.chance(0.6) ? venue.snapshot() : venue.trade();
        if (isOneTopic([planned])) this.callPast([this.publications.plan(planned, wishes, kernel.nowUs(), random)]);
      }
    }
  }

  /** More than a log or a fold holds, in one call. */
  private flood(venue: Venue): Promise<void> {
    const { random } = this.options;
    this.counts.floods += 1;
    const trades = random.chance(0.2);
    const count = random.between(30, 150);
    return this.publish(Array.from({ length: count }, () => (trades ? venue.trade() : venue.delta(random.below(3)))));
  }

  /** The publisher is not sure, and sends the same again. */
  private repeat(): void {
    const { keyed } = this;
    this.keyed = null;
    if (keyed === null) return;
    const { planned, instrument } = keyed;
    const { symbol } = planned.publication;
    // What is possible at all may be something else by now.
    if (this.knownAtHome(symbol) !== instrument) return;
    this.counts['updates sent again by key'] += 1;
    this.publications.again(planned);
    this.send([{ planned, process: this.processFor(symbol) }]);
  }

  private homeOf(symbol: string): number {
    let home = this.homes.get(symbol);
    if (home === undefined) {
      home = this.options.random.below(this.processes.length);
      this.homes.set(symbol, home);
    }
    return home;
  }

  private knownAtHome(symbol: string): Instrument | undefined {
    return this.processes[this.homeOf(symbol)]!.instruments.get(symbol);
  }

  /** Another process is used only once it knows the instrument as the venue does. */
  private processFor(symbol: string): number {
    const { random } = this.options;
    const other = random.chance(this.straying) ? random.below(this.processes.length) : this.homeOf(symbol);
    const same = this.processes[other]!.instruments.get(symbol) === this.knownAtHome(symbol);
    return same ? other : this.homeOf(symbol);
  }

  private spread(symbol: string, change: (instruments: Instruments) => void): void {
    const { kernel, random } = this.options;
    const home = this.homeOf(symbol);
    for (const [i, { instruments, news }] of this.processes.entries()) {
      if (i === home) change(instruments);
      else {
        const lagMs = random.between(0, this.lagMsMax);
        if (lagMs > 0) this.counts['news that came late'] += 1;
        news.send(lagMs, () => change(instruments));
      }
    }
    kernel.promiseSettled();
  }

  private tokenFor({ publication }: Planned): number | undefined {
    const { symbol, update } = publication;
    const { leased } = this;
    return leased?.symbol === symbol && channelOf(update) === 'book' ? leased.token : undefined;
  }

  private keepLease(venue: Venue): void {
    const { symbol } = this.leased ?? venue;
    const bus: Bus = this.processes[this.homeOf(symbol)]!.bus;
    const token = this.leased?.token;
    const request = { holder: 'venue', ttlMs: LEASE_MS, ...(token === undefined ? {} : { token }) };
    this.counts.leases += 1;
    this.publications.everLeased.add(symbol);
    bus.lease('book', symbol, request).then(
      (answer: Leased) => {
        this.leased = 'refused' in answer ? null : { symbol, token: answer.token };
      },
      (error: unknown) => this.mistakes.push(error),
    );
    this.options.kernel.promiseSettled();
  }

  /** The source has lost its book; a while later it has it again. */
  private doubt({ symbol }: Venue): void {
    const { kernel, random } = this.options;
    if (this.doubted.has(symbol)) return;
    this.counts.doubts += 1;
    this.doubted.add(symbol);
    this.processes[this.homeOf(symbol)]!.bus.doubt(symbol, true);
    kernel.after(random.between(1, 500), () => this.settleDoubt(symbol));
    kernel.promiseSettled();
  }

  private settleDoubt(symbol: string): void {
    if (!this.doubted.delete(symbol)) return;
    this.processes[this.homeOf(symbol)]!.bus.doubt(symbol, false);
    this.options.kernel.promiseSettled();
  }

  private answered(planned: Planned, answer: Published): void {
    try {
      this.publications.answered(planned, answer);
    } catch (error) {
      this.mistakes.push(error);
    }
  }

  private checkMistakes(): void {
    if (this.mistakes.length > 0) throw this.mistakes[0];
  }
}

function keysOf(channel: string, symbol: string): string[] {
  const topic = `${PREFIX}:{${channel}:${symbol}}`;
  return [topic, `${topic}:log`, `${topic}:base`, `${topic}:keys`];
}
