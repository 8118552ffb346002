// Owns the bus on Redis: any number of processes publish into the same sequences and hear the same entries. The gateway makes one
// where Redis is given. Invariant: the promise of bus.ts, whatever becomes of Redis: what can't be vouched for is said
// (`doubt`, `lost`, `epoch`), and what was not taken is refused.

import type { Instrument, InstrumentEvent, Instruments } from '../market/instrument.ts';
import { sameScales } from '../market/instrument.ts';
import type { Quote, StatusChange, UpdateChannel } from '../market/update.ts';
import type { Clock, Timers } from '../ports/clock.ts';
import type { RedisIdentity, RedisListener, RedisPort } from '../ports/redis.ts';
import { RedisFailure } from '../ports/redis.ts';
import { fault } from '../protocol/errors.ts';
import type { Bus, BusListener, Entry, Leased, LeaseRequest, Publication, Published, TopicState } from './bus.ts';
import { Follower, type FollowerCounters, followerCounters, isSucceeded } from './redis-follower.ts';
import { type TopicKeys, topicKeys } from './redis-keys.ts';
import { type PublishingCounters, RedisPublishing, scalesOf } from './redis-publishing.ts';
import { RedisScripts, ScriptRefusal } from './redis-scripts.ts';
import { bookInTurns, bookOf, encodeBase } from './redis-state.ts';
import { RedisWatch, type WatchCounters } from './redis-watch.ts';

/** What shares the bus's connections: it is told of channels that are its own. */
export interface RedisGuest {
  /** Channels that it wants to hear. */
  readonly channels: readonly string[];
  /** Channels whose name begins so are its own as well, where it has subscribed to a pattern of them. */
  readonly beginning?: string;
  up(identity: RedisIdentity): void;
  down(): void;
  subscribed(channel: string): void;
  message(channel: string, bytes: Uint8Array): void;
  /** Twice a second. */
  pulse(): void;
}

export interface RedisBusOptions {
  readonly port: RedisPort;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly instruments: Instruments;
  /** A random non-zero integer below 2^48. */
  readonly newEpoch: () => number;
  readonly prefix: string;
  readonly logEntriesMax: number;
  readonly tombstonesMax: number;
  readonly publishRetryMs: number;
  readonly onError: (error: unknown) => void;
  /** What keeps the instruments the same on all nodes; without it this node's are the truth. */
  readonly instrumentNews?: InstrumentNews;
}

export interface InstrumentNews {
  /** Whether the change of which `Instruments` tells at this moment was made by another node, which has seen to the topics. */
  readonly isForeign: () => boolean;
  /** Resolves when this node knows what the others know, as far as it can be had. */
  readonly settle: () => Promise<void>;
}

export interface RedisBusCounters {
  readonly followers: FollowerCounters;
  readonly publishing: PublishingCounters;
  readonly watch: WatchCounters;
  folds: number;
  /** Connections, each kind counted by itself. */
  ups: number;
  channelsUps: number;
}

const CHANNELS: readonly UpdateChannel[] = ['book', 'quote', 'trade', 'status'];
/** Quiet topics whose head is looked at in one pulse; with more of them each has its turn later. */
const CHECKS_PER_PULSE = 1_000;
const TRIES_MAX = 3;
/** A log that followers see longer than this, in entries, is folded by one of them. */
const UNFOLDED_MAX = 600;
const RESAY_MS = 500;
const VERSION_MIN = [6, 2] as const;

export class RedisBus implements Bus, RedisListener {
  readonly counters: RedisBusCounters;
  private readonly scripts: RedisScripts;
  private readonly publishing: RedisPublishing;
  private readonly watch: RedisWatch;
  private readonly followers = new Map<string, Follower>();
  private readonly guests = new Map<string, RedisGuest>();
  private readonly visitors = new Set<RedisGuest>();
  /** Of the server at the other end of the calls' connection; null: there is none. */
  private identity: RedisIdentity | null = null;
  private readonly canary: string;
  /** What was said here of symbols' sources; that one is in doubt is said again when Redis has come back, the contrary until it was heard. */
  private readonly doubts = new Map<string, boolean>();
  private readonly folding = new Set<string>();
  private channelsStand = false;
  /** Where the round of checks goes on. */
  private checkedTo = 0;
  private warned = '';

