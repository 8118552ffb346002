// Owns the checking of one connection: sequences, epochs, checksums, gaps and silence of every topic, frame by frame, by the protocol's
// own decoder and book. The users of k6 feed it, and so do plain tests: nothing of k6 is in here. Invariant: whatever the gateway says
// less, more, twice or wrongly is counted once, as a fault of its kind; only what the gateway itself named as missing is a gap.

import { LocalBook } from '../../src/client/local-book.ts';
import { DecodeError, type Decoder } from '../../src/protocol/codec.ts';
import {
  type AckFrame,
  type BookFrame,
  type ChannelFrame,
  type Frame,
  type GapFrame,
  type ResetFrame,
  type TopicFrame,
  topicName,
} from '../../src/protocol/frames.ts';
import {
  type Account,
  type AuditCounts,
  type AuditOptions,
  type Cursor,
  type FaultKind,
  FRESH,
  noCounts,
  noFaults,
} from './account.ts';

/** One is the topic's own answer, the next one that of the others, which may tell some of it again. */
const NEWS_TO_JOIN = 2;
/** A first state comes within this, whatever the interval: the gateway computes it at once. */
const ANSWER_MS_MAX = 10_000;
/** Until the welcome says how long it may be silent. */
const SILENT_MS = 22_000;

export class Audit {
  readonly counts: AuditCounts = noCounts();
  readonly faults: Record<FaultKind, number> = noFaults();
  private readonly accounts = new Map<number, Account>();
  private readonly carried = new Map<string, Account>();
  /** Topics that were left: nothing more may come of them. */
  private readonly left = new Set<number>();
  /** Subscriptions without a first state, by topic: since when. */
  private readonly unanswered = new Map<number, number>();
  /** Whether it ever fell behind: then it catches up with others now and then. */
  private paced = false;
  private doubted: TopicFrame[] = [];
  private message = 0;
  private silentMs = SILENT_MS;
  private silenceTold = false;

  constructor(
    private readonly decoder: Decoder,
    private heardMs: number,
    private readonly options: AuditOptions,
  ) {}

  /** Takes over where an earlier connection stood: topics of the same epoch continue from there. */
  carry(earlier: Audit): void {
    for (const [name, account] of earlier.carried) this.carried.set(name, account);
    for (const account of earlier.accounts.values()) {
      if (account.valid && !account.broken) this.carried.set(nameOf(account.topic), account);
    }
  }

  /** Where the user stands, by the topics' names. */
  cursors(): Record<string, Cursor> {
    const all = [...this.carried.values(), ...this.accounts.values()].filter(({ valid, broken }) => valid && !broken);
    return Object.fromEntries(
      all.map(({ topic, seq, depth }) => [
        nameOf(topic),
        { epoch: topic.epoch, seq, ...(topic.channel === 'book' ? { depth } : {}) },
      ]),
    );
  }

  /** The seq that is held of a topic; -1 where nothing is. */
  held(name: string): number {
    for (const { topic, seq, valid } of this.accounts.values()) if (nameOf(topic) === name) return valid ? seq : -1;
    return -1;
  }

  /** Topics in which a fault was found since the last call: a resync brings them back. */
  doubts(): TopicFrame[] {
    return this.doubted.splice(0);
  }

  /** Takes one WebSocket message; none of its frames where it can't be read. */
  take(message: Uint8Array, nowMs: number): Frame[] {
    this.heardMs = nowMs;
    this.message += 1;
    let frames: Frame[];
    try {
      frames = this.decoder.decode(message);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.fault('unreadable', error.message);
      return [];
    }
    for (const frame of frames) this.frame(frame, nowMs);
    return frames;
  }

  /** What should have come by now and has not; to be called now and then while the connection is open. */
  look(nowMs: number): void {
    for (const [topic, sinceMs] of this.unanswered) {
      if (nowMs - sinceMs < ANSWER_MS_MAX) continue;
      this.unanswered.delete(topic);
      this.fault('unanswered', `topic ${topic}`);
    }
    if (this.silenceTold || nowMs - this.heardMs <= this.silentMs) return;
    this.silenceTold = true;
    this.fault('silence', `nothing for ${Math.round(nowMs - this.heardMs)} ms`);
  }

  private frame(frame: Frame, nowMs: number): void {
    switch (frame.type) {
      case 'book':
      case 'quote':
      case 'trade':
      case 'status':
        return this.data(frame);
      case 'welcome':
        this.silentMs = frame.limits.silentMs ?? SILENT_MS;
        return;
      case 'ack':
        return this.acknowledged(frame, nowMs);
      case 'topic':
        return this.announced(frame);
      case 'part': {
        const account = this.accounts.get(frame.topic);
        if (account?.book?.hold(frame) === 'resync') this.broken(account, 'hole', 'a part is missing');
        return;
      }
      case 'reset':
        return this.reset(frame);
      case 'gap':
        return this.gap(frame);
      case 'healed':
        // A cursor that is up to date is answered with nothing more.
        this.unanswered.delete(frame.topic);
        return;
      case 'pace':
        this.paced = true;
        return;
      case 'end':
        return this.leave(frame.topic);
    }
  }

