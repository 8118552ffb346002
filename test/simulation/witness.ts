// Owns the checking of one client: every frame that its stream applies is held against the oracle at once.
// The simulated client hands it to the stream as handlers. Invariant: it believes nothing of the code under test but what
// arrived: acknowledgements say what is subscribed, frames what is held.

import type { LocalBook } from '../../src/client/local-book.ts';
import type { ClientStream, Held, StreamHandlers } from '../../src/client/stream.ts';
import {
  type AckFrame,
  type BookFrame,
  type Channel,
  type EndFrame,
  type ErrorFrame,
  type Frame,
  type GapFrame,
  type Mode,
  type Pace,
  type QuoteFrame,
  type ResetFrame,
  type ResetReason,
  type Stamp,
  type StatusFrame,
  type TradeFrame,
  topicName,
} from '../../src/protocol/frames.ts';
import type { Grant } from '../../src/sessions/grant.ts';
import { groupedEpoch } from '../../src/topics/grouped-topic.ts';
import { Comparison, nameOf, quoteAt, sameQuote } from './comparison.ts';
import { Grants } from './grants.ts';
import { Healings } from './healings.ts';
import { EMPTY_BOOK, LIVE, NO_QUOTE, type Oracle, type UpdateChannel } from './oracle.ts';
import { Requests } from './requests.ts';
import type { SessionEvents } from './session-branches.ts';

/** A subscription as the node acknowledged it. */
export interface Active {
  readonly channel: Channel;
  readonly symbol: string;
  readonly group: number;
  depth: number;
  intervalMs: number;
  mode: Mode;
}

/** What the client itself wants to know. */
export interface WitnessListener extends Pick<StreamHandlers, 'token' | 'goodbye'> {
  resumed(accepted: ReadonlySet<string>): void;
  notResumed(): void;
  /** Who it is was taken. */
  authenticated(): void;
}

/** What the client was told of one topic so far. */
interface Ledger {
  readonly channel: Channel;
  readonly symbol: string;
  readonly group: number;
  epoch: number;
  /** The update up to which everything is accounted for; -1: nothing yet. */
  seq: number;
  /** A fresh start was announced; what comes next replaces. */
  fresh: boolean;
  /** A change-over: the next answer may be merged even in raw mode. */
  mayMerge: boolean;
  /** `seq` and the stream's counters when the count began. */
  baseSeq: number;
  baseCount: number;
}

export class Witness {
  /** By name. */
  readonly active = new Map<string, Active>();
  readonly requests: Requests;
  /** The paces that the node has announced. */
  readonly paces: Pace[] = [];
  /** By name, kept from one connection to the next, and by the topic ids of this one. */
  private ledgers = new Map<string, Ledger>();
  private readonly byTopic = new Map<number, Ledger>();
  /** Asked for on this connection, and not acknowledged yet. */
  private readonly pending = new Set<string>();
  readonly comparison: Comparison;
  private readonly healings: Healings;
  private readonly grants: Grants;
  /** Topics for which the resume under way brings cursors. */
  private brought: ReadonlySet<string> = new Set();

  constructor(
    private readonly name: string,
    private readonly oracle: Oracle,
    private readonly events: SessionEvents,
    private readonly listener: WitnessListener,
  ) {
    this.requests = new Requests((what) => this.fail(what));
    this.comparison = new Comparison(oracle, (what) => this.fail(what));
    this.healings = new Healings(events, (what) => this.fail(what));
    this.grants = new Grants(events, (what) => this.fail(what));
  }

  readonly handlers: StreamHandlers = {
    ack: (frame) => this.acknowledged(frame),
    pong: ({ id }) => this.requests.answered(id),
    error: (frame) => this.refused(frame),
    token: (frame) => this.listener.token?.(frame),
    goodbye: (frame) => this.listener.goodbye?.(frame),
    healed: (held, frame) => this.healings.healed(nameOf(held), held.topic.channel, frame),
    pace: ({ pace }) => this.paces.push(pace),
    topic: (held) => this.announced(held),
    book: (held, book, frame) => this.book(held, book, frame),
    quote: (held, frame) => this.quote(held, frame),
    trade: (held, frame) => this.trade(held, frame),
    status: (held, frame) => this.status(held, frame),
    gap: (held, frame) => this.gap(held, frame),
    reset: (held, frame) => this.reset(held, frame),
    end: (held, { reason }) => this.ended(held, reason),
    resync: (held, reason) => this.foundWrong(held, reason),
  };

