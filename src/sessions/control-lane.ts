// Owns the control frames that wait to be sent to one client, encoded, and a long listing behind them. Connections fill and empty
// it. Invariant: frames leave in the order in which they came; `bytes` is their sum.

import type { Frame } from '../protocol/frames.ts';

/** Room for more than a welcome and what follows it is given up again. */
const KEPT_FRAMES_MAX = 16;

export class ControlLane {
  bytes = 0;
  /** A long answer, whose frames are made when there is room for them. */
  listing: Iterator<Frame> | null = null;
  /** From `head` to `end`; used again once it is empty. */
  private frames: (Uint8Array | undefined)[] = [];
  private head = 0;
  private end = 0;

  get first(): Uint8Array | undefined {
    return this.frames[this.head];
  }

  push(frame: Uint8Array): void {
    this.bytes += frame.length;
    this.frames[this.end++] = frame;
  }

  shift(): void {
    this.bytes -= this.frames[this.head]!.length;
    this.frames[this.head++] = undefined;
    if (this.head === this.end) this.empty();
  }

  clear(): void {
    this.frames.fill(undefined, this.head, this.end);
    this.empty();
    this.bytes = 0;
    this.listing = null;
  }

  private empty(): void {
    this.head = 0;
    this.end = 0;
    if (this.frames.length > KEPT_FRAMES_MAX) this.frames = [];
  }
}