  constructor(private readonly options: RedisBusOptions) {
    const { port, clock, timers, instruments, newEpoch, prefix, logEntriesMax, tombstonesMax } = options;
    this.scripts = new RedisScripts({ port, newEpoch, logEntriesMax });
    this.canary = `${prefix}:canary:${newEpoch().toString(36)}`;
    this.publishing = new RedisPublishing({
      clock,
      timers,
      instruments,
      scripts: this.scripts,
      prefix,
      tombstonesMax,
      newNonce: newEpoch,
      retryMs: options.publishRetryMs,
      onFold: (keys, scales) => void this.fold(keys, scales),
      onOtherServer: (keys, epoch, scales) => {
        this.succeed(keys, epoch, scales).catch((error: unknown) => {
          // Without a connection: who publishes next finds it so again.
          if (!(error instanceof RedisFailure)) options.onError(error);
        });
      },
      onOtherScales: (symbol) => void this.settleScales(symbol),
    });
    this.watch = new RedisWatch({
      port,
      clock,
      timers,
      channel: this.canary,
      onSilence: () => this.distrust(),
      onSound: () => this.checkAll(),
      onPulse: () => this.pulse(),
      onIdentity: (identity) => this.identified(identity),
    });
    this.counters = {
      followers: followerCounters(),
      publishing: this.publishing.counters,
      watch: this.watch.counters,
      folds: 0,
      ups: 0,
      channelsUps: 0,
    };
    instruments.watch((event) => this.instrumentChanged(event));
  }

  /** Connects, and goes on trying until `close`. */
  open(): void {
    this.options.port.open(this);
    this.watch.start();
  }

  close(): void {
    this.watch.stop();
    for (const follower of this.followers.values()) follower.stop();
    this.followers.clear();
    this.options.port.close();
  }

  /** Shares the connections with something that has channels or calls of its own, from now on. */
  invite(guest: RedisGuest): void {
    this.visitors.add(guest);
    for (const channel of guest.channels) this.guests.set(channel, guest);
    if (this.identity !== null) guest.up(this.identity);
    if (this.channelsStand) this.options.port.subscribe(guest.channels);
  }

  private get isUp(): boolean {
    return this.identity !== null;
  }

  get followed(): number {
    return this.followers.size;
  }

  /** Whether every topic that is listened to is in step with Redis, as far as this process can tell. */
  get settled(): boolean {
    return this.ready && [...this.followers.values()].every((follower) => follower.settled);
  }

  /** Whether both connections stand. */
  get ready(): boolean {
    return this.isUp && this.channelsStand;
  }

  publish(publications: readonly Publication[]): Promise<Published[]> {
    return this.publishing.publish(publications);
  }

  subscribe(channel: UpdateChannel, symbol: string, listener: BusListener): () => void {
    const keys = this.keysOf(channel, symbol);
    const follower = this.followers.get(keys.topic) ?? this.follow(keys, symbol);
    follower.listeners.add(listener);
    if (follower.doubted) listener.doubt(true);
    return () => {
      if (!follower.listeners.delete(listener) || follower.listeners.size > 0) return;
      follower.stop();
      if (this.followers.get(keys.topic) !== follower) return;
      this.followers.delete(keys.topic);
      this.options.port.unsubscribe([keys.topic]);
    };
  }

  async log(channel: UpdateChannel, symbol: string, fromSeq: number): Promise<Entry[]> {
    const keys = this.keysOf(channel, symbol);
    const { seq } = await this.asked(keys, symbol, (scales) => this.scripts.head(keys, scales));
    const first = Math.max(fromSeq + 1, seq - this.options.logEntriesMax + 1, 1);
    return (await this.scripts.range(keys, first, seq)).map(bare);
  }

