// Owns the proof that a client loses nothing: `npm run reconnect -- --kills 100 --cuts 100 [--seed 1]`. Under load, at random moments, the
// gateway's process is killed (and started anew on its port) or the connection is cut; after each, all that the client holds is
// compared with what was published. Invariant: any difference, and any sequence number lost without a word, is a failure.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { type Client, connect, type HealEvent } from '../../src/client/node.ts';
import { Cutter } from '../client/cutter.ts';
import { Account, until } from './account.ts';
import { MarketLoad } from './market-load.ts';
import { Random } from './seeded.ts';

const SYMBOLS = ['AAA', 'BBB', 'CCC', 'DDD', 'EEE'];
const PAUSE_BATCHES = 12;

export interface Outcome {
  readonly kills: number;
  readonly cuts: number;
  readonly updates: number;
  readonly states: number;
  readonly trades: number;
  /** How the subscriptions healed, by kind of trouble. */
  readonly heals: Readonly<Record<'kill' | 'cut', Readonly<Record<HealEvent['how'], number>>>>;
  readonly worstMs: Readonly<Record<'kill' | 'cut', number>>;
  readonly counters: Client['counters'];
  readonly failures: readonly string[];
}

/** A gateway that is killed and started anew on its port. */
class GatewayProcess {
  private child;

  private constructor(readonly port: number) {
    this.child = this.spawn();
  }

  static async start(): Promise<GatewayProcess> {
    // Chosen beforehand: a port that the system chose for the gateway could not be taken again at once.
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, 'close');
    const gateway = new GatewayProcess(port);
    await gateway.started();
    return gateway;
  }

  async kill(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  async restart(): Promise<void> {
    this.child = this.spawn();
    await this.started();
  }

  private async started(): Promise<void> {
    for await (const line of this.child.stdout) if (String(line).includes('port')) return;
    throw new Error('the gateway did not start');
  }

  private spawn() {
    const file = new URL('./gateway-child.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, ['--import', 'tsx', file, String(this.port)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.on('error', () => {});
    return child;
  }
}

export async function prove(kills: number, cuts: number, seed: number, say: (line: string) => void): Promise<Outcome> {
  const random = new Random(seed);
  const gateway = await GatewayProcess.start();
  const load = new MarketLoad(SYMBOLS, `http://127.0.0.1:${gateway.port}`, random);
  const cutter = await Cutter.start(() => gateway.port);
  const none = () => ({ diffed: 0, replayed: 0, snapshot: 0, current: 0 });
  const heals = { kill: none(), cut: none() };
  const worstMs = { kill: 0, cut: 0 };
  await load.begin();
  const client = connect(cutter.url, { reconnect: { minMs: 20, maxMs: 200 } });
  const account = new Account(client, load);
  try {
    await Promise.all(account.books.map(({ ready }) => ready));
    const troubles = [...Array<'kill'>(kills).fill('kill'), ...Array<'cut'>(cuts).fill('cut')];
    for (let i = troubles.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [troubles[i], troubles[j]] = [troubles[j]!, troubles[i]!];
    }
    for (const [i, kind] of troubles.entries()) {
      const before = account.accounted();
      const seqs = account.books.map(({ current }) => current!.seq);
      load.start();
      await load.after(1 + random.below(PAUSE_BATCHES));
      const when = `${kind} ${i + 1}`;
      const healed = new Set<string>();
      let wake = () => {};
      const off = client.on('heal', ({ channel, symbol, how }) => {
        heals[kind][how] += 1;
        healed.add(`${channel} ${symbol}`);
        wake();
      });
      let startedMs = performance.now();
      if (kind === 'kill') {
        await gateway.kill();
        await load.stop();
        await gateway.restart();
        await load.begin();
        // Starting a process is not the client's time.
        startedMs = performance.now();
        load.start();
      } else {
        cutter.cut();
        // One in four is cut again as soon as it is back, in the middle of its answers.
        if (random.below(4) === 0) {
          const again = client.on('state', ({ state }) => {
            if (state !== 'open') return;
            again();
            setImmediate(() => cutter.cut());
          });
        }
      }
      const whole = await until(
        () => healed.size === account.topics,
        (each) => {
          wake = each;
        },
      );
      if (!whole) account.failures.push(`${when}: only ${healed.size} of ${account.topics} subscriptions came back`);
      worstMs[kind] = Math.max(worstMs[kind], performance.now() - startedMs);
      off();
      await load.stop();
      await account.check(when);
      load.forget();
      if (kind === 'cut') {
        for (const [b, accounted] of account.accounted().entries()) {
          const moved = account.books[b]!.current!.seq - seqs[b]!;
          if (accounted - before[b]! !== moved) {
            account.failures.push(
              `${when}: ${moved} updates of ${SYMBOLS[b]}, ${accounted - before[b]!} accounted for`,
            );
          }
        }
      }
      if ((i + 1) % 20 === 0) say(`${i + 1} of ${troubles.length}, ${account.failures.length} failures`);
    }
    const { states, trades, failures } = account;
    const { updates } = load;
    return { kills, cuts, updates, states, trades, heals, worstMs, counters: client.counters, failures };
  } finally {
    await load.stop();
    client.close();
    cutter.close();
    await gateway.kill();
  }
}

function report(outcome: Outcome, seed: number): string {
  const rows = (['kill', 'cut'] as const).map((kind) => {
    const counts = outcome.heals[kind];
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const share = (how: HealEvent['how']) =>
      `${how} ${counts[how]} (${total === 0 ? 0 : ((100 * counts[how]) / total).toFixed(1)} %)`;
    const shares = (['diffed', 'replayed', 'snapshot', 'current'] as const).map(share).join(', ');
    const [count, since] =
      kind === 'kill' ? [outcome.kills, 'the new gateway has its books'] : [outcome.cuts, 'the cut'];
    const worst = `worst time to heal all since ${since}: ${outcome.worstMs[kind].toFixed(0)} ms`;
    return `${kind}s: ${count}; subscriptions healed: ${shares}; ${worst}`;
  });
  const { updates, states, trades, counters, failures } = outcome;
  return [
    `seed ${seed}, ${updates} updates published, ${states} book states compared, ${trades} trades followed`,
    ...rows,
    `reconnects ${counters.reconnects}, resyncs ${counters.resyncs}, gaps ${counters.gaps}`,
    ...failures.slice(0, 20).map((failure) => `FAILED ${failure}`),
    failures.length === 0
      ? 'every book exact after every trouble, nothing lost in silence'
      : `${failures.length} failures`,
  ].join('\n');
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { kills: text, cuts: text, seed: text } });
  const { kills = '100', cuts = '100', seed = '1' } = values;
  const outcome = await prove(Number(kills), Number(cuts), Number(seed), (line) => console.log(line));
  console.log(report(outcome, Number(seed)));
  process.exitCode = outcome.failures.length === 0 ? 0 : 1;
}
