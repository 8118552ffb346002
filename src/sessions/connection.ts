// Owns one client's connection: its subscriptions, its send queue, and once a second what it needs as a whole: heartbeat,
// rate, pace, the end of a silent or hopeless peer. The gateway feeds it socket events, the flush pumps it, the pulse ticks it.
// Invariant: once it is closed it holds no subscription, and no call does anything.

import type { Clock, Timers } from '../ports/clock.ts';
import type { Socket } from '../ports/socket.ts';
import type { Codec } from '../protocol/codec.ts';
import { jsonCodec } from '../protocol/codecs.ts';
import { CloseCode, type Fault, fault } from '../protocol/errors.ts';
import type { Channel, EndReason, Frame } from '../protocol/frames.ts';
import type { Flush } from '../topics/flush.ts';
import { CLOSED_SOCKET } from '../topics/lanes.ts';
import { Recipient } from '../topics/recipient.ts';
import type { Subscription } from '../topics/subscription.ts';
import type { Topics } from '../topics/topics.ts';
import type { ViewShape } from '../topics/view.ts';
import type { Identity } from './access.ts';
import { Allowance } from './allowance.ts';
import type { ConnectionCounters } from './counters.ts';
import type { Block } from './flow.ts';
import { FULL_GRANT } from './grant.ts';
import { REAL_TIME, type Rung } from './ladder.ts';
import { Pacing } from './pacing.ts';
import type { PatternSubscription } from './patterns.ts';
import { SendQueue, type Served } from './send-queue.ts';
import type { Window } from './window.ts';

export interface ConnectionLimits {
  /** Bytes of control frames that may wait for a client that does not read. */
  readonly controlBytesMax: number;
  /** A link this long without a frame gets a heartbeat; a peer that leaves three pings unanswered is given as long. */
  readonly heartbeatMs: number;
  /** A connection whose oldest unanswered ping is older than this is closed. */
  readonly ageMsMax: number;
  /** Bytes a second that the operator allows each connection; 0: no limit. */
  readonly connectionBytesPerSecMax: number;
  readonly requestsPerSecMax: number;
}

/** What all connections of a gateway have in common. */
export interface ConnectionSite {
  readonly flush: Flush;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: ConnectionLimits;
  readonly counters: ConnectionCounters;
  /** Told once of each, when it ends from our side. */
  readonly onClose?: (connection: Connection, code: number, reason: string) => void;
  /** Told once of each, whoever ended it, while it still has its subscriptions. */
  readonly onEnd?: (connection: Connection) => void;
}

/** Whose connection it is. */
export interface Caller {
  /** Of its session. */
  readonly id: string;
  readonly socket: Socket;
  readonly codec: Codec;
  /** Where the peer is, for people. */
  readonly address?: string;
}

/** Everybody is this one where nobody asks. */
const ANYBODY: Identity = {
  principal: 'anonymous',
  via: 'anonymous',
  grant: FULL_GRANT,
  untilMs: null,
  basis: { kind: 'nobody', local: false },
};
/** Who says nothing for so many heartbeats, though it was asked, is gone; on a slow link after the second number at the latest. */
const QUIET_HEARTBEATS = 3;
const QUIET_HEARTBEATS_MAX = 4;
const NO_PATTERNS: ReadonlyMap<string, PatternSubscription> = new Map();

export class Connection extends Recipient implements Served {
  lane = -1;
  codec: Codec = jsonCodec;
  id = '';
  address = '';
  /** Counts those who were served on it: what was begun for one must not go on for the next. */
  generation = 0;
  readonly subscriptions = new Map<string, Subscription>();
  /** Whether instrument events are wanted. */
  watchesInstruments = false;
  /** Who is served, and what it may. */
  identity = ANYBODY;
  /** On the monotonic clock, when who is served has to prove it anew. */
  identityEndsMs = Number.POSITIVE_INFINITY;
  /** How many tokens were given for its session, and when the next is due. */
  tokenGeneration = 0;
  tokenDueMs = Number.POSITIVE_INFINITY;
  /** The token that it has, while its session is not kept; null: it is. */
  firstToken: string | null = null;
  /** Subscriptions have ended of themselves, and whoever keeps the session was not told yet. */
  hasLess = false;
  /** Requests that wait for the one before them; null: none is under way. */
  waiting: unknown[] | null = null;
  readonly allowance: Allowance;
  /** What the client last said of itself: how old what it shows is, and what it holds, by topic id. */
  clientLagMs: number | null = null;
  heldSeqs: Map<number, number> | null = null;
  closed = true;
  /** Bytes a second of the last full second. */
  bytesPerSec = 0;
  openedMs = 0;
  heardMs = 0;
  private socket: Socket = CLOSED_SOCKET;
  private readonly queue: SendQueue;
  private patternMap: Map<string, PatternSubscription> | null = null;
  /** Null while it is served in real time, as nearly all are, and allows nothing else. */
  private pacing: Pacing | null = null;
  private clientBytesPerSec = 0;
  private tickedMs = 0;
  private tickedBytes = 0;
  /** Pings do not end a silence: a client can't see them. */
  private tickedFrameBytes = 0;
  private quietSinceMs = 0;

