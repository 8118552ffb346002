// Owns the trade channel: events that can't be merged, answered from a ring that begins with what the bus's log still held.
// Invariant: a client is sent every trade after its cursor, or a gap that names those it is not.

import type { Entry, TopicState } from '../bus/bus.ts';
import type { Trade } from '../market/update.ts';
import type { ResetReason, TradeFrame } from '../protocol/frames.ts';
import type { ByteWriter } from '../protocol/writer.ts';
import type { Answer, AnswerKind } from './answer.ts';
import { Ring } from './ring.ts';
import type { Subscription } from './subscription.ts';
import { Topic } from './topic.ts';
import type { View } from './view.ts';

export class TradeTopic extends Topic {
  protected override ring = new Ring(this.limits.ringFramesMax);
  private newest: Trade | null = null;

  override writeShared(writer: ByteWriter, view: View, gatewayUs: number): boolean {
    return this.writeRing(writer, view, gatewayUs);
  }

  /** Never called: every trade is shown, so no view falls behind in silence. */
  override writeEmpty(): void {}

  protected override absorbState({ recent }: TopicState): void {
    for (const entry of recent) {
      this.absorb(entry);
      this.ring.push(entry.seq - 1, this.frameOf(entry.update as Trade, entry));
    }
  }

  protected override absorb({ update }: Entry): void {
    if (update.kind === 'trade') this.newest = update;
  }

  protected override clear(): void {
    this.newest = null;
  }

  protected override ringFrame(): TradeFrame {
    return this.frameOf(this.newest!, this);
  }

  protected override fresh(
    kind: AnswerKind,
    reason: ResetReason | null,
    subscription: Subscription,
    nowUs: number,
  ): Answer {
    const wanted = kind === 'first' ? this.seq - subscription.last : this.seq;
    const seq = Math.max(wanted, this.ring.fromSeq ?? this.seq);
    const chunks = this.fromRing(kind, seq, subscription, nowUs)?.chunks ?? [];
    return {
      kind,
      epoch: this.epoch,
      seq: this.seq,
      chunks,
      reset: { seq, reason: reason ?? 'subscribed' },
      gap: null,
    };
  }

  protected override difference(subscription: Subscription, nowUs: number): Answer {
    return this.afterCursor(subscription, nowUs);
  }

  /** What the ring still holds is sent; the gap names only what it does not. */
  protected override pastGap(subscription: Subscription, nowUs: number): Answer {
    const oldest = this.ring.fromSeq ?? this.seq;
    const { epoch, seq } = this;
    const chunks = this.fromRing('gap', oldest, subscription, nowUs)?.chunks ?? [];
    const gap = { firstSeq: subscription.seq + 1, lastSeq: oldest, reason: 'ring' as const };
    return { kind: 'gap', epoch, seq, chunks, reset: null, gap };
  }

  private frameOf(
    trade: Trade,
    { seq, exchangeUs, publishUs }: Pick<Entry, 'seq' | 'exchangeUs' | 'publishUs'>,
  ): TradeFrame {
    const { id, tradeKind: kind, side, price, size } = trade;
    return {
      type: 'trade',
      topic: this.id,
      fromSeq: seq - 1,
      seq,
      exchangeUs,
      publishUs,
      gatewayUs: 0,
      id: id ?? seq,
      kind,
      side,
      price,
      size,
    };
  }
}