  /** A new connection, of somebody who may so much. */
  connected(grant: Grant): void {
    this.grants.begin(grant);
  }

  /** The client may something else in whatever the node sends after so many bytes. */
  granted(grant: Grant, afterBytes: number): void {
    this.grants.change(grant, afterBytes);
  }

  /** The next message comes; with it so many bytes have arrived. */
  arriving(bytes: number, stream: ClientStream): void {
    this.healings.message += 1;
    this.grants.arrived(bytes, stream.held.values());
  }

  /** The frames of one message, after the stream took them: none may be of a topic that was not subscribed to then. */
  received(frames: readonly Frame[], stream: ClientStream): void {
    const left = new Set<number>();
    for (let i = frames.length - 1; i >= 0; i--) {
      const frame = frames[i]!;
      if (frame.type === 'ack' && frame.op === 'unsubscribe') for (const { topic } of frame.accepted) left.add(topic);
      if (!('topic' in frame)) continue;
      if (frame.type === 'end') left.add(frame.topic);
      else if (!stream.held.has(frame.topic) && !left.has(frame.topic)) {
        this.fail(`a ${frame.type} frame of topic ${frame.topic}, which is not held`);
      }
    }
  }

  /** It comes back with a token, and with cursors for these topics. */
  resuming(id: number, brought: ReadonlySet<string>): void {
    this.requests.add(id, 'resume');
    this.brought = brought;
  }

  /** What it held is gone: it has nothing but a token. */
  forget(): void {
    this.ledgers.clear();
  }

  /** The connection is gone. `keeps` says of what a cursor can be made, and whether it is of a whole state. */
  disconnected(keeps: (topic: Pick<Ledger, 'channel' | 'symbol' | 'group'>) => 'whole' | 'cut' | 'nothing'): void {
    const kept = new Map<string, Ledger>();
    for (const [key, ledger] of this.ledgers) {
      const keeping = keeps(ledger);
      if (keeping === 'nothing') continue;
      kept.set(key, ledger);
      // Raw books are full: one cut to a depth is widened first.
      if (keeping === 'cut') ledger.mayMerge = true;
    }
    this.ledgers = kept;
    this.byTopic.clear();
    this.active.clear();
    this.pending.clear();
    this.requests.clear();
    this.healings.clear();
  }

  /** A subscription is asked for that there is not yet: from what is held, or from nothing. */
  asked(key: string, withCursor: boolean): void {
    if (this.active.has(key) || this.pending.has(key)) return;
    this.pending.add(key);
    this.comesBack(key, withCursor);
    if (withCursor) this.healings.expect(key);
  }

  private comesBack(key: string, withCursor: boolean): void {
    const ledger = this.ledgers.get(key);
    if (ledger !== undefined) ledger.fresh = !withCursor;
  }