  async load(channel: UpdateChannel, symbol: string): Promise<TopicState> {
    const keys = this.keysOf(channel, symbol);
    if (channel === 'book') {
      const stored = await this.asked(keys, symbol, (scales) => this.scripts.book(keys, scales));
      const book = bookOf(stored, stored.entries, this.options.tombstonesMax).state();
      const { epoch, seq, exchangeUs, publishUs } = stored;
      this.followers.get(keys.topic)?.loaded(epoch, seq);
      return { epoch, seq, exchangeUs, publishUs, book, last: null, recent: [] };
    }
    const countMax = channel === 'trade' ? this.options.logEntriesMax : 1;
    const newest = await this.asked(keys, symbol, (scales) => this.scripts.newest(keys, scales, countMax));
    const { epoch, seq, exchangeUs, publishUs, entries } = newest;
    this.followers.get(keys.topic)?.loaded(epoch, seq);
    const recent = channel === 'trade' ? entries.map(bare) : [];
    const last = channel === 'trade' ? null : ((entries.at(-1)?.update ?? null) as Quote | StatusChange | null);
    return { epoch, seq, exchangeUs, publishUs, book: null, last, recent };
  }

  async lease(channel: UpdateChannel, symbol: string, { token, ttlMs }: LeaseRequest): Promise<Leased> {
    if (this.options.instruments.get(symbol) === undefined) return { refused: fault('unknown-symbol', symbol) };
    const keys = this.keysOf(channel, symbol);
    try {
      const held = await this.scripts.lease(keys, token, ttlMs);
      if (held !== token) this.publishing.forgetLease(keys);
      return { token: held, ttlMs };
    } catch (error) {
      if (error instanceof ScriptRefusal && error.code === 'leased') {
        return { refused: fault('leased', `for another ${error.value} ms`) };
      }
      if (error instanceof ScriptRefusal) return { refused: fault('newer-format', error.message) };
      if (error instanceof RedisFailure) return { refused: fault('bus-down', error.message.slice(0, 80)) };
      throw error;
    }
  }

  async release(channel: UpdateChannel, symbol: string, token: number): Promise<boolean> {
    const keys = this.keysOf(channel, symbol);
    this.publishing.forgetLease(keys);
    return this.scripts.release(keys, token);
  }

  doubt(symbol: string, doubted: boolean): void {
    this.doubts.set(symbol, doubted);
    this.sayDoubt(symbol, doubted);
  }

  /** As `doubt`, once: when Redis comes back it is not said again. For those who say it themselves then. */
  sayDoubt(symbol: string, doubted: boolean): void {
    const said = (['book', 'quote'] as const).map((channel) => {
      return this.scripts.doubt(this.keysOf(channel, symbol), doubted);
    });
    Promise.all(said).then(
      () => {
        if (!doubted && this.doubts.get(symbol) === false) this.doubts.delete(symbol);
      },
      (error: unknown) => {
        if (!(error instanceof RedisFailure)) this.options.onError(error);
        else if (error.outcome === 'refused') this.options.timers.after(RESAY_MS, () => this.resayDoubt(symbol));
      },
    );
  }

  /** The server took no writes. */
  private resayDoubt(symbol: string): void {
    const doubted = this.doubts.get(symbol);
    if (doubted !== undefined && this.isUp) this.sayDoubt(symbol, doubted);
  }

  up(identity: RedisIdentity): void {
    this.counters.ups += 1;
    this.identity = identity;
    this.watch.up();
    this.identified(identity);
    // What was under way first: it is older than anything that is published from now on.
    this.publishing.up();
    this.checkAll();
    for (const [symbol, doubted] of this.doubts) this.sayDoubt(symbol, doubted);
    for (const guest of this.visitors) guest.up(identity);
  }

  down(): void {
    this.identity = null;
    this.watch.down();
    for (const guest of this.visitors) guest.down();
  }

