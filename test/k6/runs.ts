// Owns runs of load tests by the tests: a scenario by real k6, shortened, against a whole gateway or a planted one, with its figures.
// The suite and `npm run k6:planted` call it. Invariant: what a run has started is over when it returns.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway } from '../../scripts/k6-gateway.ts';
import { type K6Outcome, runK6 } from '../../scripts/k6-run.ts';
import { SCENARIOS } from '../../scripts/k6-scenarios.ts';
import { startPlanted } from './planted.ts';

type Parameters = Readonly<Record<string, string>>;

export interface RunFigures extends K6Outcome {
  readonly deliveries: number;
  readonly sequenceFaults: number;
  readonly checksumFaults: number;
}

/** No bound of time: what is shortened shares its machine with others. */
const UNTIMED = { P99_MS: '0' };

/** Each of the scenarios in a few seconds. */
export const SHORT: Readonly<Record<string, Parameters>> = {
  smoke: { VUS: '4', DURATION: '5s' },
  fanout: { VUS: '40', DURATION: '6s' },
  'connect-storm': { VUS: '150', DURATION: '10s' },
  'reconnect-storm': { VUS: '30', DURATION: '8s', ROUNDS: '2' },
  'slow-readers': { VUS: '20', DURATION: '6s' },
  publish: { VUS: '5', DURATION: '4s' },
  soak: { VUS: '20', DURATION: '8s' },
};

/** A run against a gateway of its own. */
export async function wholeRun(k6: string, scenario: string, parameters: Parameters): Promise<RunFigures> {
  return run(k6, scenario, parameters);
}

/** A run against a gateway that tampers with one delivery of every connection. */
export async function plantedRun(
  k6: string,
  scenario: string,
  fault: 'drop' | 'repeat',
  parameters: Parameters,
): Promise<RunFigures & { readonly planted: number }> {
  const gateway = await startGateway(SCENARIOS[scenario]!);
  try {
    const proxy = await startPlanted(gateway.url, fault);
    try {
      const figures = await run(k6, scenario, { ...parameters, URL: proxy.url, ADMIN_URL: gateway.adminUrl });
      return { ...figures, planted: proxy.planted };
    } finally {
      await proxy.stop();
    }
  } finally {
    await gateway.stop();
  }
}

async function run(k6: string, scenario: string, parameters: Parameters): Promise<RunFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-k6-'));
  try {
    const summary = join(folder, 'summary.json');
    const flags = ['--summary-export', summary];
    const outcome = await runK6({ scenario, k6, parameters: { ...UNTIMED, ...parameters }, flags, output: 'returned' });
    const { metrics } = JSON.parse(readFileSync(summary, 'utf8')) as {
      metrics: Readonly<Record<string, { readonly count?: number }>>;
    };
    const count = (name: string) => metrics[name]?.count ?? 0;
    return {
      ...outcome,
      deliveries: count('tickwire_deliveries'),
      sequenceFaults: count('tickwire_sequence_faults'),
      checksumFaults: count('tickwire_checksum_faults'),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