  /** At the end everybody holds the newest there is; `source` is the channel from which the topic's updates come. */
  settled({ channel, symbol, group, depth, mode }: Active, held: Held | undefined, source: UpdateChannel): void {
    if (held?.valid !== true) return this.fail(`${topicName(channel, symbol, group)}: nothing is held at the end`);
    if (held.health?.status === 'resync') this.fail(`${nameOf(held)}: still in doubt at the end`);
    const newest = this.oracle.now(source, symbol);
    if (newest === undefined) {
      if (held.seq !== 0) this.fail(`${nameOf(held)}: holds seq ${held.seq} where nothing was published`);
      return;
    }
    const { tickSize } = held.topic;
    if ((group === 0 ? newest.epoch : groupedEpoch(newest.epoch, tickSize)) !== held.topic.epoch) {
      return this.fail(`${nameOf(held)}: holds epoch ${held.topic.epoch} at the end, not ${newest.epoch}`);
    }
    this.grants.settled();
    if (channel === 'book') {
      const shown = held.book!.depth;
      // What a grant has cut is checked there.
      if (shown !== depth && !this.grants.changed)
        this.fail(`${nameOf(held)}: depth ${shown} at the end, not ${depth}`);
      const naive = group === 0 ? newest.newestBook : newest.newestBook.grouped(tickSize);
      this.comparison.compareBook(held, held.book!, naive, shown, true);
    } else if (channel === 'quote' && !sameQuote(held.quote!, quoteAt(newest, newest.newestSeq)!)) {
      this.fail(`${nameOf(held)}: not the newest quote at the end`);
    }
    // Only what a view does not show may be missing.
    const showsAll = channel === 'book' ? mode === 'raw' : source === channel;
    if (showsAll && held.seq !== newest.newestSeq) {
      this.fail(`${nameOf(held)}: seq ${held.seq} at the end, not ${newest.newestSeq}`);
    }
  }

  /** A client finds something wrong by itself only where it was told two ends of the same epoch. */
  private foundWrong(held: Held, reason: string): void {
    const { symbol, epoch, group, tickSize } = held.topic;
    if (this.oracle.isSplit(symbol, epoch, group === undefined ? 0 : tickSize)) {
      this.ledger(held).fresh = true;
      this.requests.ownResyncs += 1;
    } else this.fail(`${nameOf(held)}: the client found a ${reason} by itself`);
  }

  private acknowledged({ id, op, accepted, refused }: AckFrame): void {
    const asked = this.requests.answered(id);
    if (asked === null) return;
    for (const { symbol, code } of refused) {
      if (code === 'not-entitled' && this.grants.limited) this.events['topics refused for want of a grant'] += 1;
      else if (code !== 'unknown-symbol' && code !== 'not-subscribed') this.fail(`${op} ${symbol} refused: ${code}`);
      if (typeof asked === 'object' && op === 'subscribe') this.notBack(topicName(asked.channel, symbol, asked.group));
    }
    if (asked === 'auth') return this.listener.authenticated();
    if (asked === 'resume') return this.resumed(accepted, refused);
    for (const { symbol, depth, intervalMs, mode } of accepted) {
      const key = topicName(asked.channel, symbol, asked.group);
      if (op === 'unsubscribe') {
        this.active.delete(key);
        this.ledgers.delete(key);
        this.healings.forget(key);
        this.grants.forget(key);
      } else if (op === 'subscribe') this.subscribed(key, { ...asked, symbol, depth, intervalMs, mode });
    }
  }

  /** What was subscribed to already is as it was before. */
  private resumed(accepted: AckFrame['accepted'], refused: AckFrame['refused']): void {
    this.events['topics brought back'] += accepted.length;
    this.events['topics refused'] += refused.length;
    for (const { symbol: name, depth, intervalMs, mode } of accepted) {
      const [, channel, group = '0', symbol] = /^(\w+)(?:@(\d+))?:(.+)$/.exec(name)!;
      if (this.active.has(name)) continue;
      this.comesBack(name, this.brought.has(name));
      this.healings.expect(name);
      const topic = { channel: channel as Channel, symbol: symbol!, group: Number(group) };
      this.subscribed(name, { ...topic, depth, intervalMs, mode });
    }
    this.listener.resumed(new Set([...accepted, ...refused].map(({ symbol }) => symbol)));
  }

  /** What was asked for is not to be had: if it is subscribed to, it goes on as before. */
  private notBack(key: string): void {
    this.pending.delete(key);
    if (!this.active.has(key)) this.healings.forget(key);
  }

  private refused({ id, code, message }: ErrorFrame): void {
    const asked = id === null ? undefined : this.requests.find(id);
    if (asked !== 'resume') return this.fail(`an error: ${code} ${message}`);
    this.requests.answered(id!);
    this.listener.notResumed();
  }