  channelsUp(): void {
    this.counters.channelsUps += 1;
    this.channelsStand = true;
    this.watch.channelsUp();
    this.options.port.subscribe([...this.guests.keys(), ...this.followers.keys()]);
  }

  channelsDown(): void {
    this.channelsStand = false;
    this.watch.channelsDown();
    for (const follower of this.followers.values()) follower.cut();
  }

  subscribed(channel: string): void {
    if (channel === this.canary) this.watch.subscribed();
    else this.guests.get(channel)?.subscribed(channel);
    if (this.channelsStand) this.followers.get(channel)?.subscribed();
  }

  message(channel: string, bytes: Uint8Array): void {
    const follower = this.followers.get(channel);
    if (follower !== undefined) follower.receive(bytes);
    else if (channel === this.canary) this.watch.heard();
    else this.guestOf(channel)?.message(channel, bytes);
  }

  private guestOf(channel: string): RedisGuest | undefined {
    const guest = this.guests.get(channel);
    if (guest !== undefined) return guest;
    for (const each of this.guests.values()) {
      if (each.beginning !== undefined && channel.startsWith(each.beginning)) return each;
    }
    return undefined;
  }

  private keysOf(channel: UpdateChannel, symbol: string): TopicKeys {
    return topicKeys(this.options.prefix, channel, symbol);
  }

  private follow(keys: TopicKeys, symbol: string): Follower {
    const { timers, logEntriesMax, onError } = this.options;
    const scales = (): string => this.scalesOf(symbol);
    const follower = new Follower({
      keys,
      scripts: this.scripts,
      scales,
      timers,
      logEntriesMax,
      counters: this.counters.followers,
      onUnfolded: (unfolded) => {
        if (unfolded > UNFOLDED_MAX && keys.channel === 'book') void this.fold(keys, scales());
      },
      onRefused: (refusal) => this.follows(keys, symbol, refusal),
      onError,
    });
    this.followers.set(keys.topic, follower);
    if (!this.channelsStand) follower.cut();
    // Asked at once, on the connection of the calls: what is published after this is heard.
    follower.check();
    if (this.channelsStand) this.options.port.subscribe([keys.topic]);
    return follower;
  }

  private scalesOf(symbol: string): string {
    const instrument = this.options.instruments.get(symbol);
    return instrument === undefined ? '' : scalesOf(instrument);
  }

