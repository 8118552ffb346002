// Owns the scene of the tests of Redis' faults: one real server, a market that is published into it by a process' own bus, a
// gateway, and clients that check themselves, with a proxy before each. Invariant: `finish` passes only where every client was
// exact all the time, missed nothing in silence, and holds the market in the end.

import { pino } from 'pino';
import { expect } from 'vitest';
import type { RedisBus } from '../../src/bus/redis.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';
import { list } from '../gateway/harness.ts';
import { define } from '../simulation/venue.ts';
import { type StartedBus, startBus } from './bus.ts';
import { Observer, type Wishes } from './observer.ts';
import { startProxy, type TcpProxy } from './proxy.ts';
import { type RedisServer, startRedis } from './server.ts';
import { Source } from './source.ts';

export interface RigOptions {
  readonly persistent?: boolean;
  /** Lines of redis.conf. */
  readonly config?: Readonly<Record<string, string>>;
  readonly settings?: Partial<Settings>;
  readonly perSecond?: number;
}

export const PREFIX = 'rig';
export const SYMBOL = 'BTC-USD';
/** The product's promise: that long after Redis is back every client holds what was published since. */
export const RECOVERY_MS_MAX = 3_000;
const INSTRUMENT = { symbol: SYMBOL, priceScale: 2, sizeScale: 0, quoteSource: 'published' } as const;
const OBSERVERS: readonly Wishes[] = [
  { name: 'full', codec: 'msgpack', depth: 0, mode: 'live', channels: ['trade', 'quote'] },
  { name: 'top', codec: 'json', depth: 5, mode: 'live', channels: ['quote'] },
  { name: 'raw', codec: 'msgpack', depth: 0, mode: 'raw', channels: ['trade'] },
];
const LOG_ENTRIES = 1_024;
const WAIT_MS_MAX = 15_000;
/** Fresh starts: what no client is given where the log still holds what it lacks. */
const FRESH = ['horizon', 'epoch', 'future', 'requested', 'gap'] as const;

let seed = 0;

export class Rig {
  readonly source: Source;
  readonly observers: Observer[] = [];
  private wakes: (() => void)[] = [];

  private constructor(
    readonly redis: RedisServer,
    /** Before the gateway, and before the process that publishes. */
    readonly proxies: { readonly gateway: TcpProxy; readonly source: TcpProxy },
    readonly gateway: Gateway,
    readonly publisher: StartedBus,
    private readonly perSecond: number,
  ) {
    this.source = new Source(publisher.bus, SYMBOL, ++seed, () => this.wake());
  }

  /** Everything runs, and the clients have held some hundred updates. */
  static async open({ persistent = false, config = {}, settings, perSecond = 200 }: RigOptions = {}): Promise<Rig> {
    const redis = await startRedis({ persistent, config });
    const [before, beside] = [await startProxy(redis.port), await startProxy(redis.port)];
    const publisher = await startBus({ url: beside.url, prefix: PREFIX, logEntriesMax: LOG_ENTRIES });
    publisher.instruments.put(define(INSTRUMENT));
    const gateway = gatewayAt(before.url, settings);
    const rig = new Rig(redis, { gateway: before, source: beside }, gateway, publisher, perSecond);
    rig.source.start(perSecond);
    for (const wishes of OBSERVERS) await rig.observe(wishes);
    await rig.passes(100);
    return rig;
  }

  get bus(): RedisBus {
    return this.gateway.bus as RedisBus;
  }

  /** Answers that presuppose nothing, besides the first of each subscription. */
  get freshAnswers(): number {
    const { byKind } = this.gateway.topics.counters;
    return FRESH.reduce((sum, kind) => sum + byKind[kind], 0);
  }

  async observe(wishes: Wishes): Promise<Observer> {
    const observer = await Observer.connect(this.gateway, wishes, this.source, () => this.wake());
    this.observers.push(observer);
    return observer;
  }

