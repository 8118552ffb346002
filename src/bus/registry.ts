// Owns that all gateways on one Redis list the same instruments and named sets. The Redis bus forwards to it what its port tells;
// feeds, files and HTTP go on to write `Instruments` and `SymbolSets` as if there were no other node. Invariant: what changes here
// holds here at once; when all is quiet every node holds what Redis holds.

import { randomBytes } from 'node:crypto';
import type { Instruments } from '../market/instrument.ts';
import type { SymbolSets } from '../market/sets.ts';
import type { Timer, Timers } from '../ports/clock.ts';
import type { RedisIdentity, RedisPort } from '../ports/redis.ts';
import { RegistryList } from './registry-list.ts';
import { InstrumentShelf, SetShelf } from './registry-shelf.ts';

export interface RegistryOptions {
  readonly port: Pick<RedisPort, 'call' | 'subscribe'>;
  /** Begins every key and channel; default `tickwire`. */
  readonly prefix?: string;
  readonly instruments: Instruments;
  readonly sets: SymbolSets;
  /** Instruments that are taken from Redis at most; asked for each time. */
  readonly instrumentsMax: number;
  /** Names that are remembered as gone at most, in Redis and here; default 10,000. */
  readonly tombstonesMax?: number;
  readonly timers: Timers;
  /** How long `ready` waits for Redis. */
  readonly readyMaxMs: number;
  /** A random name for a list's life in Redis, of letters and digits. */
  readonly newIncarnation?: () => string;
  /** Told once of each kind of fault: an entry that cannot be read, a refused call. */
  readonly onError: (error: Error) => void;
}

const TOMBSTONES_MAX = 10_000;

export class Registry {
  /**
   * Resolves after the first complete read, or after `readyMaxMs` without one. What is listed until then is a beginning: it is
   * written where Redis knows nothing of the name, and else yields. What changes later is a change: it is written.
   */
  readonly ready: Promise<void>;
  private readonly lists: readonly RegistryList[];
  private readonly deadline: Timer;

  constructor(private readonly options: RegistryOptions) {
    const { port, instruments, sets, prefix = 'tickwire', onError } = options;
    const shared = {
      port,
      tombstonesMax: options.tombstonesMax ?? TOMBSTONES_MAX,
      newIncarnation: options.newIncarnation ?? (() => randomBytes(8).toString('hex')),
      onError,
    };
    this.lists = [
      new RegistryList({
        ...shared,
        key: `${prefix}:{instruments}`,
        shelf: new InstrumentShelf(instruments, options),
      }),
      new RegistryList({ ...shared, key: `${prefix}:{sets}`, shelf: new SetShelf(sets) }),
    ];
    this.deadline = options.timers.after(options.readyMaxMs, () => this.settle());
    this.ready = Promise.all(this.lists.map((list) => list.settled)).then(() => this.deadline.cancel());
  }

  /** The channels that it listens to. */
  get channels(): readonly string[] {
    return this.lists.map(({ key }) => key);
  }

  /** Whether what changes here at this moment was changed by another node. */
  get isApplying(): boolean {
    return this.lists.some((list) => list.isApplying);
  }

  /** Names whose change here has not been written yet. */
  get waiting(): number {
    return this.lists.reduce((sum, list) => sum + list.waiting, 0);
  }

  /** What came from Redis and was not taken: unreadable, of a newer format, too many. */
  get skipped(): number {
    return this.lists.reduce((sum, list) => sum + list.skipped, 0);
  }

  up(identity: RedisIdentity): void {
    for (const list of this.lists) list.up(identity);
  }

  down(): void {
    for (const list of this.lists) list.down();
  }

  channelsUp(): void {
    this.options.port.subscribe(this.channels);
  }

  subscribed(channel: string): void {
    this.listOf(channel)?.check();
  }

  /** @returns whether the channel is one of its own. */
  message(channel: string, bytes: Uint8Array): boolean {
    const list = this.listOf(channel);
    list?.message(bytes);
    return list !== undefined;
  }

  /** Looks for missed messages, and tries again what Redis refused. To be called each second or so. */
  check(): void {
    for (const list of this.lists) list.check();
  }

  /** Resolves when nothing is left to read or to write, or nothing can be for now. */
  async idle(): Promise<void> {
    await Promise.all(this.lists.map((list) => list.idle()));
  }

  /** Stops; what is listed stays. */
  close(): void {
    this.settle();
    for (const list of this.lists) list.close();
  }

  private settle(): void {
    for (const list of this.lists) list.settle();
  }

  private listOf(channel: string): RegistryList | undefined {
    return this.lists.find(({ key }) => key === channel);
  }
}
