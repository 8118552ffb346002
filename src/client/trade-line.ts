// Owns a subscription to trades, and those that wait for a loop. The client makes them, the switchboard feeds them.
// Invariant: each trade is handed on once and in order, or named in an overflow; at most `queueMax` wait.

import type { ChannelFrame, TradeFrame } from '../protocol/frames.ts';
import { ownError, type TickwireError } from './error.ts';
import { Emitter } from './events.ts';
import { Bell, Deferred, type Desk, Line } from './line.ts';
import { type Trade, tradeOf } from './state.ts';
import type { Held } from './stream.ts';
import type { TradeSubscription, TradeWishes } from './subscription.ts';

const QUEUE_MAX = 10_000;
/** A tenth of the queue is dropped at once, so that a loop that is far behind is not told of each trade. */
const DROP_SHARE = 0.1;

export class TradeLine extends Line implements TradeSubscription {
  private readonly emitter = new Emitter<{ trade: Trade }>();
  private readonly begun = new Deferred<void>();
  private readonly queueMax: number;
  private readonly bell = new Bell();
  private queue: Trade[] = [];
  private looped = false;

  /** @throws TickwireError `bad-option` */
  constructor(symbol: string, { queueMax = QUEUE_MAX, ...wishes }: TradeWishes, desk: Desk) {
    if (!Number.isInteger(queueMax) || queueMax < 1) throw ownError('bad-option', 'queueMax is at least 1');
    super('trade', symbol, wishes, desk);
    this.queueMax = queueMax;
  }

  get ready(): Promise<void> {
    return this.begun.promise;
  }

  get queued(): number {
    return this.queue.length;
  }

  on(_event: 'trade', listener: (trade: Trade) => void): () => void {
    return this.emitter.on('trade', listener);
  }

  /** @throws TickwireError `already-iterated`, in the first turn of a second loop */
  async *[Symbol.asyncIterator](): AsyncGenerator<Trade, void, undefined> {
    if (this.looped) throw ownError('already-iterated');
    this.looped = true;
    try {
      for (;;) {
        const next = this.queue.shift();
        if (next !== undefined) yield next;
        else if (this.error !== null) throw this.error;
        else if (this.closed) return;
        else await this.bell.next();
      }
    } finally {
      this.looped = false;
    }
  }

  override grant(...answer: Parameters<Line['grant']>): void {
    super.grant(...answer);
    this.begun.resolve();
  }

  protected take(held: Held, frame: ChannelFrame, receivedUs: number): void {
    const trade = tradeOf(held, frame as TradeFrame, receivedUs);
    const heard = this.emitter.hears('trade');
    if (this.looped || !heard) {
      if (this.queue.length >= this.queueMax) this.overflow();
      this.queue.push(trade);
      this.bell.ring();
    }
    if (heard) this.emitter.emit('trade', trade);
  }

  protected over(error: TickwireError | null): void {
    this.begun.reject(error ?? ownError('closed'));
    this.bell.ring();
  }

  private overflow(): void {
    const dropped = this.queue.splice(0, Math.ceil(this.queueMax * DROP_SHARE));
    let first = dropped[0]!;
    let last = first;
    for (const trade of dropped.slice(1)) {
      if (trade.seq !== last.seq + 1) {
        this.desk.overflowedBy(this, first.seq, last.seq);
        first = trade;
      }
      last = trade;
    }
    this.desk.overflowedBy(this, first.seq, last.seq);
  }
}