  constructor(
    private readonly site: ConnectionSite,
    caller: Caller,
  ) {
    super();
    this.queue = new SendQueue(site, this);
    this.allowance = new Allowance(site.limits, 0);
    this.begin(caller);
  }

  /** Serves another client, as if it were new. It must be closed. */
  begin({ id, socket, codec, address = '' }: Caller): void {
    const { flush, clock } = this.site;
    const nowMs = clock.nowMs();
    this.id = id;
    this.address = address;
    this.codec = codec;
    this.socket = socket;
    this.lane = flush.lanes.open(this, socket);
    this.watchesInstruments = false;
    this.identity = ANYBODY;
    this.identityEndsMs = Number.POSITIVE_INFINITY;
    this.tokenGeneration = 0;
    this.tokenDueMs = Number.POSITIVE_INFINITY;
    this.firstToken = null;
    this.hasLess = false;
    this.allowance.reset(nowMs);
    this.clientLagMs = null;
    this.closed = false;
    this.bytesPerSec = 0;
    this.openedMs = nowMs;
    this.heardMs = nowMs;
    this.pacing = null;
    this.clientBytesPerSec = 0;
    this.tickedMs = nowMs;
    this.tickedBytes = 0;
    this.tickedFrameBytes = 0;
    this.quietSinceMs = nowMs;
    this.queue.begin(socket, nowMs);
    this.queue.allow(this.bytesPerSecMax, nowMs);
  }

  /** Wildcards and sets that are subscribed to, by their names, as `book:BTC-*`. */
  get patterns(): ReadonlyMap<string, PatternSubscription> {
    return this.patternMap ?? NO_PATTERNS;
  }

  follow(pattern: PatternSubscription): void {
    this.patternMap ??= new Map();
    this.patternMap.set(pattern.name, pattern);
  }

  unfollow(name: string): void {
    this.patternMap?.delete(name);
  }

  /** What forbids to send; null: nothing. */
  get block(): Block | null {
    return this.queue.block;
  }

  get rung(): Rung {
    return this.pacing?.rung ?? REAL_TIME;
  }

  get window(): Window {
    return this.queue.flow.window;
  }

  /** Bytes that wait in this process, the socket library's included. */
  get queuedBytes(): number {
    return this.queue.bytes;
  }

  /** Everything ever sent, WebSocket headers included. */
  get sentBytes(): number {
    return this.queue.flow.sentBytes;
  }

  get unansweredBytes(): number {
    return this.closed ? 0 : this.queue.flow.unansweredBytes;
  }

  /** How long the client has been without what is due to it, or the link without an answer. */
  ageMs(nowMs: number): number {
    const lacks = this.block !== null && this.lacks;
    return Math.max(0, nowMs - Math.min(this.window.oldestPingMs ?? nowMs, lacks ? this.queue.blockedAtMs : nowMs));
  }

  private get lacks(): boolean {
    for (const { seq, topic } of this.subscriptions.values()) if (seq < topic.seq) return true;
    return false;
  }

  /** Bytes a second that client and operator allow; 0: no limit. */
  get bytesPerSecMax(): number {
    const { connectionBytesPerSecMax } = this.site.limits;
    return leastLimit(leastLimit(this.clientBytesPerSec, connectionBytesPerSecMax), this.identity.grant.bytesPerSec);
  }

  override admit(bytes: number): boolean {
    return this.queue.admit(bytes);
  }

  override strained(result: number): void {
    this.queue.taken(result);
  }

  override wake(subscription: Subscription): void {
    if (!this.closed) this.queue.add(subscription);
  }

  override pump(nowUs: number, nowMs: number): void {
    this.queue.pump(nowUs, nowMs);
  }

  override end(subscription: Subscription): void {
    this.hasLess = true;
    this.endFor(subscription, 'delisted');
  }

  /** The client no longer has this subscription, and is told; the topic has been left already or ended. */
  endFor(subscription: Subscription, reason: EndReason): void {
    this.forget(subscription);
    // A client that was not told of the topic yet would not know what ends.
    if (subscription.topicDue) this.tell(subscription.topic.frame);
    this.tell({ type: 'end', topic: subscription.topic.id, reason });
  }

  /** Queues a control frame; it goes out at the end of this turn, before any data that waits. */
  tell(frame: Frame): void {
    if (!this.closed) this.queue.tell(frame);
  }

