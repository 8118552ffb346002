// Owns `npm run k6:planted`: each load test, shortened, against a whole gateway and one that leaves out a delivery of every connection.
// Invariant: it ends with 0 only where each found nothing before the one, and was red (99) and counted the faults before the other.

import { findK6, usualSearch } from '../../scripts/k6-binary.ts';
import { SCENARIOS } from '../../scripts/k6-scenarios.ts';
import { plantedRun, SHORT, wholeRun } from './runs.ts';

const k6 = await findK6(usualSearch((what) => process.stderr.write(`k6: ${what}\n`)));
const row = (...cells: readonly (string | number)[]) =>
  `${String(cells[0]).padEnd(18)}${cells
    .slice(1)
    .map((cell) => String(cell).padStart(11))
    .join('')}\n`;

process.stdout.write(row('', 'whole:', 'faults', 'planted:', '', 'faults', '', ''));
process.stdout.write(
  row('scenario', 'deliveries', 'found', 'tampered', 'sequence', 'checksum', 'exit code', 'verdict'),
);
let wrong = 0;
for (const scenario of Object.keys(SCENARIOS)) {
  const parameters = SHORT[scenario]!;
  // Whether it is quick enough is not asked here: so short a run may be all ramp, on a machine that has other things to do.
  const whole = await wholeRun(k6, scenario, parameters);
  const wholeFaults = whole.sequenceFaults + whole.checksumFaults;
  const { exitCode, planted, sequenceFaults, checksumFaults } = await plantedRun(k6, scenario, 'drop', parameters);
  const found = sequenceFaults + checksumFaults;
  const isRight = whole.deliveries > 0 && wholeFaults === 0 && exitCode === 99 && planted > 0 && found > 0;
  if (!isRight) wrong += 1;
  if (wholeFaults > 0) process.stderr.write(whole.output);
  const figures = [whole.deliveries, wholeFaults, planted, sequenceFaults, checksumFaults, exitCode];
  process.stdout.write(row(scenario, ...figures, isRight ? 'as wanted' : 'WRONG'));
}
process.exitCode = wrong === 0 ? 0 : 1;
