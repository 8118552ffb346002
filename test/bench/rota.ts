// Owns whose turn it is where several ways of doing the same take turns in one process, and what each turn took.
// rota-server.ts asks it before each burst. Invariant: every way has as many turns as every other, in random order within each
// round, so that what the machine does to one it does to all.

import { shuffled } from '../../src/gateway/drain.ts';
import { seededRandom } from './workloads.ts';

/** Rounds before these are for the compiler. */
const WARM_SHARE = 0.25;
/** Of the rounds that differ most, so many are left out at either end. */
const TRIM_SHARE = 0.1;

export interface Standing {
  readonly way: string;
  /** The first way's cost over this one's: work for the same CPU. */
  readonly ratio: number;
  /** Standard error of the ratio. */
  readonly error: number;
}

export class Rota<Way extends string> {
  /** By round, then by way: CPU microseconds. */
  private readonly rounds: number[][] = [];
  private readonly order: number[];
  private place = 0;
  private bursts = 0;
  private costs: number[];
  private beganUs: number;
  private readonly random: () => number;

  constructor(
    private readonly ways: readonly Way[],
    private readonly burstsPerTurn: number,
    /** CPU microseconds that the process has used. */
    private readonly cpuUs: () => number,
    seed = 1,
  ) {
    this.random = seededRandom(seed);
    this.order = shuffled([...ways.keys()], this.random);
    this.costs = ways.map(() => 0);
    this.beganUs = cpuUs();
  }

  /** Who does the next burst. */
  next(): Way {
    if (this.bursts === this.burstsPerTurn) this.endTurn();
    this.bursts += 1;
    return this.ways[this.order[this.place]!]!;
  }

  get roundCount(): number {
    return this.rounds.length;
  }

  /** All ways against the first one. */
  standings(): Standing[] {
    const warm = this.rounds.slice(Math.floor(this.rounds.length * WARM_SHARE));
    return this.ways.map((way, index) => {
      const logs = warm.map((costs) => Math.log(costs[0]! / costs[index]!)).sort((a, b) => a - b);
      const kept = logs.slice(Math.floor(logs.length * TRIM_SHARE), Math.ceil(logs.length * (1 - TRIM_SHARE)));
      const mean = kept.reduce((sum, log) => sum + log, 0) / kept.length;
      const variance = kept.reduce((sum, log) => sum + (log - mean) ** 2, 0) / kept.length;
      const ratio = Math.exp(mean);
      return { way, ratio, error: ratio * Math.sqrt(variance / kept.length) };
    });
  }

  private endTurn(): void {
    const nowUs = this.cpuUs();
    this.costs[this.order[this.place]!] = nowUs - this.beganUs;
    this.beganUs = nowUs;
    this.bursts = 0;
    this.place += 1;
    if (this.place < this.ways.length) return;
    this.rounds.push(this.costs);
    this.costs = this.ways.map(() => 0);
    shuffled(this.order, this.random);
    this.place = 0;
  }
}
