// Owns the part `connect`: how many connects a second there can be, and how long one takes to its welcome at half of that, next to
// raw uWebSockets.js that sends the same bytes. Rounds alternate. Invariant: both are measured at the same rate, by the same crowd.

import { canRank, GENERATOR_CORE, SUBJECT_CORE } from '../children.ts';
import { FOREIGN_SHARE_MAX, foreignShare, sampleCores } from '../machine.ts';
import { flood, pace } from './hasty.ts';
import type { Paced } from './messages.ts';
import { median, type Part, type PartOptions, tellFaults, verdict } from './part.ts';
import { Processes, type Served, welcomeBytes } from './processes.ts';

// Short and many: what a busy host does for a moment falls into a few of them.
const ROUNDS = 25;
const SECONDS = 1;
const IN_FLIGHTS = [8, 32, 128] as const;
const FLOOD_SECONDS = 2;
const WARM_UP_SECONDS = 1;
/** A crowd that is so busy queues, and its queue is in the latencies. */
const CROWD_SHARE_MAX = 0.8;

/** To reach, at p99: as fast as this, or as so many times raw's. */
const P99_US_MAX = 2_000;
const P99_TO_RAW_MAX = 1.5;

/** Both, in one round. */
export interface ConnectRound {
  readonly raw: Paced;
  readonly tickwire: Paced;
}
type Name = keyof ConnectRound;

interface Saturation {
  readonly connectsPerSec: number;
  readonly inFlight: number;
  readonly serverShare: number;
  readonly crowdShare: number;
}

export const connect: Part = async (options) => {
  const { say, pinned } = options;
  const first = pinned && canRank('first');
  say(
    '',
    'connect: from the TCP connect to the first WebSocket message, then a reset; 16 source addresses on loopback',
    first
      ? 'on a schedule, the crowd goes before all else on its core'
      : 'THE CROWD WAITS for what else runs on its core, and that is in its latencies: run this as root',
  );
  const processes = new Processes(options);
  try {
    const crowd = processes.crowd(pinned ? GENERATOR_CORE : null);
    const tickwire = await processes.gateway(pinned ? SUBJECT_CORE : null);
    const raw = await processes.baseline(pinned ? SUBJECT_CORE : null, await welcomeBytes(crowd, tickwire));
    return await new Connecting({ raw, tickwire }, first, options).run();
  } finally {
    await processes.stop();
  }
};

class Connecting {
  private valid = true;

  constructor(
    private readonly served: Readonly<Record<Name, Served>>,
    private readonly first: boolean,
    private readonly options: PartOptions,
  ) {}

  async run(): Promise<boolean> {
    const { say, signal } = this.options;
    const rounds = this.options.rounds ?? ROUNDS;
    // Once before it counts: what is called for the first time is slow.
    for (const name of ['raw', 'tickwire'] as const) await this.flood(name, IN_FLIGHTS[0]);
    say(saturationLine('raw', await this.saturate('raw')));
    const saturation = await this.saturate('tickwire');
    say(saturationLine('tickwire', saturation));
    const connectsPerSec = this.options.rate ?? Math.round(saturation.connectsPerSec / 2);
    const measured: ConnectRound[] = [];
    for (let number = 1; number <= rounds; number++) {
      signal.throwIfAborted();
      const paced = new Map<Name, Paced>();
      const order = number % 2 === 1 ? (['raw', 'tickwire'] as const) : (['tickwire', 'raw'] as const);
      for (const name of order) paced.set(name, await this.pace(name, connectsPerSec, `${number}/${rounds}`));
      measured.push({ raw: paced.get('raw')!, tickwire: paced.get('tickwire')! });
    }
    say(...summaryLines(connectsPerSec, measured));
    return this.valid;
  }

  /** The most that came of any number in flight. */
  private async saturate(name: Name): Promise<Saturation> {
    const found: Saturation[] = [];
    for (const inFlight of IN_FLIGHTS) found.push(await this.flood(name, inFlight));
    return found.reduce((best, each) => (each.connectsPerSec > best.connectsPerSec ? each : best));
  }