  private subscribed(key: string, wanted: Active): void {
    this.pending.delete(key);
    const before = this.active.get(key);
    this.active.set(key, wanted);
    const ledger = this.ledgers.get(key);
    if (ledger !== undefined && before !== undefined && wanted.mode === 'raw' && before.mode !== 'raw') {
      ledger.mayMerge = true;
    }
  }

  private announced(held: Held): void {
    const key = nameOf(held);
    const { topic, epoch, channel, symbol, group = 0 } = held.topic;
    if (!this.active.has(key)) this.fail(`${key} was announced before its subscription was acknowledged`);
    const before = this.ledgers.get(key);
    const goesOn = before?.epoch === epoch;
    const start = { channel, symbol, group, epoch, seq: -1, fresh: true, mayMerge: false, baseSeq: -1, baseCount: 0 };
    const ledger = goesOn ? before : start;
    this.ledgers.set(key, ledger);
    this.byTopic.set(topic, ledger);
  }

  private ended(held: Held, reason: EndFrame['reason']): void {
    const name = nameOf(held);
    this.active.delete(name);
    this.ledgers.delete(name);
    this.healings.forget(name);
    this.grants.forget(name);
    if (reason !== 'revoked') return;
    this.events['topics revoked'] += 1;
    if (!this.grants.limited) this.fail(`${name} was revoked, and everything is granted`);
  }

  private book(held: Held, book: LocalBook, frame: BookFrame): void {
    this.heard(held, frame, frame.depth);
    const history = this.comparison.historyOf(held, 'book', frame);
    const { group = 0, tickSize } = held.topic;
    const whole = history === undefined ? EMPTY_BOOK : history.books[frame.seq]!;
    const naive = group === 0 ? whole : whole.grouped(tickSize);
    if (frame.checksum !== naive.checksum(frame.depth)) {
      this.fail(`${nameOf(held)}: checksum ${frame.checksum} at seq ${frame.seq} depth ${frame.depth}`);
    }
    this.comparison.compareBook(held, book, naive, frame.depth, false);
    this.stepTo(held, frame, (seq) => seq);
  }

  private quote(held: Held, frame: QuoteFrame): void {
    this.heard(held, frame, 0);
    const history = this.comparison.historyOf(held, null, frame);
    const quote = history === undefined ? NO_QUOTE : quoteAt(history, frame.seq);
    if (quote === undefined || !sameQuote(frame, quote)) {
      this.fail(`${nameOf(held)}: quote at seq ${frame.seq} is ${JSON.stringify(frame)}, not ${JSON.stringify(quote)}`);
    }
    // A derived quote's numbers jump over updates of the book that it does not show.
    this.stepTo(held, frame, (seq) => {
      if (history?.channel !== 'book') return seq;
      const before = quoteAt(history, seq)!;
      let next = seq;
      while (next + 1 < frame.seq && sameQuote(before, quoteAt(history, next + 1)!)) next += 1;
      return next;
    });
  }

  private status(held: Held, frame: StatusFrame): void {
    this.heard(held, frame, 0);
    const history = this.comparison.historyOf(held, 'status', frame);
    const { status, reason } = history === undefined ? LIVE : history.statuses[frame.seq]!;
    if (frame.status !== status || frame.reason !== reason)
      this.fail(`${nameOf(held)}: ${frame.status} at ${frame.seq}`);
    this.stepTo(held, frame, (seq) => seq);
  }

  private trade(held: Held, frame: TradeFrame): void {
    this.heard(held, frame, 0);
    const ledger = this.ledger(held);
    const trade = this.comparison.historyOf(held, 'trade', frame)?.trades[frame.seq] ?? null;
    if (trade === null) return this.fail(`${nameOf(held)}: a trade at seq ${frame.seq} that never was`);
    const { id, tradeKind, side, price, size } = trade;
    const same = frame.id === (id ?? frame.seq) && frame.kind === tradeKind && frame.side === side;
    if (!same || frame.price !== price || frame.size !== size)
      this.fail(`${nameOf(held)}: another trade at ${frame.seq}`);
    if (frame.seq !== ledger.seq + 1) this.fail(`${nameOf(held)}: trade ${frame.seq} after ${ledger.seq}`);
    ledger.seq = frame.seq;
    this.account(held, ledger);
  }