  /** Calls again where the epoch had to be succeeded first. */
  private async asked<T>(keys: TopicKeys, symbol: string, ask: (scales: string) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await ask(this.scalesOf(symbol));
      } catch (error) {
        if (!isSucceeded(error) || tries >= TRIES_MAX) throw error;
        await this.follows(keys, symbol, error);
      }
    }
  }

  /** The topic's epoch is of another server, or of other scales: another one follows. */
  private async follows(keys: TopicKeys, symbol: string, { code, value }: ScriptRefusal): Promise<void> {
    if (code === 'other-scales') await this.settleScales(symbol);
    else await this.succeed(keys, Number(value), this.scalesOf(symbol));
  }

  /** The topic's epoch is of a server that this one is not: a restart, or a promoted replica. It ends, unless we are the ones who err. */
  private async succeed(keys: TopicKeys, epoch: number, scales: string): Promise<void> {
    const known = this.scripts.replicationId;
    this.identified(await this.options.port.identify());
    if (this.scripts.replicationId === known) await this.scripts.renew(keys, epoch, scales);
  }

  private identified(identity: RedisIdentity): void {
    const { replicationId, version, writable } = identity;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const old = major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1]);
    if (old) this.warn(`Redis ${version} is too old: ${VERSION_MIN.join('.')} or later is needed`);
    else if (!writable) this.warn('this Redis is a replica and takes no writes: give the URL of the primary');
    else this.warned = '';
    if (replicationId === this.scripts.replicationId) return;
    const first = this.scripts.replicationId === '';
    this.scripts.replicationId = replicationId;
    if (first) return;
    for (const follower of this.followers.values()) follower.replaced();
    this.sever();
    this.checkAll();
  }

  /** The channels may still be those of the server before: what they carry is not what this one goes on with. */
  private sever(): void {
    if (!this.channelsStand) return;
    this.channelsDown();
    this.options.port.resetChannels('another server answers the calls');
  }

  private warn(message: string): void {
    if (this.warned === message) return;
    this.warned = message;
    this.options.onError(new Error(message));
  }

  private instrumentChanged(event: InstrumentEvent): void {
    const { instrument, action } = event;
    const rescaled = action === 'changed' && !sameScales(event.before, instrument);
    if (this.options.instrumentNews?.isForeign() !== true) {
      if (rescaled) this.renewAll(instrument, scalesOf(instrument));
      if (action === 'delisted') this.renewAll(instrument, '-');
    }
    // After the calls that begin the next epochs, so that these are what is found.
    if (rescaled) this.forsakeAll(instrument);
  }

  /** Nothing that was known of an instrument's topics means what it did. */
  private forsakeAll({ symbol }: Instrument): void {
    for (const channel of CHANNELS) {
      this.followers.get(this.keysOf(channel, symbol).topic)?.forsake(this.options.newEpoch());
    }
  }

  /** Begins an epoch in all topics of an instrument whose scales are others; nothing happens where another node has done so. */
  private renewAll({ symbol }: Instrument, scales: string): void {
    for (const channel of CHANNELS) {
      this.scripts.renew(this.keysOf(channel, symbol), null, scales).catch((error: unknown) => {
        // Without a connection: who publishes next finds the scales and begins the epoch then.
        if (!(error instanceof RedisFailure)) this.options.onError(error);
      });
    }
  }

  /** The topic is at other scales: either this node has yet to hear of it, or who changed it did not get to the topic. */
  private async settleScales(symbol: string): Promise<void> {
    await this.options.instrumentNews?.settle();
    const instrument = this.options.instruments.get(symbol);
    if (instrument !== undefined) this.renewAll(instrument, scalesOf(instrument));
  }

  private async fold(keys: TopicKeys, scales: string): Promise<void> {
    if (this.folding.has(keys.topic)) return;
    this.folding.add(keys.topic);
    try {
      // A book is folded while others are being published: nobody should wait for the whole of it.
      const breathe = (): Promise<void> => new Promise((resolve) => this.options.timers.soon(resolve));
      const stored = await this.scripts.book(keys, scales, breathe);
      const book = await bookInTurns(stored, stored.entries, this.options.tombstonesMax, breathe);
      await this.scripts.fold(keys, stored.epoch, stored.seq, encodeBase(book.state()));
      this.counters.folds += 1;
    } catch (error) {
      // Whoever publishes next is asked again.
      if (!(error instanceof RedisFailure) && !isSucceeded(error)) this.options.onError(error);
    } finally {
      this.folding.delete(keys.topic);
    }
  }

  private checkAll(): void {
    for (const follower of this.followers.values()) follower.check();
  }

  private distrust(): void {
    for (const follower of this.followers.values()) follower.distrust();
  }

  /** Looks at quiet topics: a last entry that was lost shows in nothing else. */
  private pulse(): void {
    this.publishing.expire();
    for (const guest of this.visitors) guest.pulse();
    if (!this.isUp) return;
    const all = [...this.followers.values()];
    const count = Math.min(all.length, CHECKS_PER_PULSE);
    for (let i = 0; i < count; i++) {
      const follower = all[(this.checkedTo + i) % all.length]!;
      if (!follower.stirred) follower.check();
      follower.stirred = false;
    }
    this.checkedTo = all.length === 0 ? 0 : (this.checkedTo + count) % all.length;
  }
}

function bare({ epoch, seq, update, exchangeUs, publishUs }: Entry): Entry {
  return { epoch, seq, update, exchangeUs, publishUs };
}
