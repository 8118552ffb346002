// Owns the log: lines of JSON on a stream, one for each event of the catalogue, without secrets, of bounded length and number. The
// gateway and the commands that start one tell it what happened. Invariant: nothing that a client controls makes two lines of one, or a
// long one; what is left out is counted and said; and no line can end the process.

import { pino } from 'pino';
import { type Clock, systemClock, systemTimers, type Timer, type Timers } from '../ports/clock.ts';
import { logCounters } from '../ports/log-counters.ts';
import { type FieldsOf, LOG_EVENTS, LOG_LEVELS, type Log, type LogEvent, type LogLevel } from '../ports/log-events.ts';
import type { Settings } from '../settings/settings.ts';
import { Censor } from './log-text.ts';

export type LogSettings = Pick<
  Settings,
  'logLevel' | 'logLinesPerSecMax' | 'publishToken' | 'adminToken' | 'redisUrl' | 'resumeKeys'
>;

interface LogOptions {
  readonly clock: Clock;
  readonly timers: Timers;
}

/** What the level is, and until when. */
export interface LogLevelState {
  readonly level: LogLevel;
  /** That of the setting, which holds again when the other one's time is over. */
  readonly configured: LogLevel;
  /** Until the configured one holds again, in milliseconds; null: nobody has said. */
  readonly leftMs: number | null;
}

const STDERR = 2;
/** Lines that wait where they can't be written. */
const WAITING_BYTES_MAX = 1_048_576;
/** The span that lines are counted over. */
const SPAN_MS = 1_000;
/** Mistakes of ours are counted by their message, so that a frequent one hides no other: so many of them at once. */
const MISTAKES_MAX = 50;
const MISTAKE_CHARS = 80;

/** Where nothing but the catalogue's fields is written anyway. */
const REDACTED = ['authorization', 'credential', 'password', 'passphrase', 'secret', 'token', 'key', 'cookie'];
const REDACT_PATHS = REDACTED.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

export interface LogBase {
  readonly version: string;
  /** Random, another one with each start: tells processes apart whose lines come together. */
  readonly nodeId: string;
}

/**
 * Lines of JSON with `level` as a word and `time` in ISO 8601, UTC, in milliseconds: whatever collects lines reads both, and so do people.
 * @param destination stderr unless said otherwise; stdout belongs to what a command is asked for.
 */
export function openLogger(level: string, base: LogBase, destination = openStream(STDERR)): pino.Logger {
  return pino(
    {
      level,
      base: { service: 'tickwire', ...base },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACT_PATHS, censor: '***' },
    },
    destination,
  );
}

/** A stream whose faults end nothing. */
export function openStream(fd: number): pino.DestinationStream {
  const stream = pino.destination({ fd, sync: true, maxLength: WAITING_BYTES_MAX });
  const lost = (): void => {
    logCounters.dropped += 1;
  };
  // A full disk, or nobody who reads: it serves on without its log, and keeps little of it.
  stream.on('error', lost);
  stream.on('drop', lost);
  return stream;
}

/** Whether somebody's text is a level. */
export function isLogLevel(text: unknown): text is LogLevel {
  return LOG_LEVELS.some((level) => level === text);
}

/** Tells a pino logger, whatever its lines look like. */
export class EventLog implements Log {
  private readonly censor: Censor;
  private configured: LogLevel;
  private reverting: { readonly timer: Timer; readonly atMs: number } | null = null;
  /** Lines of this span, by event. */
  private readonly written = new Map<string, number>();
  /** What was left out in it. */
  private omitted = new Map<string, number>();
  private spanEndMs = 0;
  private summary: Timer | null = null;

  constructor(
    private readonly logger: pino.Logger,
    private readonly settings: LogSettings,
    private readonly options: LogOptions = { clock: systemClock, timers: systemTimers },
  ) {
    this.censor = new Censor(settings);
    this.configured = isLogLevel(logger.level) ? logger.level : 'info';
  }

