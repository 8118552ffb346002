// Owns the watch over both connections to Redis: a canary each second, and what takes too long. The Redis bus starts it. Invariant:
// a connection that stands but carries nothing is found within three seconds, and dropped.

import type { Clock, Timer, Timers } from '../ports/clock.ts';
import { RedisFailure, type RedisIdentity, type RedisPort } from '../ports/redis.ts';

export interface WatchOptions {
  readonly port: RedisPort;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The channel on which this process hears its own canary. */
  readonly channel: string;
  /** Messages can't be relied upon from now on. */
  readonly onSilence: () => void;
  /** Messages come again, on the same connection: what was missed has to be looked up. */
  readonly onSound: () => void;
  /** Every half second. */
  readonly onPulse: () => void;
  readonly onIdentity: (identity: RedisIdentity) => void;
}

export interface WatchCounters {
  canaries: number;
  /** Canaries that were published, and not heard in time. */
  unheard: number;
  /** Calls that stayed without an answer for too long, and connections that never came about. */
  unanswered: number;
  /** How long the last canary that was heard took through Redis and back; null: none was heard yet. */
  canaryMs: number | null;
}

const PULSE_MS = 250;
const CANARY_EVERY_PULSES = 3;
const BUS_EVERY_PULSES = 2;
/** A pulse that comes so much after the one before tells nothing of Redis. */
const STANDSTILL_MS_MIN = 2 * PULSE_MS;
/** With a pulse and the canary's distance: less than three seconds. Long enough for a Redis that is only slow. */
const SILENCE_MS_MAX = 1_750;
/** A connection that has not come about by then is tried anew. */
const GREETING_MS_MAX = 1_500;

const EMPTY = new Uint8Array(0);

export class RedisWatch {
  readonly counters: WatchCounters = { canaries: 0, unheard: 0, unanswered: 0, canaryMs: null };
  private timer: Timer | null = null;
  private pulses = 0;
  private pulsedMs = Number.POSITIVE_INFINITY;
  /** Whether the last pulse judged nothing. */
  private excused = false;
  /** When the oldest call of the watch that has no answer was made; null: none is under way. */
  private askedMs: number | null = null;
  /** When the oldest canary that was not heard was published. */
  private sungMs: number | null = null;
  private silent = false;
  private callsUp = false;
  private heardChannel = false;
  private callsSinceMs = 0;
  private channelsSinceMs = 0;
  private channelsStand = false;

  constructor(private readonly options: WatchOptions) {}

  start(): void {
    this.callsSinceMs = this.options.clock.nowMs();
    this.channelsSinceMs = this.callsSinceMs;
    this.pulse();
  }

  stop(): void {
    this.timer?.cancel();
  }

  up(): void {
    this.callsUp = true;
    this.askedMs = null;
  }

  down(): void {
    this.callsUp = false;
    this.callsSinceMs = this.options.clock.nowMs();
    this.askedMs = null;
  }

  channelsUp(): void {
    this.channelsStand = true;
    this.heardChannel = false;
    this.sungMs = null;
    this.channelsSinceMs = this.options.clock.nowMs();
    this.options.port.subscribe([this.options.channel]);
  }

  channelsDown(): void {
    this.channelsStand = false;
    this.heardChannel = false;
    this.sungMs = null;
    this.channelsSinceMs = this.options.clock.nowMs();
  }

  /** The server confirms the canary's channel. */
  subscribed(): void {
    this.heardChannel = true;
  }

  /** The canary was heard. */
  heard(): void {
    if (this.sungMs !== null) this.counters.canaryMs = this.options.clock.nowMs() - this.sungMs;
    this.sungMs = null;
    if (!this.silent) return;
    this.silent = false;
    this.options.onSound();
  }

  private pulse(): void {
    this.timer = this.options.timers.after(PULSE_MS, () => this.pulse());
    const nowMs = this.options.clock.nowMs();
    // It was this process that stood still: what came meanwhile is read after the timers, so the next pulse judges.
    this.excused = nowMs - this.pulsedMs > STANDSTILL_MS_MIN && !this.excused;
    this.pulsedMs = nowMs;
    if (!this.excused) {
      this.checkCalls(nowMs);
      this.checkChannels(nowMs);
    }
    if (this.pulses % CANARY_EVERY_PULSES === 0 && this.callsUp) this.sing(nowMs);
    if (this.pulses % BUS_EVERY_PULSES === 0) this.options.onPulse();
    this.pulses += 1;
  }

  private checkCalls(nowMs: number): void {
    const { port } = this.options;
    const sinceMs = this.callsUp ? this.askedMs : this.callsSinceMs;
    if (sinceMs === null || nowMs - sinceMs <= (this.callsUp ? SILENCE_MS_MAX : GREETING_MS_MAX)) return;
    this.counters.unanswered += 1;
    this.askedMs = null;
    this.callsSinceMs = nowMs;
    port.resetCalls('no answer in time');
  }

  private checkChannels(nowMs: number): void {
    const { port } = this.options;
    const unheard = this.sungMs !== null && nowMs - this.sungMs > SILENCE_MS_MAX;
    const unborn = !this.heardChannel && nowMs - this.channelsSinceMs > GREETING_MS_MAX;
    if (unheard && !this.silent) {
      this.silent = true;
      this.options.onSilence();
    }
    // As long as calls fail as well, it is they that are mended first.
    if ((!unheard && !unborn) || (unheard && !this.callsUp)) return;
    this.counters.unheard += 1;
    this.sungMs = null;
    this.channelsSinceMs = nowMs;
    port.resetChannels(this.channelsStand ? 'the canary was not heard' : 'no connection in time');
  }

  private sing(nowMs: number): void {
    const { port, channel, onIdentity } = this.options;
    this.counters.canaries += 1;
    this.askedMs ??= nowMs;
    if (this.heardChannel) this.sungMs ??= nowMs;
    port.publish(channel, EMPTY).catch(() => {});
    port.identify().then(
      (identity) => {
        this.askedMs = null;
        onIdentity(identity);
      },
      (error: unknown) => {
        // A refusal is an answer, too.
        if (error instanceof RedisFailure && error.outcome === 'refused') this.askedMs = null;
      },
    );
  }
}
