// Owns what a check of the doctor says: its verdict, what was found, what to do. All groups of checks return it, the examination
// gathers it. Invariant: whatever is not right comes with a remedy.

import type { CheckId, GroupName } from './doctor-catalogue.ts';

/** From the best to the worst; `skipped`: it could not be looked at, or does not matter here. */
export const GRADES = ['ok', 'skipped', 'advice', 'warning', 'failure'] as const;
export type Grade = (typeof GRADES)[number];

export interface Verdict {
  readonly verdict: Grade;
  /** One sentence with the value that was found; of what was skipped, why. */
  readonly found: string;
  /** One sentence with a command or a setting; null where there is nothing to do. */
  readonly remedy: string | null;
}

export interface Finding extends Verdict {
  readonly id: CheckId;
}

/** One, or several where each fault has a line of its own. */
export type Judged = Verdict | readonly Verdict[];
/** Each check of a group, to be run on its own. */
export type ChecksOf<Group extends GroupName> = {
  readonly [Id in Extract<CheckId, `${Group}.${string}`>]: () => Judged | Promise<Judged>;
};

export function ok(found: string): Verdict {
  return { verdict: 'ok', found, remedy: null };
}

export function skipped(why: string): Verdict {
  return { verdict: 'skipped', found: why, remedy: null };
}

/** Better otherwise, but nothing goes wrong. */
export function advice(found: string, remedy: string): Verdict {
  return { verdict: 'advice', found, remedy };
}

/** Goes wrong under load, in time, or with a stranger. */
export function warning(found: string, remedy: string): Verdict {
  return { verdict: 'warning', found, remedy };
}

/** The gateway does not start so, or does not do its work. */
export function failure(found: string, remedy: string): Verdict {
  return { verdict: 'failure', found, remedy };
}

export function countText(count: number): string {
  return count.toLocaleString('en-US');
}

export function bytesText(bytes: number): string {
  return bytes < 10 * 2 ** 30
    ? `${countText(Math.round(bytes / 2 ** 20))} MiB`
    : `${countText(Math.round(bytes / 2 ** 30))} GiB`;
}