  private acknowledged({ op, accepted }: AckFrame, nowMs: number): void {
    for (const { topic } of accepted) {
      if (topic === 0) continue;
      if (op === 'unsubscribe') this.leave(topic);
      else {
        const account = this.accounts.get(topic);
        if (account !== undefined) account.newsMessages = 0;
        if (account?.valid !== true) this.unanswered.set(topic, nowMs);
      }
    }
  }

  private leave(topic: number): void {
    this.accounts.delete(topic);
    this.unanswered.delete(topic);
    this.left.add(topic);
  }

  private announced(topic: TopicFrame): void {
    const name = nameOf(topic);
    const known = this.accounts.get(topic.topic) ?? this.carried.get(name);
    this.carried.delete(name);
    this.left.delete(topic.topic);
    if (known !== undefined && known.topic.epoch === topic.epoch) {
      known.topic = topic;
      known.newsMessages = 0;
      this.accounts.set(topic.topic, known);
      return;
    }
    const book = topic.channel === 'book' && this.options.checksums ? new LocalBook() : null;
    const resetDue = known?.valid === true;
    this.accounts.set(topic.topic, { ...FRESH, topic, book, resetDue });
  }

  private reset({ topic, seq }: ResetFrame): void {
    const account = this.accounts.get(topic);
    if (account === undefined) return;
    this.counts.resets += 1;
    const isTrade = account.topic.channel === 'trade';
    account.book?.reset();
    account.seq = isTrade ? seq : 0;
    account.valid = isTrade;
    account.resetDue = false;
    account.broken = false;
    account.newsMessages = 0;
    if (isTrade) this.unanswered.delete(topic);
  }

  private gap({ topic, firstSeq, lastSeq }: GapFrame): void {
    const account = this.accounts.get(topic);
    if (account === undefined || account.broken) return;
    this.counts.gaps += 1;
    this.counts.gapped += lastSeq - firstSeq + 1;
    if (!account.valid) return;
    if (firstSeq > account.seq + 1) {
      return this.broken(account, 'hole', `a gap from ${firstSeq} at ${account.seq}`);
    }
    // A state stays what it is until the reset that follows.
    if (account.topic.channel === 'trade') account.seq = lastSeq;
  }

  private data(frame: ChannelFrame): void {
    const account = this.accounts.get(frame.topic);
    if (account === undefined) {
      if (this.left.has(frame.topic)) this.fault('stranger', `topic ${frame.topic} was left`);
      return;
    }
    if (account.broken) return;
    if (account.resetDue) return this.broken(account, 'epoch', 'another epoch without a reset');
    this.unanswered.delete(frame.topic);
    const isSnapshot = frame.fromSeq === 0 && frame.type !== 'trade';
    const depth = frame.type === 'book' ? frame.depth : 0;
    if (isSnapshot) {
      // A snapshot may replace what is held, never by something older: then the sequence began anew and nobody said so.
      if (account.valid && frame.seq < account.seq) {
        return this.broken(account, 'epoch', `a snapshot of ${frame.seq} at ${account.seq}`);
      }
    } else if (!account.valid || frame.fromSeq > account.seq) {
      return this.broken(
        account,
        'hole',
        `${frame.fromSeq} to ${frame.seq} at ${account.valid ? account.seq : 'nothing'}`,
      );
    }
    if (account.valid && frame.seq <= account.seq && (depth === account.depth || frame.seq < account.seq)) {
      return this.again(account, frame);
    }
    if (frame.type === 'book' && !this.applied(account, frame)) return;
    this.counts.deliveries += 1;
    if (account.valid) this.counts.merged += Math.max(0, frame.seq - account.seq - 1);
    if (account.message !== this.message && !isSnapshot) account.newsMessages += 1;
    account.message = this.message;
    account.fromSeq = frame.fromSeq;
    account.seq = frame.seq;
    account.depth = depth;
    account.valid = true;
    this.options.delivered?.(frame);
  }

  /**
   * What is held already. A user that joins others, or catches up with them, may be told once more of what was in its own answer;
   * one who is in step with them may not.
   */
  private again({ topic, seq, fromSeq, newsMessages }: Account, frame: ChannelFrame): void {
    const isJoining = newsMessages < NEWS_TO_JOIN || this.paced;
    if (isJoining || (frame.seq === seq && frame.fromSeq !== fromSeq)) this.counts.overlaps += 1;
    else this.fault('repeat', `${nameOf(topic)}: ${frame.fromSeq} to ${frame.seq} at ${seq}`);
  }

  private applied(account: Account, frame: BookFrame): boolean {
    const { book } = account;
    if (book === null) return true;
    const { badChecksums } = book.counters;
    if (book.apply(frame) === 'applied') return true;
    if (book.counters.badChecksums > badChecksums) this.broken(account, 'checksum', `at ${frame.seq}`);
    else this.broken(account, 'hole', `parts of ${frame.seq} are missing`);
    return false;
  }

  private broken(account: Account, kind: FaultKind, about: string): void {
    if (account.broken) return;
    account.broken = true;
    account.valid = false;
    this.doubted.push(account.topic);
    this.fault(kind, `${nameOf(account.topic)}: ${about}`);
  }

  private fault(kind: FaultKind, about: string): void {
    this.faults[kind] += 1;
    this.options.faulted?.(kind, about);
  }
}

function nameOf({ channel, symbol, group }: TopicFrame): string {
  return topicName(channel, symbol, group);
}