  writes(event: LogEvent): boolean {
    return this.logger.isLevelEnabled(LOG_EVENTS[event].level);
  }

  tell<E extends LogEvent>(event: E, fields: FieldsOf<E>): void {
    if (!this.writes(event)) return;
    if (!this.hasRoom(event, fields)) return;
    this.write(event, fields);
  }

  get level(): LogLevelState {
    const { reverting, configured } = this;
    const leftMs = reverting === null ? null : Math.max(0, Math.round(reverting.atMs - this.options.clock.nowMs()));
    return { level: this.logger.level as LogLevel, configured, leftMs };
  }

  /** Takes over the setting. While another level is in force for a time, it holds when that is over. */
  configure(level: LogLevel): void {
    this.configured = level;
    if (this.reverting === null) this.change(level, null);
  }

  /** Another level than the setting's. `forMs` null: until it is changed again. */
  override(level: LogLevel, forMs: number | null): void {
    this.reverting?.timer.cancel();
    this.reverting = null;
    if (forMs !== null) {
      const timer = this.options.timers.after(forMs, () => {
        this.reverting = null;
        this.change(this.configured, null);
      });
      this.reverting = { timer, atMs: this.options.clock.nowMs() + forMs };
    }
    this.change(level, forMs);
  }

  /** Says at once what was left out, and keeps no timer. The log can still be used. */
  settle(): void {
    this.reverting?.timer.cancel();
    this.reverting = null;
    this.sum();
  }

  private change(level: LogLevel, forMs: number | null): void {
    if (level === this.logger.level) return;
    this.logger.level = level;
    this.tell('log.level', { logLevel: level, forMs });
  }

  /** Counts a line; where there were enough of its event in this second, it is only counted. */
  private hasRoom(event: LogEvent, fields: object): boolean {
    const { logLinesPerSecMax } = this.settings;
    if (logLinesPerSecMax === 0) return true;
    const nowMs = this.options.clock.nowMs();
    if (nowMs >= this.spanEndMs) {
      this.sum();
      this.written.clear();
      this.spanEndMs = nowMs + SPAN_MS;
    }
    const key = this.keyOf(event, fields);
    const count = (this.written.get(key) ?? 0) + 1;
    this.written.set(key, count);
    if (count <= logLinesPerSecMax) return true;
    logCounters.dropped += 1;
    const { code } = fields as { code?: unknown };
    const name = typeof code === 'string' ? `${event} ${code}` : event;
    this.omitted.set(name, (this.omitted.get(name) ?? 0) + 1);
    this.summary ??= this.options.timers.after(this.spanEndMs - nowMs, () => this.sum());
    return false;
  }

  private keyOf(event: LogEvent, fields: object): string {
    if (event !== 'internal.error') return event;
    const { error } = fields as { error?: unknown };
    const key = `${event} ${String(error instanceof Error ? error.message : error).slice(0, MISTAKE_CHARS)}`;
    return this.written.has(key) || this.written.size < MISTAKES_MAX ? key : event;
  }

  private sum(): void {
    this.summary?.cancel();
    this.summary = null;
    if (this.omitted.size === 0) return;
    const omitted = Object.fromEntries(this.omitted);
    this.omitted = new Map();
    // Also where the level is above that of the summary: errors of ours are never left out in silence.
    if ('internal.error' in omitted || this.writes('log.omitted')) this.write('log.omitted', { omitted }, 'error');
  }

  private write<E extends LogEvent>(event: E, fields: FieldsOf<E>, atLeast?: 'error'): void {
    const { level: usual, message } = LOG_EVENTS[event];
    const level = atLeast !== undefined && !this.logger.isLevelEnabled(usual) ? atLeast : usual;
    this.logger[level]({ event, ...this.censor.fields(fields) }, message);
    logCounters.lines[level] += 1;
  }
}