  private gap(held: Held, { firstSeq, lastSeq }: GapFrame): void {
    this.healings.gap(nameOf(held));
    const ledger = this.ledger(held);
    if (firstSeq > ledger.seq + 1) this.fail(`${nameOf(held)}: gap from ${firstSeq} after ${ledger.seq}`);
    if (lastSeq < firstSeq || lastSeq < ledger.seq) this.fail(`${nameOf(held)}: gap from ${firstSeq} to ${lastSeq}`);
    ledger.seq = lastSeq;
    // A state stays what it is until the reset that follows.
    if (held.topic.channel === 'trade') this.account(held, ledger);
    else ledger.fresh = true;
  }

  private reset(held: Held, { seq, reason }: ResetFrame): void {
    this.healings.reset(nameOf(held), reason as ResetReason);
    const ledger = this.ledger(held);
    ledger.fresh = true;
    if (held.topic.channel !== 'trade') return;
    this.cover(held, ledger, seq);
    ledger.fresh = false;
  }

  private heard(held: Held, { fromSeq }: Stamp, depth: number): void {
    if (!this.healings.idle) this.healings.data(nameOf(held), fromSeq === 0);
    this.grants.data(held, depth);
  }

  /** A frame moved the client on to `frame.seq`; `lastUnshown` gives the last update after `seq` that it had no need to be shown. */
  private stepTo(held: Held, frame: Stamp, lastUnshown: (seq: number) => number): void {
    const ledger = this.ledger(held);
    const active = this.active.get(nameOf(held));
    if (frame.fromSeq === 0 && (ledger.fresh || ledger.seq < 0 || active?.mode !== 'raw')) {
      this.cover(held, ledger, frame.seq);
    } else {
      if (ledger.fresh) this.fail(`${nameOf(held)}: a difference where a fresh start was announced`);
      const merges = frame.seq > lastUnshown(ledger.seq) + 1;
      if (merges && active?.mode === 'raw' && !ledger.mayMerge) {
        this.fail(`${nameOf(held)}: raw, but merged from ${ledger.seq} to ${frame.seq}`);
      }
      ledger.seq = frame.seq;
      this.account(held, ledger);
    }
    ledger.fresh = false;
    ledger.mayMerge = false;
  }

  /** What came before `seq` is covered by a fresh start. */
  private cover(held: Held, ledger: Ledger, seq: number): void {
    if (ledger.seq < 0 || seq < ledger.seq) {
      ledger.baseSeq = seq;
      ledger.baseCount = countOf(held);
    }
    ledger.seq = seq;
    this.account(held, ledger);
  }

  /** Published = delivered + merged + named in gaps + covered by fresh starts. */
  private account(held: Held, { seq, baseSeq, baseCount }: Ledger): void {
    const counted = countOf(held) - baseCount;
    if (counted !== seq - baseSeq) {
      this.fail(`${nameOf(held)}: ${counted} updates accounted for from ${baseSeq} to ${seq}`);
    }
    if (held.seq !== seq) this.fail(`${nameOf(held)}: the stream holds ${held.seq}, ${seq} arrived`);
  }

  private ledger(held: Held): Ledger {
    const ledger = this.byTopic.get(held.topic.topic);
    if (ledger === undefined) throw new Error(`${nameOf(held)} was not announced`);
    if (ledger.epoch !== held.topic.epoch) this.fail(`${nameOf(held)}: another epoch without a topic frame`);
    return ledger;
  }

  private fail(what: string): never {
    throw new Error(`client ${this.name}, ${what}`);
  }
}

function countOf({ counters }: Held): number {
  return counters.delivered + counters.merged + counters.gapped + counters.covered;
}
