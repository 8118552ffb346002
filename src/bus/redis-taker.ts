// Owns the office of the taker: which gateway takes what is published plainly, one at a time, and the list of symbols whose books it
// took, which the next one finds. The gateway's intake asks it. Invariant: this process counts its time from before it asked, so
// that it has stopped before another can begin.

import { randomBytes } from 'node:crypto';
import type { Clock } from '../ports/clock.ts';
import { RedisFailure, type RedisIdentity, type RedisPort, type RedisReply } from '../ports/redis.ts';
import { REDIS_FORMAT } from './redis-entry.ts';
import { integerOf, listOf, refusalOf, textOf } from './redis-state.ts';

export interface TakerOptions {
  readonly port: Pick<RedisPort, 'call'>;
  readonly clock: Clock;
  /** Begins the names of its keys. */
  readonly prefix: string;
  /** Symbols that are remembered at most. */
  readonly symbolsMax: number;
  /** It begins to be the taker, or was not for a while: messages were missed. `sources`: each symbol's last source. */
  readonly onBegin: (sources: ReadonlyMap<string, string>) => void;
  /** It is the taker no longer. */
  readonly onEnd: () => void;
  readonly onError: (error: unknown) => void;
}

/** How long the office is given for in Redis, and how long it is believed here. */
const LIFE_MS = 3_000;
const BELIEVED_MS = 2_000;
const RENEW_MS = 1_000;
/** Pulses come at about this distance: what is due before the next is done now. */
const PULSE_SLACK_MS = 250;

export class RedisTaker {
  /** The office's key, and the channel on which its release is told. */
  readonly key: string;
  private readonly keys: readonly string[];
  /** Random, so that after any loss of data in Redis no other answers to it. */
  private readonly name = randomBytes(8).toString('hex');
  private replicationId = '';
  private isUp = false;
  private isTaking = false;
  private closed = false;
  private asking = false;
  private askAgain = false;
  private term = 0;
  private untilMs = Number.NEGATIVE_INFINITY;
  private nextAskMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: TakerOptions) {
    this.key = `${options.prefix}:{taker}`;
    this.keys = [this.key, `${this.key}:sources`];
  }

  /** Whether this process is the taker at this moment. */
  get holds(): boolean {
    if (this.isTaking && this.options.clock.nowMs() >= this.untilMs) this.end();
    return this.isTaking;
  }

  up({ replicationId }: RedisIdentity): void {
    // Another server, or this one without its last writes, may have made somebody else the taker.
    if (replicationId !== this.replicationId) this.end();
    this.replicationId = replicationId;
    this.isUp = true;
    this.ask();
  }

  down(): void {
    this.isUp = false;
  }

  /** The one who was the taker has stopped. */
  freed(): void {
    if (!this.holds) this.ask();
  }

  /** To be called twice a second. */
  pulse(): void {
    if (this.options.clock.nowMs() + PULSE_SLACK_MS >= this.nextAskMs) this.ask();
  }

  /** Before the book of a symbol is taken from a source for the first time: so the next taker knows of it in any case. */
  remember(symbol: string, source: string): void {
    this.tell('remember', this.options.symbolsMax, symbol, source);
  }

  forget(symbol: string): void {
    this.tell('forget', symbol);
  }

  /** Gives the office back and never takes it again. */
  close(): void {
    this.closed = true;
    if (this.isTaking || this.asking) this.tell('release');
    this.isTaking = false;
  }

  private tell(what: string, ...args: readonly (string | number)[]): void {
    this.options.port
      .call('taker', this.keys, [REDIS_FORMAT, what, this.name, ...args])
      .catch((error: unknown) => this.failed(error));
  }

  private ask(): void {
    if (this.closed || !this.isUp) return;
    this.askAgain = this.asking;
    if (!this.asking) void this.take();
  }

  private async take(): Promise<void> {
    const { port, clock } = this.options;
    this.asking = true;
    const askedMs = clock.nowMs();
    this.nextAskMs = askedMs + RENEW_MS;
    try {
      const known = this.holds ? this.term : 0;
      const args = [REDIS_FORMAT, 'take', this.name, LIFE_MS, known];
      this.answered(await port.call('taker', this.keys, args), askedMs, known);
    } catch (error) {
      this.failed(error);
    }
    this.asking = false;
    if (this.askAgain) this.ask();
  }

  private answered(reply: RedisReply, askedMs: number, known: number): void {
    if (this.closed) return this.tell('release');
    const refusal = refusalOf(reply);
    if (refusal !== null) throw new Error(`taker: ${refusal}`);
    const [taken, number, ...pairs] = listOf(reply);
    if (taken !== 1) {
      this.nextAskMs = Math.min(this.nextAskMs, askedMs + integerOf(number));
      return this.end();
    }
    if (number !== known) this.end();
    const held = this.holds;
    this.untilMs = askedMs + BELIEVED_MS;
    if (held) return;
    // It was believed to be over when the answer came: the sources, which that does not bring, are asked for.
    this.askAgain = number === known;
    if (this.askAgain || this.options.clock.nowMs() >= this.untilMs) return;
    this.term = integerOf(number);
    this.isTaking = true;
    const sources = new Map<string, string>();
    for (let i = 0; i + 1 < pairs.length; i += 2) sources.set(textOf(pairs[i]), textOf(pairs[i + 1]));
    this.options.onBegin(sources);
  }

  private end(): void {
    if (!this.isTaking) return;
    this.isTaking = false;
    this.options.onEnd();
  }

  private failed(error: unknown): void {
    // Without a connection there is nothing to say that the bus does not say.
    if (!(error instanceof RedisFailure) || error.outcome === 'refused') this.options.onError(error);
  }
}