  /** Sends what was told so far now, rather than at the end of the turn. */
  sendTold(): void {
    if (!this.closed) this.queue.sendControl();
  }

  /** Sends the frames behind the control frames that wait now, however many they are; another listing ends with this one. */
  enumerate(frames: Iterator<Frame>): void {
    if (!this.closed) this.queue.enumerate(frames);
  }

  /** The connection no longer has this subscription; the topic has been left already or ended. */
  forget(subscription: Subscription): void {
    this.queue.delete(subscription);
    this.subscriptions.delete(subscription.topic.name);
  }

  /** The client's wishes as to how it is served; what is left out stays. */
  limit(wishes: { readonly maxBytesPerSec?: number; readonly topOfBook?: boolean }): void {
    if (wishes.topOfBook !== undefined && wishes.topOfBook !== this.wishes.topOfBook) {
      this.pacing ??= new Pacing();
      this.pacing.topAllowed = wishes.topOfBook;
    }
    if (wishes.maxBytesPerSec === undefined) return;
    this.clientBytesPerSec = wishes.maxBytesPerSec;
    this.queue.allow(this.bytesPerSecMax, this.site.clock.nowMs());
  }

  /** What the client wishes as to how it is served. */
  get wishes(): { readonly maxBytesPerSec: number; readonly topOfBook: boolean } {
    return { maxBytesPerSec: this.clientBytesPerSec, topOfBook: this.pacing?.topAllowed ?? false };
  }

  /** Who is served from now on; what it may not is for the caller to end. `nowWallMs`: milliseconds since 1970. */
  identify(identity: Identity, nowMs: number, nowWallMs: number): void {
    this.identity = identity;
    const { untilMs } = identity;
    // Counted from now: the wall clock may be set.
    this.identityEndsMs = untilMs === null ? Number.POSITIVE_INFINITY : nowMs + untilMs - nowWallMs;
    this.queue.allow(this.bytesPerSecMax, nowMs);
  }

  /** What a ping says of the client: `held` is topic ids, each with the seq that is held of it. */
  report(lagMs: number | undefined, held: readonly number[]): void {
    this.clientLagMs = lagMs ?? this.clientLagMs;
    if (held.length === 0) return;
    this.heldSeqs ??= new Map();
    // Topics that were left meanwhile are not kept.
    if (this.heldSeqs.size > this.subscriptions.size) this.heldSeqs.clear();
    for (let i = 0; i + 1 < held.length; i += 2) this.heldSeqs.set(held[i]!, held[i + 1]!);
  }

  /** Closes with a word on why, in a frame. `retryAfterMs` null: it should not come back as it is. */
  refuse({ code, message, action }: Fault, retryAfterMs: number | null): void {
    this.tell({ type: 'refused', code, message, action, retryAfterMs });
    const closeCode = retryAfterMs === null ? CloseCode.unauthorized : CloseCode.refused;
    this.close(code === 'expired-credential' ? CloseCode.expired : closeCode, code);
  }

  /** Nothing is sent for so long, as if the link had stalled; 0 ends it. */
  stall(forMs: number): void {
    if (!this.closed) this.queue.stall(forMs);
  }

  /** What a new subscription gets at the present pace, of what it asks for. */
  paced(channel: Channel, asked: ViewShape, priority: number): ViewShape {
    return this.pacing?.shape(channel, asked, priority) ?? asked;
  }

  /** Gives a subscription what it asks for, as far as the present pace allows. */
  reshape(subscription: Subscription, asked: ViewShape): void {
    const { topic, view, priority } = subscription;
    subscription.asked = asked;
    topic.reshape(subscription, this.paced(topic.channel, asked, priority));
    if (subscription.view.intervalMs > 0) this.site.flush.addToGrid(subscription.view);
    if (subscription.view !== view) this.wake(subscription);
  }

  /** The socket took everything that it had buffered. */
  drained(): void {
    if (!this.closed) this.queue.drained();
  }

  /** A pong has come, with what its ping carried. */
  pong(number: number): void {
    if (this.closed) return;
    const { counters, clock } = this.site;
    this.heardMs = clock.nowMs();
    counters.pongs += 1;
    if (!this.queue.pong(number, this.heardMs)) counters.strayPongs += 1;
  }

  /** Anything else was received. */
  heard(): void {
    this.heardMs = this.site.clock.nowMs();
  }

