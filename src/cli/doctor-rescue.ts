// Owns what is said where the gateway's native part does not load, and with it no command: a sentence, or the doctor's checks of
// Node. Main calls it. Invariant: nothing that it imports needs that part.

import { ExitCode, messageOf } from './complaint.ts';
import { nodeChecks } from './doctor-node.ts';
import { reportJson, reportText } from './doctor-report.ts';
import type { Finding } from './doctor-verdict.ts';

/** Prints why nothing can run here. @returns the exit code. */
export async function explainUnloadable(error: unknown, args: readonly string[]): Promise<number> {
  const checks = nodeChecks(() => {
    throw error;
  });
  const judged = Object.entries(checks).map(async ([id, check]) =>
    [await check()].flat().map((verdict) => ({ ...verdict, id: id as Finding['id'] })),
  );
  const findings = (await Promise.all(judged)).flat();
  if (args[0] !== 'doctor') {
    const reasons = findings
      .filter(({ verdict }) => verdict === 'failure')
      .map(({ found, remedy }) => `\n  - ${found} ${remedy}`);
    process.stderr.write(`tickwire: it can't run here: ${messageOf(error).split('\n')[0]}${reasons.join('')}\n`);
  } else {
    process.stdout.write(
      args.includes('--json') ? reportJson(findings) : reportText(findings, { color: false, verbose: false }),
    );
  }
  return ExitCode.failed;
}
