// Owns the keys that sign the tokens of all gateways of a Redis, where none are set: the first gateway makes one, and each day whoever
// looks first makes the next. The gateway makes one and the bus lends it the connection. Invariant: no key signs before every
// gateway that has a connection has had the time to learn of it.

import type { Clock } from '../ports/clock.ts';
import { RedisFailure, type RedisPort } from '../ports/redis.ts';
import type { RedisGuest } from './redis.ts';
import { REDIS_FORMAT } from './redis-entry.ts';
import { signingKey } from './redis-keys.ts';
import { integerOf, listOf, refusalOf, textOf } from './redis-state.ts';

export interface RedisKeyringOptions {
  readonly port: Pick<RedisPort, 'call'>;
  readonly clock: Clock;
  readonly prefix: string;
  /** A new key, as `TokenKeys.random` makes it. */
  readonly newKey: () => string;
  /** The one that signs here, as a text `id:secret`: it is put back where Redis has lost them all. */
  readonly current: () => string;
  /** Told of the keys at first and whenever they are others, as `TokenKeys.rotate` takes them. */
  readonly onKeys: (keys: string) => void;
  readonly onError: (error: unknown) => void;
  /** A day, unless a test says otherwise. */
  readonly changeMs?: number;
}

const CHANGE_MS = 86_400_000;
const LOOK_MS = 60_000;
/** Ten looks. */
const ANNOUNCED_MS = 600_000;
const KEPT = 3;
/** A token with a key that is not known makes it look, but not more often. */
const SEEK_MS_MIN = 1_000;

export class RedisKeyring implements RedisGuest {
  readonly channels: readonly string[] = [];
  /** Whether Redis has told the keys since the connection stands: tokens that are signed before are good here alone. */
  known = false;
  private isUp = false;
  private lookedMs = Number.NEGATIVE_INFINITY;
  private looking: Promise<void> | null = null;
  private told = '';

  constructor(private readonly options: RedisKeyringOptions) {}

  up(): void {
    this.isUp = true;
    void this.look();
  }

  down(): void {
    this.isUp = false;
    this.known = false;
  }

  subscribed(): void {}
  message(): void {}

  pulse(): void {
    if (this.options.clock.nowMs() - this.lookedMs >= (this.known ? LOOK_MS : SEEK_MS_MIN)) void this.look();
  }

  /** Resolves when Redis has told the keys, or did not; at once where it did a moment ago. Never rejects. */
  seek(): Promise<void> {
    const isRecent = this.known && this.options.clock.nowMs() - this.lookedMs < SEEK_MS_MIN;
    return isRecent ? Promise.resolve() : this.look();
  }

  private look(): Promise<void> {
    if (!this.isUp) return Promise.resolve();
    this.looking ??= this.ask().finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  private async ask(): Promise<void> {
    const { port, prefix, clock, newKey, current, onKeys, onError, changeMs = CHANGE_MS } = this.options;
    this.lookedMs = clock.nowMs();
    try {
      const args = [REDIS_FORMAT, current(), newKey(), changeMs, Math.min(ANNOUNCED_MS, changeMs / 2), KEPT];
      const reply = await port.call('session-keys', [signingKey(prefix)], args);
      const refusal = refusalOf(reply);
      if (refusal !== null) throw new Error(`the keys of tokens: ${refusal}`);
      const [signing, text] = listOf(reply);
      const keys = signerFirst(textOf(text).split(','), integerOf(signing));
      if (keys !== this.told) onKeys(keys);
      this.told = keys;
      this.known = this.isUp;
    } catch (error) {
      // Without a connection: it looks again with the next one.
      if (!(error instanceof RedisFailure) || error.outcome === 'refused') onError(error);
    }
  }
}

function signerFirst(keys: readonly string[], signing: number): string {
  const signer = keys[signing] ?? keys[0]!;
  return [signer, ...keys.filter((key) => key !== signer)].join(',');
}
