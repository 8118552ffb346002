// Owns the scene of the tests of Redis' faults: one real server, a market that is published into it by a process' own bus, a
// gateway, and clients that check themselves, with a proxy before each. Invariant: `finish` passes only where every client was
// exact all the time, missed nothing in silence, and holds the market in the end.

import { pino } from 'pino';
import { expect, type TestContext } from 'vitest';
import type { RedisBus } from '../../src/bus/redis.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { RedisFailure } from '../../src/ports/redis.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';
import { list } from '../gateway/harness.ts';
import { define } from '../simulation/venue.ts';
import { type StartedBus, startBus, until } from './bus.ts';
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
/** As many as a gateway keeps unless told otherwise. */
const LOG_ENTRIES = 1_024;
const WAIT_MS_MAX = 30_000;
/** States that each client has to have compared: a busy machine merges many updates into one. */
const CHECKS_MIN = 100;
/** What is known to be down refuses within this time. */
const FAST_MS_MAX = 1_000;
/** Silence is noticed in less than three seconds; an update whose answer went with it waits another for the next connection. */
const REFUSAL_MS_MAX = 4_500;
const LOOKOUT_MS = 20;
const TRIES_MAX = 3;
const OFFERS_MIN = 50;
/** Updates that were offered just now may not have their answer yet. */
const UNDER_WAY_MAX = 50;
/** Fresh starts: what no client is given where the log still holds what it lacks. */
const FRESH = ['horizon', 'epoch', 'future', 'requested', 'gap'] as const;

let seed = 0;

export class Rig {
  readonly source: Source;
  readonly observers: Observer[] = [];
  /** For how long this process has stood still: nobody in it can be blamed for that time. */
  stoodStillMs = 0;
  private wakes: (() => void)[] = [];
  private readonly lookout: NodeJS.Timeout;

  private constructor(
    readonly redis: RedisServer,
    /** Before the gateway, and before the process that publishes. */
    readonly proxies: { readonly gateway: TcpProxy; readonly source: TcpProxy },
    readonly gateway: Gateway,
    readonly publisher: StartedBus,
  ) {
    this.source = new Source(publisher.bus, SYMBOL, ++seed, () => this.wake());
    let lookedMs = performance.now();
    this.lookout = setInterval(() => {
      const lateMs = performance.now() - lookedMs - LOOKOUT_MS;
      if (lateMs > LOOKOUT_MS) this.stoodStillMs += lateMs;
      lookedMs = performance.now();
    }, LOOKOUT_MS);
  }

