// Owns what this node has heard of one topic on Redis: tells its listeners every entry in order, each once, and mends what
// pub/sub loses, doubles or mixes up. The Redis bus makes one per topic that somebody listens to. Invariant: between two entries of
// an epoch that listeners are told, nothing is missing, unless they were told `lost`.

import type { Timer, Timers } from '../ports/clock.ts';
import { RedisFailure } from '../ports/redis.ts';
import { ByteReader } from '../protocol/reader.ts';
import type { BusListener } from './bus.ts';
import { type EntryHead, REDIS_FORMAT, readBody, readHead } from './redis-entry.ts';
import type { TopicKeys } from './redis-keys.ts';
import { type Head, type RedisScripts, ScriptRefusal } from './redis-scripts.ts';
import type { LoggedEntry } from './redis-state.ts';

/** What followers did; read by metrics, tests and the simulator. */
export interface FollowerCounters {
  entries: number;
  duplicates: number;
  /** Times that entries were found to be missing. */
  holes: number;
  /** Entries that were fetched from the log instead of heard. */
  repaired: number;
  /** Times that all that was missing was fetched. */
  mended: number;
  /** Times that the log no longer held what was missing. */
  losses: number;
  /** Epochs that were ended since the sequence had split or gone back. */
  conflicts: number;
  /** Epochs that followed another. */
  epochs: number;
  /** Looks at a topic's head. */
  checks: number;
}

export function followerCounters(): FollowerCounters {
  return { entries: 0, duplicates: 0, holes: 0, repaired: 0, mended: 0, losses: 0, conflicts: 0, epochs: 0, checks: 0 };
}

export interface FollowerOptions {
  readonly keys: TopicKeys;
  readonly scripts: RedisScripts;
  /** The scales of the instrument, as the scripts know them. */
  readonly scales: () => string;
  readonly timers: Timers;
  /** A hole wider than this is not filled entry by entry. */
  readonly logEntriesMax: number;
  readonly counters: FollowerCounters;
  /** The log of the book has grown: somebody should fold it. */
  readonly onUnfolded: (unfolded: number) => void;
  /** The topic's epoch is of another server, or of other scales: begins the next one, or finds that there is one. */
  readonly onRefused: (refusal: ScriptRefusal) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** Nonces of the newest entries that are remembered, to tell a double from a conflict. */
const REMEMBERED = 64;
/** Messages held while the topic is looked at; more of them are left to the log. */
const HELD_MAX = 4_096;
/** Holes are mostly mended sooner: then nobody need be told. */
const MENDING_UNSAID_MS = 50;
const RETRY_MS = 250;
/** Epochs of others that are followed without a pause. */
const REFUSALS_MAX = 3;
const ENTRIES_PER_CHECK = 1_024;

interface Held {
  readonly bytes: Uint8Array;
  /** Of the check before which it came. */
  readonly round: number;
}

export class Follower {
  readonly listeners = new Set<BusListener>();
  /** Entries or control messages since the bus last asked. */
  stirred = true;
  private epoch = 0;
  private seq = 0;
  private readonly nonces = new Float64Array(REMEMBERED);
  /** Entries go on as they come; else they are held. */
  private flowing = false;
  /** The server has confirmed that messages come. */
  private linked = false;
  private held: Held[] = [];
  private round = 0;
  private checking = false;
  private checkAgain = false;
  private stopped = false;
  private retry: Timer | null = null;
  private mending: Timer | null = null;
  private trusted = true;
  private sourceDoubted = false;
  /** The first look failed: what listeners loaded meanwhile may be older than where this begins. */
  private late = false;
  private told = false;
  /** The newest update of the epoch that somebody here was given by a load. */
  private loadedSeq = 0;
  private sinceCheck = 0;
  private readonly head: EntryHead = { format: 0, epoch: 0, seq: 0, publishUs: 0, nonce: 0 };

  constructor(private readonly options: FollowerOptions) {}

  get keys(): TopicKeys {
    return this.options.keys;
  }

  /** Entries go on as they come, and nothing is being looked up. */
  get settled(): boolean {
    return this.flowing && !this.checking;
  }

  get doubted(): boolean {
    return this.told;
  }

  /** Messages come from now on. */
  subscribed(): void {
    this.linked = true;
    this.check();
  }

  /** Messages may be lost from now on. */
  cut(): void {
    this.linked = false;
    this.flowing = false;
    // Whoever answers next need not have it.
    this.held = [];
    this.distrust();
  }

  /** It is no longer sure that messages come, until it was looked at. */
  distrust(): void {
    this.trusted = false;
    this.tellDoubt();
  }

  /** Somebody here has loaded the topic as it was at this update. */
  loaded(epoch: number, seq: number): void {
    if (epoch === this.epoch) this.loadedSeq = Math.max(this.loadedSeq, seq);
  }

