// Owns what really became of sessions: which tokens were given to whom, what each session had at every moment, who took it. Nodes tell
// it, and it judges every attempt to come back. Invariant: it believes no store: a session that is brought back was had by the same
// principal, is taken once, and is what its connection had when that ended, or as long before as the store may lag.

import type { Fault } from '../../src/protocol/errors.ts';
import { CloseCode } from '../../src/protocol/errors.ts';
import { topicName } from '../../src/protocol/frames.ts';
import type { Connection } from '../../src/sessions/connection.ts';
import type { SavedSession } from '../../src/sessions/continuity.ts';
import { PRIORITY_DEFAULT } from '../../src/topics/subscription.ts';
import type { Kernel } from './kernel.ts';
import type { Life } from './life.ts';
import type { Sharing } from './market.ts';
import { noSessionEvents } from './session-branches.ts';

/** What a session has from a moment on. */
interface Chapter {
  readonly sinceMs: number;
  readonly truth: string;
  /** Whether it was its client's doing: what ends of itself is written with the next change, or in the end. */
  readonly told: boolean;
}

/** One connection's session. */
interface Account {
  readonly session: string;
  /** Whose it was last, and whether it was another's before. */
  principal: string;
  changedHands: boolean;
  /** When it was another's last. */
  formerMs: number;
  readonly life: Life;
  readonly chapters: Chapter[];
  /** When each token was given, the first one first. */
  readonly givenMs: number[];
  /** Since when there is something to bring back; null: nothing is kept of it. */
  keptMs: number | null;
  endedMs: number | null;
  /** Whether its node died with it, so that what waited to be written was lost. */
  orphaned: boolean;
  closeCode: number | null;
  /** Those of its principal who bring tokens of it and were not answered yet. */
  attempts: number;
  /** Whether somebody was not told whether he has it. */
  uncertain: boolean;
  takenMs: number | null;
  /** Losses of the server before it was taken. */
  lossesBefore: number;
}

/** What a genuine token says. */
interface Given {
  readonly session: string;
  readonly generation: number;
  readonly principal: string;
}

export interface Attempt {
  /** Of the connection that brings it. */
  readonly session: string;
  readonly principal: string;
  readonly life: Life;
  readonly token: string;
  /** Whether the node knows the key that signed it. */
  readonly keyKnown: boolean;
}

export interface SessionTimes {
  readonly resumeLifeMs: number;
  readonly resumeRenewMs: number;
}

/** How long a change may wait until it is written where nodes share sessions. */
const CHANGED_MS = 250;
/** Timers that follow each other, a pulse that comes once a second. */
const MARGIN_MS = 60;
const PULSE_MS = 1_000;
const NOTHING = linesOf({ subscriptions: [], maxBytesPerSec: 0, topOfBook: false, watchesInstruments: false });

export class SessionLedger {
  readonly events = noSessionEvents();
  /** What nothing explains. */
  readonly mistakes: Error[] = [];
  private readonly accounts = new Map<string, Account>();
  private readonly given = new Map<string, Given>();
  /** Sessions that somebody was told were taken before. */
  private readonly saidTaken = new Set<Account>();

  constructor(
    private readonly kernel: Kernel,
    readonly times: SessionTimes,
    private readonly sharing: () => Sharing | null,
  ) {}

  begun(connection: Connection, life: Life): void {
    const { id: session, identity } = connection;
    this.accounts.set(session, {
      ...{ session, principal: identity.principal, changedHands: false, life },
      formerMs: Number.NEGATIVE_INFINITY,
      ...{ chapters: [{ sinceMs: this.kernel.nowMs(), truth: NOTHING, told: true }], givenMs: [], keptMs: null },
      ...{
        endedMs: null,
        orphaned: false,
        closeCode: null,
        attempts: 0,
        uncertain: false,
        takenMs: null,
        lossesBefore: 0,
      },
    });
  }

  signed(token: string, { session, generation, principal }: Given): void {
    this.events['tokens given'] += 1;
    this.given.set(token, { session, generation, principal });
    const account = this.accounts.get(session)!;
    const { givenMs } = account;
    if (account.principal !== principal) {
      account.formerMs = this.kernel.nowMs();
      account.changedHands = true;
      account.principal = principal;
    }
    // As long as nothing is kept, another token is in place of the first.
    if (account.keptMs === null) givenMs.length = 0;
    if (generation !== givenMs.length + 1) this.fail(`token ${generation} of ${session} after ${givenMs.length}`);
    givenMs.push(this.kernel.nowMs());
  }

  /** There is something to bring back. */
  kept({ id }: Connection): void {
    const account = this.accounts.get(id)!;
    if (account.givenMs.length > 0) account.keptMs ??= this.kernel.nowMs();
  }

  /** What the connection has may be something else. Where a state is asked for once, in the end, the end is what counts. */
  noted(connection: Connection, told = true): void {
    if (this.sharing() !== null) this.note(connection, told);
  }

