// Owns what all parts of `bench:sessions` are told and give back. The command runs one after the other.
// Invariant: a part that reaches less than it should says so; only one whose audit failed makes the command fail.

import type { Faults } from './messages.ts';

export interface PartOptions {
  readonly rounds: number | null;
  readonly seconds: number | null;
  readonly clients: number | null;
  /** Null: half of what the gateway's saturation was found to be. */
  readonly rate: number | null;
  readonly settleSeconds: number;
  readonly profile: boolean;
  /** Nobody says who they are, rather than by an API key. */
  readonly anonymous: boolean;
  /** Server on core 0, crowd on core 1. */
  readonly pinned: boolean;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly say: (...lines: string[]) => void;
}

/** Runs it. @returns whether everything that was counted was right. */
export type Part = (options: PartOptions) => Promise<boolean>;

/** Says them, if there are any. @returns whether there are none. */
export function tellFaults(what: string, { faults, faultTexts }: Faults, { say }: PartOptions): boolean {
  if (faults > 0) say(`  FAULTS: ${what}: ${faults}: ${faultTexts.join('; ')}`);
  return faults === 0;
}

/** The middle one, or the mean of the two in the middle. NaN of none. */
export function median(values: readonly number[]): number {
  const ordered = [...values].sort((a, b) => a - b);
  const middle = Math.floor(ordered.length / 2);
  return ordered.length % 2 === 1 ? ordered[middle]! : (ordered[middle - 1]! + ordered[middle]!) / 2;
}

/** Of these values, the one that `share` (0 to 1) of them do not exceed. NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[Math.max(0, Math.ceil(ordered.length * share) - 1)] ?? Number.NaN;
}

export function verdict(reached: boolean): string {
  return reached ? 'reached' : 'NOT REACHED';
}
