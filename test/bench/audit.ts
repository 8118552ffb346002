// Owns what every client holds of every topic, and checks each delivery against it; counts and times what arrived.
// The generator's receivers call it for every frame of every client.
// Invariant: an update is counted once per client, and a client's cursor never moves over one that it did not get.

import { CLOCK_SKEW_MAX_US } from './clock.ts';
import { Histogram } from './histogram.ts';
import type { AuditedMessage, LatencySummary, SubjectName } from './messages.ts';
import type { SchedulePlan } from './schedule.ts';

export interface AuditRules {
  /** What a client holds once it has subscribed: `NOTHING` where the server sends a first state. */
  readonly heldAtStart: number;
  /** Each update comes in a frame of its own. */
  readonly everyUpdate: boolean;
  /** A frame that tells nothing new is passed over; else it is a fault. */
  readonly repeatsAllowed: boolean;
}

/** Held by a client that waits for its first state. */
export const NOTHING = -1;
const NOT_SUBSCRIBED = -2;

const BASELINE_RULES: AuditRules = { heldAtStart: 0, everyUpdate: true, repeatsAllowed: false };
const LIVE_RULES: AuditRules = { heldAtStart: NOTHING, everyUpdate: false, repeatsAllowed: true };
const RAW_MODE_RULES: AuditRules = { ...LIVE_RULES, everyUpdate: true };

export const RULES: Readonly<Record<SubjectName, AuditRules>> = {
  raw: BASELINE_RULES,
  'raw-pings': BASELINE_RULES,
  sends: BASELINE_RULES,
  'sends-5ms': BASELINE_RULES,
  'sends-10ms': BASELINE_RULES,
  'sends-rounds': BASELINE_RULES,
  'sends-least': BASELINE_RULES,
  tickwire: LIVE_RULES,
  'tickwire-before': LIVE_RULES,
  'tickwire-turns': LIVE_RULES,
  'tickwire-raw': RAW_MODE_RULES,
  'tickwire-raw-turns': RAW_MODE_RULES,
};

/** Problems told in words; the rest is counted. */
const PROBLEM_TEXTS_MAX = 10;

export class Audit {
  deliveries = 0;
  windowDeliveries = 0;
  frames = 0;
  repeats = 0;
  problems = 0;
  readonly problemTexts: string[] = [];
  private updateLatency = new Histogram();
  private frameLatency = new Histogram();
  private firstSecondLatency = new Histogram();
  /** By client and topic. */
  private readonly held: Int32Array;
  private readonly topics: number;
  private readonly rules: AuditRules;
  private waiting = 0;
  private windowFromUs = Number.POSITIVE_INFINITY;
  private windowToUs = Number.POSITIVE_INFINITY;
  private receivedUs = 0;
  private receivedInWindow = false;
  /** Deliveries since the last `endBurst`, all with one send time. */
  private burstSentUs = Number.NaN;
  private burstUpdates = 0;
  private burstFrames = 0;

  constructor(clients: number, topics: number, rules: AuditRules) {
    this.topics = topics;
    this.rules = rules;
    this.held = new Int32Array(clients * topics).fill(NOT_SUBSCRIBED);
  }

  subscribed(client: number, topics: readonly number[]): void {
    for (const topic of topics) this.held[client * this.topics + topic] = this.rules.heldAtStart;
    if (this.rules.heldAtStart === NOTHING) this.waiting += topics.length;
  }

  /** Subscriptions that have no first state yet. */
  get subscriptionsWaiting(): number {
    return this.waiting;
  }

  /** The client stopped reading: from now on nothing is expected of it. */
  dismiss(client: number): void {
    this.held.fill(NOT_SUBSCRIBED, client * this.topics, (client + 1) * this.topics);
  }

  measure(plan: SchedulePlan): void {
    this.windowFromUs = plan.windowFromUs;
    this.windowToUs = plan.windowToUs;
  }

  /** What is delivered from now on was received at this time. */
  receive(receivedUs: number): void {
    this.endBurst();
    this.receivedUs = receivedUs;
    this.receivedInWindow = receivedUs >= this.windowFromUs && receivedUs < this.windowToUs;
  }

  /** A frame that brings the client from any state after `fromSeq` to `seq`; 0 for a frame that replaces it. */
  deliver(client: number, topic: number, fromSeq: number, seq: number, sentUs: number): void {
    const updates = this.advance(client, topic, fromSeq, seq);
    if (updates === 0) return;
    if (sentUs !== this.burstSentUs) {
      this.endBurst();
      this.burstSentUs = sentUs;
    }
    this.burstUpdates += updates;
    this.burstFrames++;
  }

