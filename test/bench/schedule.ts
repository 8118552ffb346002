// Owns the open loop: when which update is published. All subjects run it, so its cost is the same for all.
// Intended times are absolute: a late turn publishes everything that was due, and lateness counts as latency.
// Invariant: nothing is published before its intended time, and waiting does not spin beyond SPIN_MS.

import { nowUs } from './clock.ts';
import { Histogram } from './histogram.ts';
import type { Workload } from './workloads.ts';

/** A timer fires on a whole millisecond after it was set; a rest as short as this is waited for by turning the loop. */
const SPIN_MS = 0.1;

export interface ScheduleEvents {
  /** Publishes the next update of an endless list. */
  publish(intendedUs: number): void;
  /** The measured window begins or ends. */
  windowStart(): void;
  windowEnd(): void;
}

export interface SchedulePlan {
  readonly startUs: number;
  /** The measured window; the schedule ends with it. */
  readonly windowFromUs: number;
  readonly windowToUs: number;
}

export class Schedule {
  /** How late bursts were begun. */
  readonly lateness = new Histogram();
  private bursts = 0;
  private windowOpen = false;
  private readonly plan: SchedulePlan;
  private readonly workload: Pick<Workload, 'updatesPerSecond' | 'burstUpdates'>;
  private readonly events: ScheduleEvents;

  constructor(
    plan: SchedulePlan,
    workload: Pick<Workload, 'updatesPerSecond' | 'burstUpdates'>,
    events: ScheduleEvents,
  ) {
    this.plan = plan;
    this.workload = workload;
    this.events = events;
  }

  /** Runs until the window's end. */
  readonly turn = (): void => {
    const turnUs = nowUs();
    if (!this.windowOpen && turnUs >= this.plan.windowFromUs) {
      this.windowOpen = true;
      this.events.windowStart();
    }
    const dueUs = Math.min(turnUs, this.plan.windowToUs - 1);
    for (let intendedUs = this.nextUs(); intendedUs <= dueUs; intendedUs = this.nextUs())
      this.burst(intendedUs, turnUs);
    if (turnUs >= this.plan.windowToUs) this.events.windowEnd();
    else this.wait();
  };

  private burst(intendedUs: number, turnUs: number): void {
    const { burstUpdates } = this.workload;
    for (let left = burstUpdates; left > 0; left--) this.events.publish(intendedUs);
    this.bursts++;
    if (this.windowOpen) this.lateness.record(turnUs - intendedUs, 1);
  }

  private nextUs(): number {
    const { updatesPerSecond, burstUpdates } = this.workload;
    return this.plan.startUs + Math.round((this.bursts * burstUpdates * 1_000_000) / updatesPerSecond);
  }

  private wait(): void {
    const restMs = (Math.min(this.nextUs(), this.plan.windowToUs) - nowUs()) / 1_000;
    const wholeMs = Math.floor(restMs);
    if (restMs <= SPIN_MS) setImmediate(this.turn);
    else setTimeout(this.turn, restMs - wholeMs <= SPIN_MS ? wholeMs : wholeMs + 1);
  }
}