  /** Everything runs, and the clients have held some hundred updates. It ends with its test; several may run at a time. */
  static async open(context: Ending, options: RigOptions = {}): Promise<Rig> {
    const { persistent = false, config = {}, settings, perSecond = 200 } = options;
    const redis = ending(context, await startRedis({ persistent, config }));
    const before = ending(context, await startProxy(redis.port));
    const beside = ending(context, await startProxy(redis.port));
    const publisher = ending(context, await startBus({ url: beside.url, prefix: PREFIX, logEntriesMax: LOG_ENTRIES }));
    publisher.instruments.put(define(INSTRUMENT));
    const gateway = gatewayAt(context, before.url, { logEntriesMax: LOG_ENTRIES, ...settings });
    const rig = new Rig(redis, { gateway: before, source: beside }, gateway, publisher);
    context.onTestFinished(() => rig.end());
    rig.source.start(perSecond);
    for (const wishes of OBSERVERS) {
      rig.observers.push(await Observer.connect(gateway, wishes, rig.source, () => rig.wake()));
    }
    await rig.passes(200);
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

  /** Every client holds in time what is published from now on. */
  async recovers(): Promise<void> {
    const index = this.source.offers.length;
    await this.within(RECOVERY_MS_MAX, () => this.observers.every((each) => each.holds(index)), `update ${index}`);
  }

  /** @throws Error when it took longer, the time not counted in which this process stood still. */
  async within(msMax: number, holds: () => boolean, what: string): Promise<void> {
    const [sinceMs, stoodStillMs] = [performance.now(), this.stoodStillMs];
    await this.until(holds, what);
    expect(performance.now() - sinceMs - (this.stoodStillMs - stoodStillMs)).toBeLessThanOrEqual(msMax);
  }

  /** That many more updates were refused since Redis does not take them. */
  async refuses(count: number): Promise<void> {
    const wanted = this.refused('bus-down') + count;
    await this.until(() => this.refused('bus-down') >= wanted, `${wanted} refusals`);
  }

  /** What is wrong in Redis; asked again where a busy machine has taken the connection for silent. */
  private async flaws(): Promise<readonly string[]> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.source.flaws();
      } catch (error) {
        if (!(error instanceof RedisFailure) || tries >= TRIES_MAX) throw error;
        await until(() => this.publisher.bus.ready);
      }
    }
  }

  /** What was offered from there on was refused, and at once: nothing waits for Redis. */
  expectFailedFast(fromIndex: number): void {
    const offers = this.source.offers.slice(fromIndex, -UNDER_WAY_MAX);
    expect(offers.length).toBeGreaterThan(OFFERS_MIN);
    expect(offers.some(({ code }) => code === 'bus-down')).toBe(true);
    // A delta of a book of which Redis did not take something before.
    const others = offers.filter(({ fate, code }) => fate !== 'refused' || !/^(bus-down|needs-snapshot)$/.test(code));
    expect(others).toEqual([]);
    expect(Math.max(...offers.map(({ tookMs }) => tookMs))).toBeLessThan(FAST_MS_MAX + this.stoodStillMs);
  }

  /** No answer took longer than silence lasts unnoticed. */
  expectAnswers(): void {
    expect(this.source.tookMsMax).toBeLessThan(REFUSAL_MS_MAX + this.stoodStillMs);
  }

  refused(code: string): number {
    return this.source.offers.filter((offer) => offer.code === code).length;
  }

  /** All clients were told so. */
  async health(status: string, msMax = WAIT_MS_MAX): Promise<void> {
    const told = (): boolean => this.observers.every(({ healths }) => healths.at(-1) === status);
    await this.within(msMax, told, `health ${status}`);
  }

  /** Ends the market, and holds everybody to it. */
  async finish(): Promise<void> {
    await this.passes(100);
    await this.until(() => this.observers.every(({ checks }) => checks >= CHECKS_MIN), 'states that were compared');
    this.source.stop();
    await this.until(() => this.source.unanswered === 0, 'all answers');
    this.source.all();
    await this.until(() => this.source.unanswered === 0, 'the last answers');
    await this.until(() => this.observers.every(({ current }) => current), 'the newest state with everybody');
    expect(this.observers.flatMap((each) => each.conclusion())).toEqual([]);
    expect(await this.flaws()).toEqual([]);
    expect(this.publisher.errors).toEqual([]);
  }

  /** Every client was told that the sequence begins anew, and of nothing else. */
  expectNewEpoch(): void {
    for (const { announced } of this.observers) {
      expect(new Set(announced.map(({ kind, reason }) => `${kind} ${reason}`))).toEqual(new Set(['reset epoch']));
    }
  }

  /** Everything was taken; but for a machine so busy that a connection was believed to be silent. */
  expectNothingRefused(): void {
    if (this.publisher.bus.counters.ups > 1) return;
    expect(this.source.count('accepted')).toBe(this.source.offers.length);
  }

  /** No client was given a fresh start, nor told of a gap. */
  expectSeamless(): void {
    expect(this.observers.flatMap(({ announced }) => announced)).toEqual([]);
    expect(this.freshAnswers).toBe(0);
  }

  private end(): void {
    clearInterval(this.lookout);
    this.source.stop();
    for (const each of this.observers) each.end();
  }

  private summary(): string {
    const { source, bus, observers } = this;
    const fates = (['open', 'accepted', 'refused', 'unknown'] as const).map((fate) => `${source.count(fate)} ${fate}`);
    const clients = observers.map(
      ({ wishes, healths, complaints }) => `${wishes.name}: ${healths.slice(-4).join(' ')} ${complaints.join('; ')}`,
    );
    return `${fates.join(', ')}; gateway ${JSON.stringify(bus.counters)}; publisher ${JSON.stringify(this.publisher.bus.counters.publishing)}; ${clients.join('; ')}`;
  }

  private wake(): void {
    for (const wake of this.wakes.splice(0)) wake();
  }
}

type Ending = Pick<TestContext, 'onTestFinished'>;

/** Closed after its own test. */
export function ending<T extends { close(): Promise<void> }>({ onTestFinished }: Ending, each: T): T {
  onTestFinished(() => each.close());
  return each;
}

/** A gateway on that Redis, with the rig's instrument. */
export function gatewayAt({ onTestFinished }: Ending, redisUrl: string, settings: Partial<Settings> = {}): Gateway {
  const all = { port: 0, adminPort: 0, redisUrl, redisPrefix: PREFIX, ...settings };
  const gateway = new Gateway(readSettings(all, {}), pino({ level: 'silent' }));
  gateway.start();
  onTestFinished(() => gateway.stop());
  list(gateway, INSTRUMENT);
  return gateway;
}

/** What /readyz answers. */
export async function readiness({ adminUrl }: Gateway): Promise<unknown> {
  return (await fetch(`${adminUrl}/readyz`)).json();
}
