// Owns the proof that clients go on elsewhere when their gateway dies: processes that share one Redis serve the same topics, one after
// the other is killed under load, and its clients return to the others with their cursors. `npm run nodes -- --gateways 10` runs it.
// Invariant: a client that comes back with anything but differences and replays, or that ever held what was not published, fails it.

import { connect, type HealEvent } from '../../src/client/node.ts';
import { forkGateway, type GatewayFork } from '../redis/forks.ts';
import { Account, until } from './account.ts';
import { MarketLoad } from './market-load.ts';
import { Random } from './seeded.ts';

const SYMBOLS = ['AAA', 'BBB', 'CCC', 'DDD', 'EEE'];
/** Besides one for each gateway: on the one that is killed first. */
const MORE_CLIENTS = 2;
const BATCHES_BETWEEN = 10;
/** Far more than is published while a client is away, however busy the machine is: what is missing is replayed. */
const KEPT_FRAMES = '16384';

export interface KillsPlan {
  readonly url: string;
  readonly prefix: string;
  readonly gateways: number;
  /** Below the number of gateways: the first one, which takes what is published, lives on. */
  readonly kills: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly say: (line: string) => void;
}

export interface KillsOutcome {
  readonly updates: number;
  /** Gateways that were killed. */
  readonly kills: number;
  readonly clients: number;
  /** Times that a client lost its gateway. */
  readonly moves: number;
  readonly states: number;
  readonly trades: number;
  /** How subscriptions were whole again. */
  readonly heals: Readonly<Record<HealEvent['how'], number>>;
  /** The longest that one took, from the loss. */
  readonly worstMs: number;
  readonly failures: readonly string[];
}

export async function proveKills(plan: KillsPlan): Promise<KillsOutcome> {
  const env = {
    TICKWIRE_REDIS_PREFIX: plan.prefix,
    TICKWIRE_RING_FRAMES_MAX: KEPT_FRAMES,
    TICKWIRE_LOG_ENTRIES_MAX: KEPT_FRAMES,
  };
  const started = Array.from({ length: plan.gateways }, () => forkGateway({ redisUrl: plan.url, env }));
  const forks = (await Promise.allSettled(started)).flatMap((each) =>
    each.status === 'fulfilled' ? [each.value] : [],
  );
  const run = new KillsRun(plan, forks);
  try {
    await Promise.all(started);
    return await run.go();
  } finally {
    run.close();
    await Promise.all(forks.map((fork) => fork.kill()));
  }
}

class KillsRun {
  private readonly load: MarketLoad;
  private readonly accounts: Account[] = [];
  /** Where each client is. */
  private readonly places = new Map<Account, GatewayFork>();
  /** Subscriptions of each client that were whole again, ever. */
  private readonly healed = new Map<Account, number>();
  private readonly heals: Record<HealEvent['how'], number> = { diffed: 0, replayed: 0, snapshot: 0, current: 0 };
  private readonly failures: string[] = [];
  private worstMs = 0;
  private moves = 0;
  private wake: () => void = () => {};

  constructor(
    private readonly plan: KillsPlan,
    private readonly forks: readonly GatewayFork[],
  ) {
    this.load = new MarketLoad(SYMBOLS, forks[0]?.url ?? '', new Random(plan.seed));
  }

  async go(): Promise<KillsOutcome> {
    const { plan, load, accounts, forks } = this;
    await load.begin();
    // Not left to the gateways' own exchange of instruments, which other tests are about.
    await Promise.all(forks.map((fork) => this.list(fork)));
    for (let i = 0; i < forks.length + MORE_CLIENTS; i++) this.join(i < forks.length ? i : 1);
    await Promise.all(accounts.flatMap(({ books }) => books.map(({ ready }) => ready)));
    let kills = 0;
    for (const victim of forks.slice(1, 1 + plan.kills)) {
      if (plan.signal?.aborted === true) break;
      await this.kill(victim, ++kills);
      plan.say(`${kills} of ${plan.kills} killed, ${load.updates} updates, ${this.count()} failures`);
    }
    const failures = [...this.failures, ...accounts.flatMap((account) => account.failures)];
    const total = (of: (account: Account) => number) => accounts.reduce((sum, account) => sum + of(account), 0);
    return {
      updates: load.updates,
      kills,
      clients: accounts.length,
      moves: this.moves,
      states: total(({ states }) => states),
      trades: total(({ trades }) => trades),
      heals: this.heals,
      worstMs: this.worstMs,
      failures,
    };
  }

  close(): void {
    for (const { client } of this.accounts) client.close();
  }

  private healedOf(account: Account): number {
    return this.healed.get(account) ?? 0;
  }

  private count(): number {
    return this.accounts.reduce((sum, { failures }) => sum + failures.length, this.failures.length);
  }

  private async list({ url }: GatewayFork): Promise<void> {
    for (const symbol of SYMBOLS) {
      const body = JSON.stringify({ priceScale: 2, sizeScale: 0 });
      const { ok } = await fetch(`${url}/v1/instruments/${symbol}`, { method: 'PUT', body });
      if (!ok) throw new Error(`could not list ${symbol}`);
    }
  }

  /** A client of one gateway that knows the others, in an order of its own. */
  private join(place: number): void {
    const { forks, heals } = this;
    const known = forks.map((_, i) => forks[(place + i) % forks.length]!);
    const client = connect(
      known.map(({ streamUrl }) => streamUrl),
      { reconnect: { minMs: 20, maxMs: 200 } },
    );
    const account = new Account(client, this.load);
    this.accounts.push(account);
    client.on('state', ({ state, endpoint }) => {
      const fork = known.find(({ streamUrl }) => streamUrl === endpoint)!;
      if (state === 'open') this.places.set(account, fork);
      else this.places.delete(account);
    });
    client.on('heal', ({ channel, symbol, how, reason, tookMs }) => {
      heals[how] += 1;
      this.healed.set(account, this.healedOf(account) + 1);
      this.worstMs = Math.max(this.worstMs, tookMs);
      if (how === 'snapshot') this.failures.push(`${channel} ${symbol} began anew: ${reason}`);
      this.wake();
    });
    client.on('gap', (gap) => this.failures.push(`a gap: ${JSON.stringify(gap)}`));
  }

  private async kill(victim: GatewayFork, number: number): Promise<void> {
    const { load, accounts } = this;
    load.start();
    await load.after(BATCHES_BETWEEN);
    const moving = accounts.filter((account) => this.places.get(account) === victim);
    if (moving.length === 0) this.failures.push(`kill ${number}: no client was there`);
    const wanted = new Map(moving.map((account) => [account, this.healedOf(account) + account.topics]));
    const away = (): Account[] => moving.filter((account) => this.healedOf(account) < wanted.get(account)!);
    const whole = until(
      () => away().length === 0,
      (wake) => {
        this.wake = wake;
      },
    );
    await victim.kill();
    if (!(await whole))
      this.failures.push(`kill ${number}: ${away().length} of ${moving.length} clients are not whole`);
    this.moves += moving.length;
    await load.stop();
    for (const account of accounts) await account.check(`kill ${number}`);
    load.forget();
  }
}
