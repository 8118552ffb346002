// Owns which subscriptions there are, asks the gateway for them in few requests, and hands each its frames.
// The client tells it when a connection opens and is lost. Invariant: every line that is not closed is granted, asked for or due to be.

import { type AckFrame, type ChannelFrame, topicName, type WelcomeFrame } from '../protocol/frames.ts';
import type { Endpoints } from './endpoints.ts';
import { ownError, refusalOf, type TickwireError } from './error.ts';
import type { ClientEvents, Emitter, HealEvent, TopicName } from './events.ts';
import { grouping, type Held, noCounters, type StreamHandlers } from './held.ts';
import type { Desk, Line, LineWishes } from './line.ts';
import type { Requests } from './requests.ts';

type Limits = WelcomeFrame['limits'];
/** What one request holds of a line: the line, and its wishes as they were sent. */
type Asked = Map<string, { readonly line: Line; readonly wishes: LineWishes }>;

/** Bytes of a request that its symbol, named twice, and its cursor need at most, in JSON; and those of the rest. */
const CURSOR_BYTES = 80;
const REST_BYTES = 256;

export class Switchboard implements Desk {
  private readonly lines = new Map<string, Line>();
  private readonly due = new Set<Line>();
  private drops: Line[] = [];
  private limits: Limits | null = null;
  private scheduled = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly past: Record<string, number> = {};
  /** Gap events, and the trades that were dropped because their loop was too slow. */
  gaps = 0;
  overflowed = 0;

  constructor(
    private readonly requests: Requests,
    private readonly endpoints: Endpoints,
    private readonly events: Emitter<ClientEvents>,
    private readonly receivedUs: () => number,
    /** Nothing is to continue from what the stream holds of it. */
    private readonly release: (line: Line) => void,
  ) {}

  /** Handlers of the frames that belong to a subscription. */
  readonly handlers: StreamHandlers = {
    topic: (held) => this.lineOf(held)?.announce(held),
    book: (held, _book, frame) => this.data(held, frame),
    quote: (held, frame) => this.data(held, frame),
    trade: (held, frame) => this.data(held, frame),
    status: (held, frame) => this.data(held, frame),
    health: (held) => this.lineOf(held)?.health(held),
    gap: (held, { firstSeq, lastSeq, reason }) => {
      this.lineOf(held)?.gap();
      this.gaps += 1;
      this.events.emit('gap', { ...nameOf(held.topic), firstSeq, lastSeq, reason });
    },
    reset: (held, frame) => {
      this.lineOf(held)?.reset(frame);
      this.events.emit('reset', { ...nameOf(held.topic), seq: frame.seq, reason: frame.reason });
    },
    healed: (held, { how, why }) => this.events.emit('healed', { ...nameOf(held.topic), how, why }),
    resync: (held, reason) => this.events.emit('resync', { ...nameOf(held.topic), reason }),
    end: (held, { reason }) => {
      const line = this.lineOf(held);
      if (line !== undefined) this.end(line, ownError('ended', reason));
    },
  };

  /** @throws TickwireError `already-subscribed`, or `bad-option` for a pattern: what it brings has no line of its own. */
  add<L extends Line>(line: L): L {
    const name = keyOf(line);
    if (/[*@]/.test(line.symbol)) throw ownError('bad-option', 'wildcards and sets: use ClientStream');
    if (this.lines.has(name)) throw ownError('already-subscribed', name);
    this.lines.set(name, line);
    this.ask(line);
    return line;
  }

  /** Sums of what became of all updates, over all subscriptions that there were. */
  totals(): Record<keyof Held['counters'], number> {
    const sums = noCounters();
    for (const each of [this.past, ...[...this.lines.values()].map(({ counters }) => counters)]) addUp(sums, each);
    return sums;
  }

  ask(line: Line): void {
    this.due.add(line);
    this.schedule();
  }

  drop(line: Line): void {
    // What was not sent yet need not be taken back.
    const known = line.granted || !this.due.has(line);
    this.remove(line);
    if (this.limits !== null && known) {
      this.drops.push(line);
      this.schedule();
    }
  }

  healed(line: Line, how: Omit<HealEvent, keyof TopicName>): void {
    this.events.emit('heal', { ...nameOf(line), ...how });
  }

  overflowedBy(line: Line, firstSeq: number, lastSeq: number): void {
    this.overflowed += lastSeq - firstSeq + 1;
    this.gaps += 1;
    this.events.emit('gap', { ...nameOf(line), firstSeq, lastSeq, reason: 'overflow' });
  }

  open(limits: Limits): void {
    this.limits = limits;
    for (const line of this.lines.values()) this.due.add(line);
    this.flush();
  }

  lose(): void {
    this.limits = null;
    this.drops = [];
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    const nowMs = performance.now();
    for (const line of this.lines.values()) line.lose(nowMs);
  }

  /** All is over; `error` says why, null: the user wants it so. */
  close(error: TickwireError | null): void {
    for (const line of [...this.lines.values()]) {
      this.remove(line);
      line.finish(error);
    }
  }

