// Owns a process that never sleeps: its event loop turns without waiting. The generator does, since whoever sends over loopback to a
// process that sleeps pays for waking it, and a server whose readers are quicker than it is pays at every send; remote readers cost
// a server nothing of the kind. Invariant: `busyUs` is what the process would have been busy for, had it slept in between.

import { nowUs } from './clock.ts';

export class Turning {
  /** Time of the turns in which something was read. */
  busyUs = 0;
  private turning = false;
  private turnUs = 0;
  private readsBefore = 0;

  /** `traffic` counts what is read. */
  constructor(private readonly traffic: { readonly reads: number }) {}

  begin(): void {
    this.turning = true;
    this.turnUs = nowUs();
    this.readsBefore = this.traffic.reads;
    setImmediate(this.turn);
  }

  end(): void {
    this.turning = false;
  }

  private readonly turn = (): void => {
    if (!this.turning) return;
    const atUs = nowUs();
    const { reads } = this.traffic;
    if (reads > this.readsBefore) this.busyUs += atUs - this.turnUs;
    this.readsBefore = reads;
    this.turnUs = atUs;
    setImmediate(this.turn);
  };
}