  private note(connection: Connection, told: boolean): void {
    const account = this.accounts.get(connection.id)!;
    if (account.endedMs !== null || connection.closed) return;
    const truth = truthOf(connection);
    if (account.chapters.at(-1)!.truth !== truth) account.chapters.push({ sinceMs: this.kernel.nowMs(), truth, told });
  }

  /** The connection is over, while it still has its subscriptions. */
  ended(connection: Connection, orphaned: boolean): void {
    this.note(connection, true);
    const account = this.accounts.get(connection.id)!;
    account.endedMs = this.kernel.nowMs();
    account.orphaned = orphaned;
  }

  closed(connection: Connection, code: number): void {
    this.accounts.get(connection.id)!.closeCode = code;
  }

  /** Somebody brings a token. @returns to be called with the outcome. */
  attempted(attempt: Attempt): (outcome: SavedSession | Fault) => void {
    const given = this.given.get(attempt.token);
    const account = given && this.accounts.get(given.session);
    if (given === undefined || account === undefined) return (outcome) => this.judgeForged(outcome);
    const open = account.endedMs === null;
    const lossesBefore = this.losses;
    const mine = attempt.principal === given.principal;
    if (mine) account.attempts += 1;
    return (outcome) => {
      if (mine) account.attempts -= 1;
      const code = 'code' in outcome ? outcome.code : 'resumed';
      this.events[`outcome ${code}` as keyof typeof this.events] += 1;
      if (code === 'not-ready') {
        // It may have been done all the same.
        account.uncertain = true;
        if (this.sharing()?.isTroubled !== true) this.fail(`${given.session}: not ready, and nothing is wrong`);
      } else if ('code' in outcome) this.judgeRefused(account, given, attempt, outcome.code, mine);
      else this.judgeTaken(account, given, attempt, outcome, { open, lossesBefore });
    };
  }

  /** From time to time: connections whose sessions went on elsewhere are closed. */
  check(): void {
    if (this.mistakes.length > 0) throw this.mistakes[0];
    const { sharing } = this;
    if (sharing()?.isTroubled === true) return;
    const graceMs = this.times.resumeRenewMs + 2 * PULSE_MS + this.lagMs;
    for (const { takenMs, endedMs, session } of this.accounts.values()) {
      if (takenMs === null || endedMs !== null || this.kernel.nowMs() < takenMs + graceMs) continue;
      throw new Error(`connection ${session} is open, and its session went on elsewhere ${graceMs} ms ago`);
    }
  }

  /** After all is over. */
  checkEnd(): void {
    this.check();
    for (const { takenMs, attempts, uncertain, session } of this.saidTaken) {
      if (takenMs === null && attempts === 0 && !uncertain)
        throw new Error(`session ${session} was said to be used, and was not`);
    }
  }

  private get losses(): number {
    return this.sharing()?.losses ?? 0;
  }

  /** How much older than now it may be what other nodes know of a session. */
  private get lagMs(): number {
    const shared = this.sharing();
    return shared === null ? 0 : CHANGED_MS + this.flightMs;
  }

  /** How long it may take until what is sent to the store is done there. */
  private get flightMs(): number {
    return 2 * (this.sharing()?.delayMsMax ?? 0) + MARGIN_MS;
  }

  private judgeForged(outcome: SavedSession | Fault): void {
    const code = 'code' in outcome ? outcome.code : 'resumed';
    this.events[`outcome ${code}` as keyof typeof this.events] += 1;
    if (code !== 'bad-token') this.fail(`a token that nobody gave: ${code}`);
  }

  private judgeTaken(
    account: Account,
    { session, generation, principal }: Given,
    attempt: Attempt,
    saved: SavedSession,
    before: { readonly open: boolean; readonly lossesBefore: number },
  ): void {
    const { times, lagMs } = this;
    const nowMs = this.kernel.nowMs();
    const shared = this.sharing();
    const troubled = shared?.isTroubled === true;
    const own = account.principal;
    // What was under way when it changed hands may have been first; in trouble the server may hear of it late, or forget it.
    const isSettled = !troubled && nowMs > account.formerMs + this.flightMs;
    const wasOthers = own !== principal && isSettled;
    if (attempt.principal !== principal || wasOthers) {
      this.fail(`${session} of ${own} was brought back by ${attempt.principal}`);
    }
    if (account.keptMs === null) return this.fail(`${session} was taken, and nothing was kept of it`);
    if (account.takenMs !== null) {
      if (account.lossesBefore === this.losses) this.fail(`${session} was taken twice`);
      this.events['taken again after a loss'] += 1;
    }
    const newest = account.givenMs.filter((givenMs) => givenMs < nowMs - lagMs || lagMs === 0).length;
    if (generation < newest - 1 && !troubled) this.fail(`${session}: token ${generation} was taken after ${newest}`);
    const lastMs = account.endedMs === null || account.orphaned ? times.resumeRenewMs : 0;
    const fromMs =
      shared === null
        ? (account.endedMs ?? Math.max(account.givenMs.at(-1)!, account.keptMs))
        : (account.endedMs ?? nowMs);
    if (!troubled && nowMs > fromMs + lastMs + times.resumeLifeMs + lagMs) this.fail(`${session} was taken too late`);
    this.compare(account, session, saved, troubled);
    account.takenMs = nowMs;
    // The server may lose it while the answer is on its way.
    account.lossesBefore = before.lossesBefore;
    if (!before.open) return;
    this.events['taken while connected'] += 1;
    // Where its store is the one that took it, at once.
    if (shared !== null) return;
    if (account.endedMs === null) this.fail(`${session} was taken, and its connection is open`);
    // Its client may have gone at the same moment.
    const { closeCode } = account;
    if (closeCode !== null && closeCode !== CloseCode.resumed) {
      this.fail(`${session} was taken, and closed with ${closeCode}`);
    }
  }

