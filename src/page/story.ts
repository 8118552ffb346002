// Owns what the page tells of its connection: stalls, cuts, paces and losses, from the first sign to the healing.
// The page makes one and tells it what a person has asked for. Invariant: it says that something healed only when a frame has
// proved it, and by what that frame was.

import type { BookState, BookSubscription, Client, HealEvent, StateEvent } from '../client/index.ts';
import type { LogPanel } from './log-panel.ts';
import { counted, paced, reconnected, recovered, stalling, throttled } from './words.ts';

/** A silence of this share of what was asked for is the stall; frames that were already under way come earlier. */
const STALL_SHARE = 0.8;
/** How long the story waits for the last subscription to say how it healed. */
const HEALING_MS = 3_000;

/** A stall that was asked for, and the book that will show how it ended. */
interface Stall {
  readonly stallMs: number;
  heardAtMs: number;
  seq: number;
  stopHearing: () => void;
}

export class Story {
  private stall: Stall | null = null;
  private book: BookSubscription | null = null;
  private fresh = false;
  private lostAtMs: number | null = null;
  private lostLines = 0;
  private healed: HealEvent[] = [];
  private healing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly client: Client,
    private readonly log: LogPanel,
    /** Subscriptions that the page holds now. */
    private readonly held: () => number,
  ) {
    client.on('state', (event) => this.turned(event));
    client.on('heal', (event) => this.healedOne(event));
    client.on('pace', ({ pace, reason }) => log.add(paced(pace, reason), pace === 'real-time' ? 'good' : 'plain'));
    client.on('gap', ({ symbol, channel, firstSeq, lastSeq, reason }) =>
      log.add(`${symbol}, ${channel}: ${counted(lastSeq - firstSeq + 1, 'update')} did not come (${reason}).`, 'bad'),
    );
    client.on('resync', ({ symbol, channel, reason }) =>
      log.add(
        `${symbol}, ${channel}: a ${reason === 'hole' ? 'hole' : 'wrong checksum'}; asked for a fresh start.`,
        'bad',
      ),
    );
    client.on('reset', ({ symbol, channel, reason }) => {
      if (channel === 'book' && symbol === this.book?.symbol) this.fresh = true;
      if (reason !== 'subscribed') log.add(`${symbol}, ${channel}: begins anew (${reason}).`);
    });
    client.on('error', ({ error, symbol }) => {
      // That a symbol is gone is told once, not for each of its subscriptions.
      if (error.code === 'ended') return;
      log.add(`${symbol === undefined ? '' : `${symbol}: `}${error.message} ${error.action}`, 'bad');
    });
  }

  /** The page looks at another book now. */
  follow(book: BookSubscription): void {
    this.book = book;
    if (this.stall !== null) this.hear(this.stall);
  }

  async askStall(stallMs: number): Promise<void> {
    this.endStall();
    const stall = { stallMs, heardAtMs: performance.now(), seq: 0, stopHearing: () => {} };
    this.log.add(stalling(stallMs));
    this.stall = stall;
    this.hear(stall);
    try {
      await this.client.request({ op: 'demo', stallMs });
    } catch (error) {
      if (this.stall === stall) this.endStall();
      this.refused(error);
    }
  }

  async askThrottle(bytesMax: number): Promise<void> {
    try {
      await this.client.limit({ maxBytesPerSec: bytesMax });
      this.log.add(throttled(bytesMax));
    } catch (error) {
      this.refused(error);
    }
  }

  askCut(): void {
    this.log.add('Cutting the connection, as a network would.');
    this.client.cut();
  }

  private refused(error: unknown): void {
    const { message, action } = error as { message: string; action?: string };
    this.log.add(`${message} ${action ?? ''}`, 'bad');
  }

  /** Listens to the present book until a frame ends the silence. */
  private hear(stall: Stall): void {
    stall.stopHearing();
    stall.seq = this.book?.current?.seq ?? 0;
    this.fresh = stall.seq === 0;
    stall.stopHearing = this.book?.on('change', (state) => this.heard(stall, state)) ?? (() => {});
  }

  private heard(stall: Stall, { seq }: BookState): void {
    const nowMs = performance.now();
    const silentMs = nowMs - stall.heardAtMs;
    const updates = seq - stall.seq;
    stall.heardAtMs = nowMs;
    stall.seq = seq;
    const fresh = this.fresh;
    this.fresh = false;
    if (silentMs < stall.stallMs * STALL_SHARE) return;
    this.log.add(recovered({ silentMs, updates, fresh }), 'good');
    this.endStall();
  }

  private endStall(): void {
    this.stall?.stopHearing();
    this.stall = null;
  }

  private turned({ state, endpoint, reason }: StateEvent): void {
    if (state === 'waiting' && this.lostAtMs === null) {
      // The stall went with its connection.
      this.endStall();
      this.endHealing();
      this.lostAtMs = performance.now();
      this.lostLines = this.held();
      this.log.add(`The connection is gone (${reason ?? 'no reason given'}). Coming back.`);
    }
    if (state === 'closed') this.log.add(`Closed for good: ${reason ?? 'no reason given'}`, 'bad');
    if (state !== 'open') return;
    if (this.lostAtMs === null) this.log.add(`Connected to ${endpoint}.`);
    else this.healing = setTimeout(() => this.endHealing(), HEALING_MS);
  }

  private healedOne(event: HealEvent): void {
    this.healed.push(event);
    if (this.healed.length >= this.lostLines) this.endHealing();
  }

  private endHealing(): void {
    clearTimeout(this.healing);
    const { healed, lostAtMs } = this;
    this.healed = [];
    this.lostAtMs = null;
    if (lostAtMs === null || healed.length === 0) return;
    const awayMs = Math.max(...healed.map(({ tookMs }) => tookMs));
    this.log.add(reconnected(awayMs, healed), 'good');
  }
}