  /** The server is another one. What was loaded from the one before, and not heard, may be of another end than what is heard from now on. */
  replaced(): void {
    if (this.loadedSeq > this.seq) this.tellLoss();
  }

  stop(): void {
    this.stopped = true;
    this.retry?.cancel();
    this.mending?.cancel();
  }

  /** Its numbers mean something else from now on: what is known is void. `epoch` is nobody's, until it is known which one follows. */
  forsake(epoch: number): void {
    this.stopFlow();
    this.begin(epoch);
    this.check();
  }

  /** A message of the topic's channel. */
  receive(bytes: Uint8Array): void {
    this.stirred = true;
    const { head } = this;
    try {
      const reader = new ByteReader(bytes);
      readHead(reader, head);
      if (head.format !== REDIS_FORMAT)
        throw new Error(`a message of format ${head.format}: a newer version writes here`);
      if (this.flowing) this.take(head, reader, bytes);
      else this.hold(bytes);
    } catch (error) {
      // Not an entry: whatever it stands for is looked up.
      this.options.onError(error);
      this.check();
    }
  }

  /** Looks where the topic stands, and fetches what is missing. */
  check(): void {
    if (this.checking) {
      this.checkAgain = true;
      return;
    }
    this.checking = true;
    void this.run();
  }

  private async run(): Promise<void> {
    let refusals = 0;
    try {
      do {
        this.checkAgain = false;
        await this.compare().catch((error: unknown) => {
          if (!isSucceeded(error) || ++refusals > REFUSALS_MAX) throw error;
          if (this.epoch === 0) this.late = true;
          this.checkAgain = true;
          return this.options.onRefused(error);
        });
      } while (this.checkAgain && !this.stopped);
    } catch (error) {
      this.failed(error);
    }
    this.checking = false;
  }

  private failed(error: unknown): void {
    if (this.epoch === 0) this.late = true;
    if (this.stopped) return;
    // Without a connection there is nothing to try: the bus checks every topic when it is back.
    if (error instanceof RedisFailure && error.outcome !== 'refused') return;
    this.options.onError(error);
    this.retry?.cancel();
    this.retry = this.options.timers.after(RETRY_MS, () => this.check());
  }

  private async compare(): Promise<void> {
    const { keys, scripts, counters } = this.options;
    const { epoch, seq } = this;
    const round = ++this.round;
    const linked = this.linked;
    counters.checks += 1;
    this.sinceCheck = 0;
    const head = await scripts.head(keys, this.options.scales());
    // Forsaken meanwhile: it is looked at again.
    if (this.stopped || this.epoch !== epoch) return;
    this.sourceDoubted = head.doubted;
    if (epoch === 0) this.join(head);
    else if (head.epoch !== epoch) {
      this.begin(head.epoch);
      await this.catchUp(head);
    } else if (head.seq < seq || this.differs(head)) return this.conflict();
    else if (head.seq > this.seq) await this.catchUp(head);
    if (this.stopped || this.checkAgain) return;
    if (head.seq - head.baseSeq > 0) this.options.onUnfolded(head.seq - head.baseSeq);
    // Without the channel nothing flows; the check that follows its confirmation goes on from here.
    if (linked && this.linked) this.flow(round);
  }

  private join({ epoch, seq, nonce }: Head): void {
    this.epoch = epoch;
    this.seq = seq;
    this.remember(seq, nonce);
    if (!this.late) return;
    this.late = false;
    this.tellLoss();
  }

  private begin(epoch: number): void {
    this.options.counters.epochs += 1;
    this.epoch = epoch;
    this.seq = 0;
    this.loadedSeq = 0;
    this.nonces.fill(0);
    for (const listener of this.listeners) listener.epoch(epoch);
  }

  /** Everybody's sequence has split: it ends here, and whoever sees it first begins the next. */
  private async conflict(): Promise<void> {
    const { keys, scripts, counters, scales } = this.options;
    counters.conflicts += 1;
    await scripts.renew(keys, this.epoch, scales());
    this.checkAgain = true;
  }

  /** Fetches what stands between what was heard last and the head. */
  private async catchUp(head: Head): Promise<void> {
    const { keys, scripts, counters, logEntriesMax } = this.options;
    const { seq } = this;
    const near = head.seq - seq <= logEntriesMax;
    const entries = near ? await scripts.range(keys, Math.max(seq, 1), head.seq) : [];
    if (this.stopped) return;
    // What follows an entry that is no longer there to be compared may be of another end.
    const joined = this.seq === 0 || (entries.length > 0 && entries[0]!.seq <= this.seq);
    for (const entry of joined ? entries : []) {
      // The log is of another epoch by now.
      if (entry.epoch !== this.epoch) {
        this.checkAgain = true;
        return;
      }
      if (this.differs(entry)) return this.conflict();
      if (entry.seq !== this.seq + 1) continue;
      counters.repaired += 1;
      this.deliver(entry, entry.nonce);
    }
    if (this.seq >= head.seq) {
      if (this.seq > seq) counters.mended += 1;
      return;
    }
    counters.losses += 1;
    this.seq = head.seq;
    this.nonces.fill(0);
    this.remember(head.seq, head.nonce);
    this.tellLoss();
  }

