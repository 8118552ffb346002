// Owns what scenarios ask before they begin: what is listed, who they are, the figures of the gateway's admin port.
// Scenarios call it. Invariant: where the gateway can't be used, the run ends at once with a sentence that says why.

import exec from 'k6/execution';
import http from 'k6/http';
import type { Scenario } from 'k6/options';
import { setTimeout } from 'k6/timers';
import type { Parameters } from './parameters.ts';

/** The number of this user, from 0, over all of the scenario. */
export function userNumber(): number {
  return exec.scenario.iterationInTest;
}

/**
 * All symbols but those of the test's own, in the gateway's order.
 * @throws Error where there are fewer than `countMin`.
 */
export function listedSymbols(parameters: Parameters, countMin = 1): string[] {
  const url = `${parameters.httpUrl}/v1/instruments`;
  const { status, body } = http.get(url, { headers: authorized(parameters) });
  if (status !== 200) {
    const why = status === 0 ? 'nothing answers there' : `it answers with status ${status}`;
    throw new Error(
      `${url}: ${why}. Give a running gateway's address as URL, and a credential as TOKEN where it wants one`,
    );
  }
  const { instruments } = JSON.parse(String(body)) as { instruments: readonly { symbol: string }[] };
  const symbols = instruments.map(({ symbol }) => symbol).filter((symbol) => !symbol.startsWith(OWN_PREFIX));
  if (symbols.length >= countMin) return symbols;
  throw new Error(`${url} lists ${symbols.length} symbols, ${countMin} are needed: start the gateway with --demo`);
}

/** Symbols that a test publishes itself begin so. */
export const OWN_PREFIX = 'K6-';

/** Headers that say who asks. */
export function authorized({ token }: Parameters): Record<string, string> {
  return token === '' ? {} : { Authorization: `Bearer ${token}` };
}

/** One sample of the gateway's metrics; null where there is no admin address, no such metric, or no answer. */
export function gatewayMetric({ adminUrl, adminToken }: Parameters, name: string): number | null {
  if (adminUrl === '') return null;
  const headers: Record<string, string> = adminToken === '' ? {} : { Authorization: `Bearer ${adminToken}` };
  const { status, body } = http.get(`${adminUrl}/metrics`, { headers });
  const [, text] =
    new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'm').exec(status === 200 ? String(body) : '') ?? [];
  return text === undefined ? null : Number(text);
}

/** One scenario of so many users, each of whom runs once. */
export function usersScenario(users: number, maxMs: number): Scenario {
  return { executor: 'per-vu-iterations', vus: users, iterations: 1, maxDuration: `${maxMs}ms` };
}

/** Runs `task` at that time of the wall clock, or at once where it is past. */
export function at(atMs: number, task: () => void): void {
  setTimeout(task, Math.max(0, atMs - Date.now()));
}
