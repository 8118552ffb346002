// Owns the control frames that wait to be sent to one client, encoded, and a long listing behind them. Connections fill and empty
// it. Invariant: frames leave in the order in which they came; `bytes` is their sum.

import type { Codec } from '../protocol/codec.ts';
import type { Frame } from '../protocol/frames.ts';
import { ByteWriter } from '../protocol/writer.ts';

const scratch = new ByteWriter();

export class ControlLane {
  bytes = 0;
  /** A long answer, whose frames are made when there is room for them. */
  listing: Iterator<Frame> | null = null;
  private frames: Uint8Array[] = [];
  private head = 0;

  get first(): Uint8Array | undefined {
    return this.frames[this.head];
  }

  encode(codec: Codec, frame: Frame): Uint8Array {
    scratch.length = 0;
    codec.encode(scratch, frame);
    return scratch.copy();
  }

  push(frame: Uint8Array): void {
    this.bytes += frame.length;
    this.frames.push(frame);
  }

  shift(): void {
    this.bytes -= this.frames[this.head]!.length;
    this.head += 1;
    if (this.head < this.frames.length) return;
    this.frames = [];
    this.head = 0;
  }

  clear(): void {
    this.frames = [];
    this.head = 0;
    this.bytes = 0;
    this.listing = null;
  }
}