  private compare(
    { endedMs, orphaned, chapters }: Account,
    session: string,
    saved: SavedSession,
    troubled: boolean,
  ): void {
    const atMs = Math.min(endedMs ?? this.kernel.nowMs(), this.kernel.nowMs());
    const fromMs = troubled ? 0 : atMs - this.lagMs;
    const brought = linesOf(saved);
    // Until when each is to be had: until something else was written.
    const lastMs = endedMs === null || orphaned ? Number.POSITIVE_INFINITY : endedMs;
    const possible = chapters.filter(({ sinceMs }, i) => {
      const next = chapters.slice(i + 1);
      const untilMs = next.find(({ told }) => told)?.sinceMs ?? (next.length > 0 ? lastMs : Number.POSITIVE_INFINITY);
      return sinceMs <= atMs && untilMs >= fromMs;
    });
    // Once its end was written only the last counts.
    const written = !troubled && !orphaned && endedMs !== null && this.kernel.nowMs() > endedMs + this.flightMs;
    const counted = this.lagMs === 0 || written ? possible.slice(-1) : possible;
    if (counted.some(({ truth }) => truth === brought)) return;
    this.fail(`${session} had\n${counted.map(({ truth }) => truth).join('\nor\n')}\nand got back\n${brought}`);
  }

  private judgeRefused(account: Account, given: Given, attempt: Attempt, code: string, mine: boolean): void {
    const { session, generation } = given;
    if (code === 'bad-token') {
      if (attempt.keyKnown && attempt.session !== session) this.fail(`${session}: its own token is bad`);
      return;
    }
    if (!mine) {
      if (code !== 'foreign-token') this.fail(`${session}: ${code} to another principal`);
      return;
    }
    // Another had it before, and may have taken it at the same moment.
    if (account.changedHands) return;
    if (code === 'used-token') this.saidTaken.add(account);
    else if (code !== 'expired-token') this.fail(`${session}: ${code}`);
    else if (this.isGood(account, generation, attempt))
      this.fail(`${session}: token ${generation} was refused though good`);
  }

  /** Whether it must be taken by anybody who brings it, as sure as can be. */
  private isGood({ givenMs, ...account }: Account, generation: number, { life }: Attempt): boolean {
    const { times, lagMs } = this;
    const nowMs = this.kernel.nowMs();
    const shared = this.sharing();
    if (account.takenMs !== null || account.attempts > 0 || generation < givenMs.length - 1) return false;
    if (account.keptMs === null) return false;
    if (shared === null) {
      if (account.life !== life) return false;
      const lastMs = account.endedMs ?? givenMs.at(-1)! + times.resumeRenewMs;
      return nowMs < lastMs + times.resumeLifeMs;
    }
    const toldMs = Math.max(givenMs[generation - 1]!, account.keptMs) + lagMs;
    if (shared.isTroubled || nowMs < toldMs || (account.endedMs ?? toldMs) < toldMs) return false;
    return nowMs < (account.endedMs ?? givenMs.at(-1)!) + times.resumeLifeMs - lagMs;
  }

  private fail(what: string): void {
    this.mistakes.push(new Error(`session ${what}`));
  }
}

/** What the connection has now. */
function truthOf({ subscriptions, wishes, watchesInstruments }: Connection): string {
  const all = [...subscriptions.values()].map(({ topic, asked: { depth, intervalMs, mode }, priority }) =>
    lineOf(topic.name, depth, intervalMs, mode, priority),
  );
  return textOf(all, wishes.maxBytesPerSec, wishes.topOfBook, watchesInstruments);
}

function linesOf({ subscriptions, maxBytesPerSec, topOfBook, watchesInstruments }: SavedSession): string {
  const all = subscriptions.flatMap(({ channel, symbols, group, depth = 0, interval = 0, mode = 'live', priority }) =>
    symbols.map((symbol) =>
      lineOf(topicName(channel, symbol, group), depth, interval, mode, priority ?? PRIORITY_DEFAULT),
    ),
  );
  return textOf(all, maxBytesPerSec, topOfBook, watchesInstruments);
}

function lineOf(name: string, depth: number, intervalMs: number, mode: string, priority: number): string {
  return `${name} depth ${depth} interval ${intervalMs} ${mode} priority ${priority}`;
}

function textOf(lines: string[], bytesPerSec: number, topOfBook: boolean, watches: boolean): string {
  return [...lines.sort(), `${bytesPerSec} bytes a second, top of book ${topOfBook}, watches ${watches}`].join('\n');
}