  /** Resolves when that holds, which is looked at after each frame and each answer. @throws Error when it does not in time. */
  async until(holds: () => boolean, what: string, waitMsMax = WAIT_MS_MAX): Promise<void> {
    const deadlineMs = performance.now() + waitMsMax;
    while (!holds()) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error(`not within ${waitMsMax} ms: ${what}; ${this.summary()}`);
      await new Promise<void>((wake) => {
        const timer = setTimeout(wake, leftMs);
        this.wakes.push(() => {
          clearTimeout(timer);
          wake();
        });
      });
    }
  }

  /** Every client holds something newer than the next so many updates. */
  async passes(updates: number): Promise<void> {
    const index = this.source.offers.length + updates;
    await this.until(() => this.observers.every((each) => each.holds(index)), `clients hold update ${index}`);
  }

  /** Every client holds in time what is published from now on. @returns how long it took. */
  async recovers(sinceMs = performance.now()): Promise<number> {
    const index = this.source.offers.length;
    await this.until(() => this.observers.every((each) => each.holds(index)), `clients hold update ${index}`);
    const tookMs = performance.now() - sinceMs;
    expect(tookMs).toBeLessThanOrEqual(RECOVERY_MS_MAX);
    return tookMs;
  }

  /** That many more updates were refused since Redis does not take them. */
  async refuses(count: number): Promise<void> {
    const wanted = this.refused('bus-down') + count;
    await this.until(() => this.refused('bus-down') >= wanted, `${wanted} refusals`);
  }

  refused(code: string): number {
    return this.source.offers.filter((offer) => offer.code === code).length;
  }

  /** All clients were told so. */
  async health(status: string): Promise<void> {
    await this.until(() => this.observers.every(({ healths }) => healths.at(-1) === status), `health ${status}`);
  }

  /** Ends the market, and holds everybody to it. */
  async finish(): Promise<void> {
    await this.passes(50);
    this.source.stop();
    await this.until(() => this.source.unanswered === 0, 'all answers');
    this.source.all();
    await this.until(() => this.source.unanswered === 0, 'the last answers');
    await this.until(() => this.observers.every(({ current }) => current), 'the newest state with everybody');
    expect(this.observers.flatMap((each) => each.conclusion())).toEqual([]);
    expect(await this.source.flaws()).toEqual([]);
    expect(this.publisher.errors).toEqual([]);
    for (const { checks } of this.observers) expect(checks).toBeGreaterThan(100);
  }

  /** No client was given a fresh start, nor told of a gap. */
  expectSeamless(): void {
    expect(this.observers.flatMap(({ announced }) => announced)).toEqual([]);
    expect(this.freshAnswers).toBe(0);
  }

  async close(): Promise<void> {
    this.source.stop();
    for (const each of this.observers) each.end();
    this.gateway.stop();
    await this.publisher.close();
    for (const proxy of Object.values(this.proxies)) await proxy.close();
    await this.redis.close();
  }

  summary(): string {
    const { source, bus, observers } = this;
    const fates = (['open', 'accepted', 'refused', 'unknown'] as const).map((fate) => `${source.count(fate)} ${fate}`);
    const clients = observers.map(
      ({ wishes, healths, complaints }) => `${wishes.name}: ${healths.slice(-4).join(' ')} ${complaints.join('; ')}`,
    );
    return `${fates.join(', ')}; ${JSON.stringify(bus.counters)}; ${clients.join('; ')}`;
  }

  private wake(): void {
    for (const wake of this.wakes.splice(0)) wake();
  }
}

/** A gateway on that Redis, with the rig's instrument. */
export function gatewayAt(redisUrl: string, settings: Partial<Settings> = {}): Gateway {
  const all = { port: 0, adminPort: 0, redisUrl, redisPrefix: PREFIX, logEntriesMax: LOG_ENTRIES, ...settings };
  const gateway = new Gateway(readSettings(all, {}), pino({ level: 'silent' }));
  gateway.start();
  list(gateway, INSTRUMENT);
  return gateway;
}
