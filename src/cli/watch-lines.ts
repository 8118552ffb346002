// Owns `watch` where there is no terminal: one line per change, for people to log or (--json) for programs.
// The watch command hands it every change. Invariant: one change is one line, and numbers are decimals as they are traded.

import { formatDecimal } from '../protocol/decimal.ts';
import type { BookFrame, Channel, StatusFrame, TradeFrame } from '../protocol/frames.ts';
import { CHANNEL_WORDS, type LadderLevel } from './ladder-view.ts';
import { formatDuration, formatTime } from './notation.ts';
import type { WatchModel } from './watch-model.ts';

export type Change =
  | { readonly kind: 'book'; readonly frame: BookFrame }
  | { readonly kind: 'trade'; readonly frame: TradeFrame }
  | { readonly kind: 'status'; readonly frame: StatusFrame }
  /** This node's view of the market: stale or live again. */
  | { readonly kind: 'health' }
  /** It goes on without what this client may not have. */
  | { readonly kind: 'denied'; readonly channel: Channel };

/** What shows the market. The command tells it of each change after the model has it. */
export interface Display {
  changed(change: Change): void;
  end(): void;
}

export interface LineOptions {
  readonly model: WatchModel;
  /** Levels a side. */
  readonly levelsMax: number;
  readonly nowUs: () => number;
  readonly write: (line: string) => void;
}

export class LogLines implements Display {
  constructor(private readonly options: LineOptions) {}

  changed(change: Change): void {
    const { model, nowUs, write } = this.options;
    const atUs = nowUs();
    write(`${formatTime(atUs, 'ms')} ${model.symbol} ${this.describe(change, atUs)}`);
  }

  end(): void {}

  private describe(change: Change, nowUs: number): string {
    const { model } = this.options;
    switch (change.kind) {
      case 'book':
        return this.describeBook(change.frame, nowUs);
      case 'trade': {
        const { kind, side, price, size, id } = change.frame;
        const what = kind === 'trade' ? 'trade' : `trade ${kind}`;
        return `${what} ${side} ${this.price(price)} x ${this.size(size)} id ${id}`;
      }
      case 'status':
        return `status ${change.frame.status}${change.frame.reason === null ? '' : ` (${change.frame.reason})`}`;
      case 'health':
        return `status ${model.status}`;
      case 'denied':
        return `not allowed to this client: ${CHANNEL_WORDS[change.channel]}`;
    }
  }

  private describeBook({ seq }: BookFrame, nowUs: number): string {
    const { bids, asks, latencyUs, exchangeAgeUs } = this.options.model.ladder(1, nowUs);
    const [bid] = bids;
    const [ask] = asks;
    const spread = bid === undefined || ask === undefined ? '' : ` spread ${this.price(ask.price - bid.price)}`;
    const latency = latencyUs === null ? '' : ` latency ${formatDuration(latencyUs)}`;
    const age = exchangeAgeUs === null ? '' : ` exchange ${formatDuration(exchangeAgeUs)} ago`;
    return `seq ${seq} bid ${this.level(bid)} ask ${this.level(ask)}${spread}${latency}${age}`;
  }

  private level(level: LadderLevel | undefined): string {
    return level === undefined ? '-' : `${this.price(level.price)} x ${this.size(level.size)}`;
  }

  private price(mantissa: number): string {
    return formatDecimal(mantissa, this.options.model.topic?.priceScale ?? 0);
  }

  private size(mantissa: number): string {
    return formatDecimal(mantissa, this.options.model.topic?.sizeScale ?? 0);
  }
}

export class JsonLines implements Display {
  constructor(private readonly options: LineOptions) {}

  changed(change: Change): void {
    const { model, write } = this.options;
    const { symbol, topic } = model;
    write(JSON.stringify({ type: change.kind, symbol, epoch: topic?.epoch, ...this.fields(change) }));
  }

  end(): void {}

  private fields(change: Change): object {
    const { model, levelsMax, nowUs } = this.options;
    if (change.kind === 'health') return { status: model.status };
    if (change.kind === 'denied') return { channel: change.channel };
    const { seq, exchangeUs, publishUs, gatewayUs } = change.frame;
    const stamp = { seq, exchangeUs, publishUs, gatewayUs };
    const { priceScale, sizeScale } = model.topic ?? { priceScale: 0, sizeScale: 0 };
    switch (change.kind) {
      case 'book': {
        const { bids, asks } = model.ladder(levelsMax, nowUs());
        const rows = (levels: readonly LadderLevel[]): string[][] =>
          levels.map(({ price, size }) => [formatDecimal(price, priceScale), formatDecimal(size, sizeScale)]);
        return { ...stamp, checksum: change.frame.checksum, bids: rows(bids), asks: rows(asks) };
      }
      case 'trade': {
        const { id, kind, side, price, size } = change.frame;
        const decimals = { price: formatDecimal(price, priceScale), size: formatDecimal(size, sizeScale) };
        return { ...stamp, id, kind, side, ...decimals };
      }
      case 'status':
        return { ...stamp, status: change.frame.status, reason: change.frame.reason };
    }
  }
}
