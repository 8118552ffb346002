// Owns `tickwire drain`: has a gateway send its clients elsewhere and end, and shows how far that is. It asks the admin port.
// Main registers it. Invariant: 0 means that the gateway has gone; whoever is interrupted is told that the drain goes on.

import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { DRAIN_PATH } from '../gateway/admin.ts';
import { SETTINGS } from '../settings/settings.ts';
import {
  ADMIN_ENVIRONMENT,
  type AdminFlags,
  type AdminPort,
  addAdminFlags,
  adminPortOf,
  Unanswered,
} from './admin-port.ts';
import { ExitCode } from './complaint.ts';
import { environmentHelp, examplesHelp } from './guide.ts';
import { onInterrupt } from './interrupt.ts';
import { showProgress } from './progress.ts';

const LOOK_MS = 200;
const { drainMs } = SETTINGS;

interface DrainOptions extends AdminFlags {
  /** Commander's form of --no-wait. */
  readonly wait: boolean;
}

interface Draining {
  readonly total: number;
  readonly left: number;
}

export function addDrain(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('drain')
    .summary('send the clients of a gateway elsewhere, and end it')
    .description(
      'Has a gateway take nobody any more, tell its clients when to connect elsewhere, one after the other, and end once they have gone. ' +
        `It is what SIGTERM does; how long it takes is the gateway's setting ${drainMs.env}.`,
    );
  addAdminFlags(command)
    .option('--no-wait', 'begin it, and leave it to itself')
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire drain', 'the gateway on this machine, until it has ended'],
        ['tickwire drain --no-wait', 'from a hook that must not take long'],
        ['tickwire drain --admin http://10.0.0.5:9002', 'one elsewhere, with its token in the environment'],
      ]),
    )
    .addHelpText('after', environmentHelp(ADMIN_ENVIRONMENT))
    .action(async (options: DrainOptions) => {
      ended(await drain(options));
    });
}

async function drain(options: DrainOptions): Promise<number> {
  const { wait } = options;
  const gateway = adminPortOf(options);
  const { total } = draining(gateway, await gateway.post(DRAIN_PATH));
  process.stdout.write(`${gateway.url} drains: ${total} ${total === 1 ? 'client' : 'clients'} to go\n`);
  if (!wait) return ExitCode.done;
  const interrupt = onInterrupt();
  const progress = total > 0 ? showProgress('drained', total) : null;
  try {
    for (;;) {
      await delay(LOOK_MS, null, { signal: interrupt.signal });
      const { left } = draining(gateway, await gateway.get(DRAIN_PATH, interrupt.signal));
      progress?.update(total - left);
    }
  } catch (error) {
    progress?.stop();
    if (interrupt.signal.aborted) {
      process.stderr.write('tickwire: the drain goes on without this command\n');
      return interrupt.exitCode;
    }
    if (!(error instanceof Unanswered)) throw error;
    process.stdout.write('it has ended\n');
    return ExitCode.done;
  } finally {
    interrupt.stop();
  }
}

function draining(gateway: AdminPort, answer: object): Draining {
  const { total, left } = answer as Partial<Draining>;
  return typeof total === 'number' && typeof left === 'number' ? { total, left } : gateway.foreign();
}
