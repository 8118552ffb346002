// Owns the status channel: what publishers say of an instrument as a whole.
// Invariant: an instrument of which nobody said anything is live.

import type { Entry, TopicState } from '../bus/bus.ts';
import type { StatusChange } from '../market/update.ts';
import type { StatusFrame } from '../protocol/frames.ts';
import { StateTopic } from './state-topic.ts';

const LIVE: StatusChange = { kind: 'status', status: 'live', reason: null };

export class StatusTopic extends StateTopic {
  private change: StatusChange = LIVE;

  protected override get oldestSeq(): number {
    return 0;
  }

  protected override absorbState({ last }: TopicState): void {
    if (last?.kind === 'status') this.change = last;
  }

  protected override absorb({ update }: Entry): void {
    if (update.kind === 'status') this.change = update;
  }

  protected override clear(): void {
    this.change = LIVE;
  }

  protected override differenceFrame(fromSeq: number, _held: number, _depth: number, gatewayUs: number): StatusFrame {
    const { status, reason } = this.change;
    const { id: topic, seq, exchangeUs, publishUs } = this;
    return { type: 'status', topic, fromSeq, seq, exchangeUs, publishUs, gatewayUs, status, reason };
  }

  protected override isEmpty(): boolean {
    return false;
  }

  protected override ringFrame(fromSeq: number): StatusFrame {
    return this.differenceFrame(fromSeq, 0, 0, 0);
  }
}