  private flow(round: number): void {
    this.trusted = true;
    this.flowing = true;
    this.mending?.cancel();
    this.mending = null;
    const waiting = this.held;
    this.held = [];
    for (const { bytes, round: came } of waiting) {
      const reader = new ByteReader(bytes);
      readHead(reader, this.head);
      // It came before the head was asked for, so the head is newer: what does not fit it is of the past.
      if (came < round && (this.head.epoch !== this.epoch || this.head.seq > this.seq)) continue;
      if (this.flowing) this.take(this.head, reader, bytes);
      else this.held.push({ bytes, round: came });
    }
    this.tellDoubt();
  }

  private take(head: EntryHead, reader: ByteReader, bytes: Uint8Array): void {
    const { counters } = this.options;
    const { seq, nonce } = head;
    if (head.epoch !== this.epoch) return this.halt(bytes);
    if (nonce === 0) return this.takeControl(seq, reader, bytes);
    if (seq === this.seq + 1) {
      const body = readBody(reader);
      if (!('update' in body)) throw new Error('an entry without an update');
      const { publishUs } = head;
      this.deliver({ epoch: head.epoch, seq, publishUs, nonce, ...body }, nonce);
      // Books that are published past the gateways are folded by those who follow them.
      if (++this.sinceCheck >= ENTRIES_PER_CHECK) this.check();
    } else if (seq <= this.seq) {
      const known = this.nonceOf(seq);
      if (known === nonce) counters.duplicates += 1;
      // Too long ago, or another entry of the same number: the head tells.
      else if (known === 0) this.check();
      else this.halt(bytes, true);
    } else {
      counters.holes += 1;
      this.halt(bytes);
    }
  }

  /** An epoch that begins, or a source in doubt: neither has a place in the sequence. */
  private takeControl(seq: number, reader: ByteReader, bytes: Uint8Array): void {
    if (reader.done) return;
    if (seq > this.seq) return this.halt(bytes);
    const body = readBody(reader);
    if (!('doubted' in body)) return;
    this.sourceDoubted = body.doubted;
    this.tellDoubt();
  }

  /** Holds what comes until the topic was looked at. */
  private halt(bytes: Uint8Array, split = false): void {
    this.stopFlow();
    this.hold(bytes);
    if (split) this.split();
    else this.check();
  }

  private stopFlow(): void {
    this.flowing = false;
    this.mending ??= this.options.timers.after(MENDING_UNSAID_MS, () => this.distrust());
  }

  private split(): void {
    this.conflict().then(
      () => this.check(),
      (error: unknown) => this.failed(error),
    );
  }

  private hold(bytes: Uint8Array): void {
    if (this.held.length >= HELD_MAX) this.held = [];
    // A copy, also of a Buffer, whose `slice` would not be one.
    this.held.push({ bytes: new Uint8Array(bytes), round: this.round });
  }

  private deliver(entry: LoggedEntry, nonce: number): void {
    this.options.counters.entries += 1;
    this.seq = entry.seq;
    this.remember(entry.seq, nonce);
    for (const listener of this.listeners) listener.entry(entry);
    if (this.sourceDoubted && entry.update.kind === 'snapshot') {
      this.sourceDoubted = false;
      this.tellDoubt();
    }
  }

  private tellLoss(): void {
    this.loadedSeq = 0;
    for (const listener of this.listeners) listener.lost();
  }

  private tellDoubt(): void {
    const doubted = !this.trusted || this.sourceDoubted;
    if (doubted === this.told) return;
    this.told = doubted;
    for (const listener of this.listeners) listener.doubt(doubted);
  }

  private remember(seq: number, nonce: number): void {
    this.nonces[seq % REMEMBERED] = nonce;
  }

  /** Another entry was heard at its place. */
  private differs({ seq, nonce }: { readonly seq: number; readonly nonce: number }): boolean {
    const known = this.nonceOf(seq);
    return known !== 0 && known !== nonce;
  }

  /** 0 where it is not known. */
  private nonceOf(seq: number): number {
    return seq > 0 && seq > this.seq - REMEMBERED && seq <= this.seq ? this.nonces[seq % REMEMBERED]! : 0;
  }
}

/** Whether the topic's epoch is one that has to end, or has been ended by somebody already. */
export function isSucceeded(error: unknown): error is ScriptRefusal {
  return error instanceof ScriptRefusal && (error.code === 'other-replication' || error.code === 'other-scales');
}