  /** Once a second. `unreadMs`: what came in that time, up to now, may not have been read. */
  tick(nowMs: number, nowUs: number, unreadMs = 0): void {
    if (this.closed) return;
    const { window, queue } = this;
    const { heartbeatMs, ageMsMax } = this.site.limits;
    const spanMs = Math.max(1, nowMs - this.tickedMs);
    this.measure(nowMs, spanMs);
    const blockedShare = queue.takeBlockedMs(nowMs) / spanMs;
    const readMs = nowMs - unreadMs;
    if (this.isSilent(readMs)) return this.close(CloseCode.silent, 'silent');
    if (readMs - (window.oldestPingMs ?? readMs) > ageMsMax) return this.close(CloseCode.tooSlow, 'too-slow');
    if (nowMs >= this.identityEndsMs) return this.expire();
    if (nowMs - this.quietSinceMs >= heartbeatMs) this.beat(nowMs, nowUs);
    if (nowMs - queue.flow.pingedMs >= heartbeatMs) queue.ping(nowMs);
    if (this.pacing === null && blockedShare === 0) return;
    this.pacing ??= new Pacing();
    if (this.pacing.tick(blockedShare, this.subscriptions.values())) this.changePace(this.pacing);
  }

  /** Closes from our side. What is in the control lane is sent first where the socket still takes it. */
  close(code: number, reason: string): void {
    this.queue.sendControl();
    this.over(code, reason);
  }

  /** The socket is gone: leaves all topics. */
  shut(): void {
    if (this.closed) return;
    const { flush, topics, onEnd } = this.site;
    onEnd?.(this);
    flush.lanes.close(this.lane);
    this.closed = true;
    this.generation += 1;
    this.queue.end();
    for (const subscription of this.subscriptions.values()) {
      subscription.topic.remove(subscription);
      topics.release(subscription.topic);
    }
    // An emptied map's old table holds its next one: in a connection that is used again that outlives every small collection.
    if (this.subscriptions.size > 0) this.subscriptions.clear();
    this.patternMap = null;
    this.waiting = null;
    this.heldSeqs = null;
    this.firstToken = null;
    // Nothing of the one who has gone is held on to while nobody takes its place.
    this.socket = CLOSED_SOCKET;
  }

  /** Up to `readMs` what it sends was read. What follows from it is `silentMsOf`. */
  private isSilent(readMs: number): boolean {
    const { window, queue } = this;
    const { heartbeatMs } = this.site.limits;
    // A slow link may need longer for what is on its way: twice as long as it is sure to take is given.
    const patienceMs = Math.max(heartbeatMs, 2 * window.transitMs(this.unansweredBytes));
    const quietMs = readMs - this.heardMs;
    if (window.silentMs(3, readMs) >= patienceMs && quietMs >= heartbeatMs) return true;
    const quietMsMax = Math.min(
      Math.max(QUIET_HEARTBEATS * heartbeatMs, patienceMs),
      QUIET_HEARTBEATS_MAX * heartbeatMs,
    );
    // No ping goes into a full socket: that it stays full says as much.
    const fullMs = queue.block === 'socket' ? readMs - queue.blockedAtMs : 0;
    return quietMs >= quietMsMax && Math.max(window.silentMs(1, readMs), fullMs) >= heartbeatMs;
  }

  private measure(nowMs: number, spanMs: number): void {
    const { sentBytes, frameBytes } = this.queue.flow;
    this.bytesPerSec = Math.round(((sentBytes - this.tickedBytes) / spanMs) * 1_000);
    if (frameBytes !== this.tickedFrameBytes) this.quietSinceMs = nowMs;
    this.tickedFrameBytes = frameBytes;
    this.tickedMs = nowMs;
    this.tickedBytes = sentBytes;
  }

  private beat(nowMs: number, nowUs: number): void {
    this.quietSinceMs = nowMs;
    this.site.counters.heartbeats += 1;
    const roundTripMs = this.window.roundTripMs === null ? null : Math.round(this.window.roundTripMs);
    this.tell({ type: 'heartbeat', timeUs: nowUs, roundTripMs, lagMs: Math.round(this.ageMs(nowMs)) });
  }

  private expire(): void {
    const { code, message, action } = fault('expired-credential');
    this.tell({ type: 'error', id: null, code, message, action });
    this.close(CloseCode.expired, code);
  }

  private changePace(pacing: Pacing): void {
    this.site.counters.paces += 1;
    this.tell(pacing.frame(this.queue.spares ? 'budget' : 'link'));
    for (const subscription of this.subscriptions.values()) this.reshape(subscription, subscription.asked);
  }

  fail(code: number, reason: string): void {
    this.over(code, reason);
  }

  private over(code: number, reason: string): void {
    if (this.closed) return;
    const { counters, onClose } = this.site;
    const { socket } = this;
    counters.closed[reason] = (counters.closed[reason] ?? 0) + 1;
    onClose?.(this, code, reason);
    this.shut();
    socket.end(code, reason);
  }
}

/** Of two limits, where 0 is none. */
function leastLimit(one: number, other: number): number {
  return one === 0 || other === 0 ? one + other : Math.min(one, other);
}