  /** Counts and times what was sent and received together; one by one it would cost the generator too much. */
  private endBurst(): void {
    const updates = this.burstUpdates;
    const frames = this.burstFrames;
    if (frames === 0) return;
    this.burstUpdates = 0;
    this.burstFrames = 0;
    this.deliveries += updates;
    this.frames += frames;
    if (this.receivedInWindow) this.windowDeliveries += updates;
    const sentUs = this.burstSentUs;
    const latencyUs = this.receivedUs - sentUs;
    const plausible = latencyUs >= -CLOCK_SKEW_MAX_US;
    if (!plausible) this.problem(`${frames} frames have a latency of ${latencyUs} µs`);
    if (!(sentUs >= this.windowFromUs && sentUs < this.windowToUs)) return;
    this.updateLatency.record(latencyUs, updates);
    if (sentUs < this.windowFromUs + 1_000_000) this.firstSecondLatency.record(latencyUs, updates);
    this.frameLatency.record(latencyUs, frames);
  }

  /** Moves the client's cursor. @returns how many updates the frame brought it. */
  private advance(client: number, topic: number, fromSeq: number, seq: number): number {
    const cell = client * this.topics + topic;
    const held = topic < this.topics ? this.held[cell]! : NOT_SUBSCRIBED;
    if (held >= 0 && fromSeq <= held && seq > held && (seq === held + 1 || !this.rules.everyUpdate)) {
      this.held[cell] = seq;
      return seq - held;
    }
    return this.irregular(client, topic, held, fromSeq, seq);
  }

  /** A first state, a repeat or a fault: none of them delivers anything. */
  private irregular(client: number, topic: number, held: number, fromSeq: number, seq: number): number {
    const where = `client ${client}, topic ${topic}:`;
    if (held === NOT_SUBSCRIBED) {
      this.problem(`${where} not subscribed`);
      return 0;
    }
    if (held >= seq) {
      this.repeats++;
      if (!this.rules.repeatsAllowed) this.problem(`${where} seq ${seq} came again or too late, after ${held}`);
      return 0;
    }
    this.held[client * this.topics + topic] = seq;
    if (held === NOTHING) this.waiting--;
    if (held === NOTHING && fromSeq === 0) return 0;
    if (held < fromSeq) this.problem(`${where} updates ${Math.max(held, 0) + 1} to ${fromSeq} are lost`);
    else this.problem(`${where} updates ${held + 1} to ${seq} came in one frame`);
    return 0;
  }

  problem(text: string): void {
    this.problems++;
    if (this.problemTexts.length < PROBLEM_TEXTS_MAX) this.problemTexts.push(text);
  }

  /** Counts from nothing; what clients hold stays. */
  begin(): void {
    this.deliveries = 0;
    this.windowDeliveries = 0;
    this.frames = 0;
    this.repeats = 0;
    this.problems = 0;
    this.problemTexts.length = 0;
    this.updateLatency = new Histogram();
    this.frameLatency = new Histogram();
    this.firstSecondLatency = new Histogram();
  }

  /** Whether every client holds the last of each of its topics. */
  complete(lastSeqs: readonly number[]): boolean {
    return this.held.every((held, cell) => held === NOT_SUBSCRIBED || held === lastSeqs[cell % this.topics]);
  }

  /** Makes a problem of each subscription that ends anywhere but at its topic's last update. */
  finish(lastSeqs: readonly number[]): void {
    this.endBurst();
    this.held.forEach((held, cell) => {
      const lastSeq = lastSeqs[cell % this.topics]!;
      if (held === NOT_SUBSCRIBED || held === lastSeq) return;
      const client = Math.floor(cell / this.topics);
      this.problem(`client ${client}, topic ${cell % this.topics}: ended at seq ${held}, the last is ${lastSeq}`);
    });
  }

  latencies(): Pick<AuditedMessage, 'updateLatency' | 'frameLatency' | 'firstSecondLatency'> {
    return {
      updateLatency: summarise(this.updateLatency),
      frameLatency: summarise(this.frameLatency),
      firstSecondLatency: summarise(this.firstSecondLatency),
    };
  }
}

function summarise(histogram: Histogram): LatencySummary {
  const { count, maxUs } = histogram;
  return { count, p50Us: histogram.percentileUs(0.5), p99Us: histogram.percentileUs(0.99), maxUs };
}