  /** A round trip is over. @returns whether another one would tell more. */
  round(): boolean {
    return [...this.lines.values()].filter((line) => line.round()).length > 0;
  }

  private data(held: Held, frame: ChannelFrame): void {
    this.lineOf(held)?.apply(held, frame, this.receivedUs());
  }

  private lineOf({ topic }: Held): Line | undefined {
    const line = this.lines.get(keyOf(topic));
    return line?.granted === true ? line : undefined;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    // Subscriptions that are made together go out together.
    queueMicrotask(() => {
      this.scheduled = false;
      this.flush();
    });
  }

  private flush(): void {
    const { limits } = this;
    if (limits === null) return;
    // First these: the same topic may have been subscribed to again.
    for (const lines of alike(this.drops.splice(0), ({ channel, group }) => `${channel} ${group}`)) {
      for (const part of portions(lines, limits)) {
        const { channel, group } = part[0]!;
        const symbols = part.map(({ symbol }) => symbol);
        this.requests.ask(
          { op: 'unsubscribe', channel, symbols, ...grouping(group) },
          { done: () => {}, failed: () => {} },
        );
      }
    }
    const due = [...this.due];
    this.due.clear();
    for (const lines of alike(due, wishesOf)) {
      for (const part of portions(lines, limits)) this.subscribe(part);
    }
  }

  private subscribe(lines: readonly Line[]): void {
    const { channel } = lines[0]!;
    const options = lines[0]!.request();
    const asked: Asked = new Map(lines.map((line) => [line.symbol, { line, wishes: line.wishes }]));
    const cursors = lines.flatMap((line) => {
      const cursor = line.cursor();
      return cursor === undefined ? [] : [[line.symbol, cursor] as const];
    });
    const cursor = cursors.length === 0 ? {} : { cursor: Object.fromEntries(cursors) };
    this.requests.ask(
      { op: 'subscribe', channel, symbols: [...asked.keys()], ...options, ...cursor },
      {
        done: (ack) => this.acknowledged(ack as AckFrame, asked),
        failed: (error) => {
          // All lines are asked for again when the connection is back.
          if (error.code === 'connection-lost') return;
          for (const { line, wishes } of asked.values()) this.refused(line, error, wishes);
        },
      },
    );
  }

  private acknowledged({ accepted, refused }: AckFrame, asked: Asked): void {
    for (const entry of accepted) {
      const { line, wishes } = asked.get(entry.symbol) ?? {};
      if (line?.closed === false) line.grant(entry, wishes!);
    }
    for (const entry of refused) {
      const { line, wishes } = asked.get(entry.symbol) ?? {};
      if (line !== undefined) this.refused(line, refusalOf(entry), wishes!);
    }
  }

  private refused(line: Line, error: TickwireError, wishes: LineWishes): void {
    if (line.closed) return;
    const next = line.refuse(error, wishes);
    if (next === 'over') this.remove(line);
    if (next === 'again') this.ask(line);
    if (next === 'later') this.retryLater(line);
    this.events.emit('error', { ...nameOf(line), error });
  }

  private end(line: Line, error: TickwireError): void {
    this.remove(line);
    line.finish(error);
    this.events.emit('error', { ...nameOf(line), error });
  }

  private remove(line: Line): void {
    this.due.delete(line);
    if (this.lines.get(keyOf(line)) !== line) return;
    this.lines.delete(keyOf(line));
    this.release(line);
    addUp(this.past, line.counters);
  }

  /** The gateway may not have loaded it yet. One timer serves all: those that are refused again wait for the next. */
  private retryLater(line: Line): void {
    this.retryTimer ??= setTimeout(() => {
      this.retryTimer = undefined;
      for (const each of this.lines.values()) if (!each.granted) this.ask(each);
    }, this.endpoints.retryMs(line.refusals));
  }
}

function nameOf({ channel, symbol, group = 0 }: TopicName): TopicName {
  return { channel, symbol, ...grouping(group) };
}

function keyOf({ channel, symbol, group }: TopicName): string {
  return topicName(channel, symbol, group);
}

/** Lines of equal wishes can share a request. */
function wishesOf(line: Line): string {
  return JSON.stringify([line.channel, Object.entries(line.request()).sort()]);
}

function alike<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const those = found.get(keyOf(item));
    if (those === undefined) found.set(keyOf(item), [item]);
    else those.push(item);
  }
  return [...found.values()];
}

/** Cuts them to what one request may hold. */
function portions(lines: readonly Line[], { symbolsPerRequest, requestBytes }: Limits): Line[][] {
  const out: Line[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    const more = 2 * line.symbol.length + CURSOR_BYTES;
    if (bytes + more > requestBytes || out.at(-1)!.length >= symbolsPerRequest) {
      out.push([]);
      bytes = REST_BYTES;
    }
    out.at(-1)!.push(line);
    bytes += more;
  }
  return out;
}

function addUp(sums: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + value;
}
