// Owns the audit of one follower of `bench:redis`: what it heard of each topic, and how late. Followers of both ways call it for
// every update. Invariant: an update counts once, when it is the next of its topic; everything else is a problem.

import { Histogram } from '../histogram.ts';
import type { LatencyReport } from './messages.ts';

/** Problems told in words; the rest is counted. */
const PROBLEM_TEXTS_MAX = 5;

export class Problems {
  count = 0;
  readonly texts: string[] = [];

  add(text: string): void {
    this.count += 1;
    if (this.texts.length < PROBLEM_TEXTS_MAX) this.texts.push(text);
  }
}

export class Hearing {
  updates = 0;
  readonly problems = new Problems();
  private latencies = new Histogram();
  private readonly lastSeqs: number[];

  constructor(topics: number) {
    this.lastSeqs = new Array<number>(topics).fill(0);
  }

  /** A phase begins: what was heard before counts no more, but its numbers are gone on from. */
  begin(): void {
    this.updates = 0;
    this.latencies = new Histogram();
  }

  /** Both times in microseconds of the shared clock. */
  heard(topic: number, seq: number, sentUs: number, nowUs: number): void {
    const last = this.lastSeqs[topic];
    if (last === undefined) this.problems.add(`an update of topic ${topic}, which nobody follows`);
    else if (seq <= last) this.problems.add(`topic ${topic}: ${seq} came again or too late, after ${last}`);
    else {
      if (seq !== last + 1) this.problems.add(`topic ${topic}: ${last + 1} to ${seq - 1} are lost`);
      this.lastSeqs[topic] = seq;
      this.updates += 1;
      this.latencies.record(nowUs - sentUs, 1);
    }
  }

  complete(lastSeqs: readonly number[]): boolean {
    return this.lastSeqs.every((seq, topic) => seq >= lastSeqs[topic]!);
  }

  /** Makes a problem of each topic that ends anywhere but at its last update. */
  finish(lastSeqs: readonly number[]): void {
    for (const [topic, seq] of this.lastSeqs.entries()) {
      if (seq !== lastSeqs[topic]) this.problems.add(`topic ${topic}: ended at ${seq}, the last is ${lastSeqs[topic]}`);
    }
  }

  latency(): LatencyReport {
    const at = (share: number): number => this.latencies.percentileUs(share);
    return { p50Us: at(0.5), p99Us: at(0.99), p999Us: at(0.999), maxUs: this.latencies.maxUs };
  }
}
