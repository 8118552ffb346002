// Owns a publisher that has nothing but a client of Redis: it calls the script itself, and knows of no server's id and of no scales.
// The market on Redis sends a share of the updates through it. Invariant: whatever becomes of a call, nobody is told: what was sequenced
// is known from the server alone.

import { RedisFailure } from '../../src/ports/redis.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import type { Kernel, Random } from './kernel.ts';
import { channelOf } from './oracle.ts';
import { isStateful, Publications } from './publications.ts';
import type { SimulatedRedis } from './redis.ts';
import type { Planned } from './venue.ts';

export interface CallerOptions {
  readonly server: SimulatedRedis;
  readonly kernel: Kernel;
  readonly random: Random;
  readonly newId: () => number;
  readonly logEntriesMax: number;
  /** The names of a topic's keys. */
  readonly keysOf: (channel: string, symbol: string) => readonly string[];
}

const LATENCY_MS_MAX = 5;

export class RedisCaller {
  private readonly writer = new ByteWriter();

  constructor(private readonly options: CallerOptions) {}

  /** Topics that begin so are of no server: no restart ends their epochs, only what is seen of them. */
  begin(symbols: Iterable<string>): void {
    for (const symbol of symbols) {
      for (const channel of ['book', 'quote', 'trade', 'status']) {
        this.call('load', channel, symbol, [this.options.newId(), '', '', 'head', 0]);
      }
    }
  }

  /** Updates of one topic. */
  publish(planned: readonly Planned[]): void {
    const { newId, logEntriesMax } = this.options;
    const { symbol, update } = planned[0]!.publication;
    const updates = planned.flatMap(({ publication }) => {
      this.writer.length = 0;
      this.writer.value(Publications.packed(publication));
      return ['', this.writer.copy()];
    });
    const args = [newId(), newId(), '', '', '', '', logEntriesMax, '', ...updates];
    this.call('publish', channelOf(update), symbol, args);
  }

  private call(
    script: 'load' | 'publish',
    channel: string,
    symbol: string,
    args: (string | number | Uint8Array)[],
  ): void {
    const { server, kernel, random, keysOf } = this.options;
    kernel.after(random.between(0, LATENCY_MS_MAX), () => {
      if (!server.running) return;
      try {
        server.run(script, keysOf(channel, symbol), [1, ...args]);
      } catch (error) {
        if (!(error instanceof RedisFailure)) throw error;
      }
    });
  }
}

/** Updates that one call of the script can take, of those that nobody has to refuse before. */
export function isOneTopic(planned: readonly Planned[]): boolean {
  const [first] = planned;
  if (first === undefined) return false;
  return planned.every(({ publication, refusal }) => {
    const { symbol, update } = publication;
    const same = symbol === first.publication.symbol && channelOf(update) === channelOf(first.publication.update);
    return same && isStateful(refusal);
  });
}