  private async flood(name: Name, inFlight: number): Promise<Saturation> {
    const { options } = this;
    const { child, target } = this.served[name];
    child.tell({ type: 'usage' });
    const before = await child.next('usage');
    const flooded = await flood({ ...target, inFlight, seconds: FLOOD_SECONDS }, this.core);
    child.tell({ type: 'usage' });
    const after = await child.next('usage');
    this.valid = tellFaults(name, flooded, options) && this.valid;
    return {
      connectsPerSec: flooded.connects / flooded.seconds,
      inFlight,
      serverShare: (after.cpuUs - before.cpuUs) / (flooded.seconds * 1_000_000),
      crowdShare: flooded.cpuShare,
    };
  }

  private get core(): number | null {
    return this.options.pinned ? GENERATOR_CORE : null;
  }

  private async pace(name: Name, connectsPerSec: number, round: string): Promise<Paced> {
    const { options } = this;
    const seconds = options.seconds ?? SECONDS;
    const coresFrom = sampleCores();
    const { target } = this.served[name];
    const order = { ...target, connectsPerSec, warmUpSeconds: WARM_UP_SECONDS, seconds };
    const paced = await pace(order, this.core, this.first ? 'first' : 'ordinary');
    const foreign = foreignShare(coresFrom, sampleCores(), GENERATOR_CORE, paced.cpuShare) ?? 0;
    options.say(pacedLine(round, name, paced, options.pinned ? foreign : 0));
    this.valid = tellFaults(name, paced, options) && this.valid;
    return paced;
  }
}

function saturationLine(name: Name, { connectsPerSec, inFlight, serverShare, crowdShare }: Saturation): string {
  return (
    `  ${name.padEnd(9)} saturated at ${connectsPerSec.toFixed(0)} connects/s, ${inFlight} in flight; ` +
    `server ${percent(serverShare)}, crowd ${percent(crowdShare)}: ${(connectsPerSec / serverShare).toFixed(0)} a server CPU second`
  );
}

function pacedLine(round: string, name: Name, { latency, latenessP99Us, cpuShare }: Paced, foreign: number): string {
  const notes = [
    ...(cpuShare > CROWD_SHARE_MAX ? ['THE CROWD IS BUSY: the latency is its own'] : []),
    ...(foreign > FOREIGN_SHARE_MAX ? [`others took ${percent(foreign)} of the crowd's core`] : []),
  ];
  return (
    `  ${round.padEnd(6)}${name.padEnd(9)} p50 ${ms(latency.p50Us)} p99 ${ms(latency.p99Us)} max ${ms(latency.maxUs)} ms  ` +
    `${latency.count} connects  crowd ${percent(cpuShare)}, late by ${ms(latenessP99Us)} ms at p99${notes.map((note) => `  ${note}`).join('')}`
  );
}

export function summaryLines(connectsPerSec: number, rounds: readonly ConnectRound[]): string[] {
  const p99Us = (name: Name): number => median(rounds.map((round) => round[name].latency.p99Us));
  const p50Us = (name: Name): number => median(rounds.map((round) => round[name].latency.p50Us));
  const ratios = rounds.map(({ raw, tickwire }) => tickwire.latency.p99Us / raw.latency.p99Us);
  const spread = `${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)}`;
  const allowedUs = Math.max(P99_US_MAX, P99_TO_RAW_MAX * p99Us('raw'));
  return [
    `  connect to welcome at ${connectsPerSec} connects/s, medians of ${rounds.length} rounds`,
    `  raw       p50 ${ms(p50Us('raw'))} p99 ${ms(p99Us('raw'))} ms`,
    `  tickwire  p50 ${ms(p50Us('tickwire'))} p99 ${ms(p99Us('tickwire'))} ms, p99 to raw ${median(ratios).toFixed(2)} (${spread})`,
    `  to reach: p99 at most ${ms(P99_US_MAX)} ms or ${P99_TO_RAW_MAX} times raw's: ${verdict(p99Us('tickwire') <= allowedUs)}`,
  ];
}

function ms(us: number): string {
  return (us / 1_000).toFixed(2);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
