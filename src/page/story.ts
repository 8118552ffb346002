// Owns what the page tells of its connection: stalls, cuts, paces and losses, from the first sign to the healing.
// The page makes one and tells it what a person has asked for. Invariant: it says that something healed only when a frame has
// proved it, and by what that frame was.

import type { BookState, BookSubscription, Client, HealEvent, HealedEvent, StateEvent } from '../client/index.ts';
import type { LogPanel } from './log-panel.ts';
import {
  answered,
  counted,
  type Denied,
  denied,
  leaving,
  paced,
  reconnected,
  recovered,
  stalling,
  throttled,
} from './words.ts';

/** A silence of this share of what was asked for is the stall; frames that were already under way come earlier. */
const STALL_SHARE = 0.8;
/** How long the story waits for the last subscription to say how it healed. */
const HEALING_MS = 3_000;
/** What may not be had is told together: the page asks for much at once. */
const DENIED_MS = 300;

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
  private answers: HealedEvent[] = [];
  /** The gateway has said goodbye: the next connection takes over from one that still stands. */
  private moving = false;
  private readonly denied = new Map<string, Denied>();
  private untold: Denied[] = [];

  constructor(
    private readonly client: Client,
    private readonly log: LogPanel,
    /** Subscriptions that the page holds now. */
    private readonly held: () => number,
  ) {
    client.on('state', (event) => this.turned(event));
    client.on('heal', (event) => this.healedOne(event));
    client.on('healed', (event) => this.answered(event));
    client.on('goodbye', ({ reconnectMs }) => {
      this.moving = true;
      log.add(leaving(reconnectMs));
    });
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
    client.on('error', ({ error, symbol, channel }) => {
      if (symbol !== undefined && channel !== undefined && error.code === 'not-entitled') {
        return this.withheld({ channel, symbol });
      }
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

  /** Each is told once, however often the page asks. */
  private withheld(what: Denied): void {
    const name = `${what.channel}:${what.symbol}`;
    if (this.denied.has(name)) return;
    this.denied.set(name, what);
    this.untold.push(what);
    if (this.untold.length > 1) return;
    setTimeout(() => {
      this.log.add(denied(this.untold));
      this.untold = [];
    }, DENIED_MS);
  }

  private turned({ state, endpoint, reason }: StateEvent): void {
    if (state === 'closed') this.log.add('The connection is over; this page does not come back by itself.', 'bad');
    if (state === 'open' && this.moving) {
      this.moving = false;
      if (this.lostAtMs === null) this.begin();
    }
    if (state === 'waiting' && this.lostAtMs === null) {
      // The stall went with its connection.
      this.endStall();
      this.begin();
      this.log.add(`The connection is gone (${reason ?? 'no reason given'}). Coming back.`);
    }
    if (state !== 'open') return;
    if (this.lostAtMs === null) this.log.add(`Connected to ${endpoint}.`);
    else this.healSoon();
  }

  /** A connection is over: from here on healing is counted. */
  private begin(): void {
    this.endHealing();
    this.lostAtMs = performance.now();
    this.lostLines = this.held();
  }

  private healSoon(): void {
    clearTimeout(this.healing);
    this.healing = setTimeout(() => this.endHealing(), HEALING_MS);
  }

  private answered(event: HealedEvent): void {
    this.answers.push(event);
    if (this.answers.length === 1) this.healSoon();
  }

  private healedOne(event: HealEvent): void {
    this.healed.push(event);
    if (this.healed.length >= this.lostLines) this.endHealing();
  }

  private endHealing(): void {
    clearTimeout(this.healing);
    const { healed, lostAtMs, answers } = this;
    this.healed = [];
    this.answers = [];
    this.lostAtMs = null;
    if (answers.length > 0) this.log.add(answered(answers));
    if (lostAtMs === null || healed.length === 0) return;
    const awayMs = Math.max(...healed.map(({ tookMs }) => tookMs));
    this.log.add(reconnected(awayMs, healed), 'good');
  }
}
