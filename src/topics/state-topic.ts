// Owns topics whose answer is a difference of states: book, quote, status. Event channels differ only in having no state.
// Invariant: a state frame is true for every cursor from its fromSeq on; fromSeq 0 replaces whatever the client holds.

import type { ChannelFrame, ResetReason } from '../protocol/frames.ts';
import type { ByteWriter } from '../protocol/writer.ts';
import type { Answer, AnswerKind } from './answer.ts';
import { encodeChunks } from './chunks.ts';

import type { Subscription } from './subscription.ts';
import { Topic } from './topic.ts';
import type { View } from './view.ts';

/** Cursors further back than this are rounded down to a power of two, so that many share an answer. */
const EXACT_UPDATES_MAX = 16;

export abstract class StateTopic extends Topic {
  /** Cursors before this can't be answered by a difference. */
  protected abstract get oldestSeq(): number;
  /** The frame that brings a holder of `held` levels at `fromSeq` to the present best `depth`. Valid until the next call. */
  protected abstract differenceFrame(fromSeq: number, held: number, depth: number, gatewayUs: number): ChannelFrame;
  /** Whether a frame of `differenceFrame` shows nothing new. */
  protected abstract isEmpty(frame: ChannelFrame): boolean;

  override writeShared(writer: ByteWriter, view: View, gatewayUs: number): boolean {
    if (view.mode === 'raw') return this.writeRing(writer, view, gatewayUs);
    if (this.seq <= view.scannedSeq) return false;
    if (view.scannedSeq < this.oldestSeq) {
      view.scatter();
      return false;
    }
    let frame = this.differenceFrame(view.scannedSeq, view.depth, view.depth, gatewayUs);
    if (this.isEmpty(frame)) return false;
    // Nothing that this view shows has changed from sentSeq to scannedSeq, so the difference from there holds from sentSeq on. But it
    // may name other levels than the one from sentSeq, and every gateway should say the same.
    if (view.scannedSeq > view.sentSeq && view.sentSeq >= this.oldestSeq) {
      frame = this.differenceFrame(view.sentSeq, view.depth, view.depth, gatewayUs);
    }
    frame.fromSeq = view.sentSeq;
    view.codec.encode(writer, frame, this.context);
    this.counters.frames += 1;
    return true;
  }

  override writeEmpty(writer: ByteWriter, view: View, gatewayUs: number): void {
    const frame = this.differenceFrame(view.scannedSeq, view.depth, view.depth, gatewayUs);
    frame.fromSeq = view.sentSeq;
    view.codec.encode(writer, frame, this.context);
    this.counters.frames += 1;
  }

  protected override fresh(
    kind: AnswerKind,
    reason: ResetReason | null,
    { view }: Subscription,
    nowUs: number,
  ): Answer {
    const chunks = this.shared(`0/${view.depth}/${view.codec.name}`, () => {
      this.counters.snapshots += 1;
      return encodeChunks(this.differenceFrame(0, view.depth, view.depth, nowUs), view.codec, this.context);
    });
    const { epoch, seq } = this;
    return { kind, epoch, seq, chunks, reset: reason === null ? null : { seq, reason }, gap: null };
  }

  protected override difference(subscription: Subscription, nowUs: number): Answer {
    const { seq, depth: held, view } = subscription;
    const { depth, codec } = view;
    if (seq >= this.seq && held === depth) return this.current();
    if (seq === 0) return this.fresh('first', null, subscription, nowUs);
    if (seq < this.oldestSeq) return this.fresh('horizon', 'horizon', subscription, nowUs);
    const fromSeq = held === depth ? this.rounded(seq) : Math.min(seq, this.seq);
    const chunks = this.shared(`${fromSeq}/${held}/${depth}/${codec.name}`, () =>
      encodeChunks(this.differenceFrame(fromSeq, held, depth, nowUs), codec, this.context),
    );
    return { kind: kindOf(fromSeq, subscription), epoch: this.epoch, seq: this.seq, chunks, reset: null, gap: null };
  }

  private rounded(seq: number): number {
    const behind = this.seq - seq;
    if (behind <= EXACT_UPDATES_MAX) return seq;
    const roundedDown = this.seq - 2 ** Math.ceil(Math.log2(behind));
    return Math.max(roundedDown, this.oldestSeq, 1);
  }
}

function kindOf(fromSeq: number, { seq, depth: held, view: { depth } }: Subscription): AnswerKind {
  if (held === depth) return fromSeq === seq ? 'difference' : 'rounded';
  return depth === 0 || (held !== 0 && depth > held) ? 'deeper' : 'shallower';
}
