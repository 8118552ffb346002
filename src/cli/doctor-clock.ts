// Owns the doctor's checks of the clock: a possible date, kept by NTP, without steps. The examination runs them; the difference to
// Redis is a check of redis. Invariant: a machine that does not say whether its clock is kept is never blamed for it.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { type ChecksOf, failure, ok, skipped, type Verdict, warning } from './doctor-verdict.ts';

/** The gateway is younger than that. */
export const DATE_MIN_MS = Date.UTC(2025, 0, 1);
/** Half an hour of drift or one step of NTP's would be less. */
export const STEP_MS_MAX = 250;
const ASKED_MS_MAX = 2_000;

const run = promisify(execFile);

/** Null: nothing here knows. */
export interface Keeping {
  readonly by: string;
  readonly kept: boolean;
}

export function clockChecks(signal: AbortSignal): ChecksOf<'clock'> {
  return {
    'clock.date': () => judgeDate(Date.now()),
    'clock.kept': async () => judgeKeeping(await readKeeping(signal)),
    'clock.steps': () => judgeSteps(Date.now() - performance.timeOrigin - performance.now()),
  };
}

export function judgeDate(nowMs: number): Verdict {
  const found = `It is ${new Date(nowMs).toISOString()}`;
  return nowMs >= DATE_MIN_MS
    ? ok(`${found}.`)
    : failure(
        `${found}, which can't be: certificates and JWTs are refused.`,
        'Set the clock: timedatectl set-ntp true.',
      );
}

export function judgeKeeping(keeping: Keeping | null): Verdict {
  if (keeping === null)
    return skipped('Nothing here tells whether the clock is kept; in a container the machine around it does it.');
  return keeping.kept
    ? ok(`${keeping.by} keeps the clock.`)
    : warning(
        `${keeping.by} says that the clock is not kept: stamps and ages drift.`,
        'timedatectl set-ntp true, or start chrony; timedatectl timesync-status shows how it is.',
      );
}

/** @param stepMs by how much the wall clock went further than the monotonic one since the process began. */
export function judgeSteps(stepMs: number): Verdict {
  const off = Math.abs(Math.round(stepMs));
  return off <= STEP_MS_MAX
    ? ok('It runs on without steps.')
    : warning(
        `It was set by ${off} ms since this command began.`,
        'Let NTP slew it: chrony with makestep for the first updates only.',
      );
}

async function readKeeping(signal: AbortSignal): Promise<Keeping | null> {
  return (await ofTimedatectl(signal)) ?? (await ofChrony(signal)) ?? ofTimesync();
}

async function ofTimedatectl(signal: AbortSignal): Promise<Keeping | null> {
  const text = await said('timedatectl', ['show', '--property=NTPSynchronized', '--value'], signal);
  return text === 'yes' || text === 'no' ? { by: 'timedatectl', kept: text === 'yes' } : null;
}

async function ofChrony(signal: AbortSignal): Promise<Keeping | null> {
  const text = await said('chronyc', ['-n', 'tracking'], signal);
  const [, leap] = /^Leap status\s*:\s*(.+)$/m.exec(text) ?? [];
  return leap === undefined ? null : { by: 'chrony', kept: leap.trim() === 'Normal' };
}

function ofTimesync(): Keeping | null {
  return existsSync('/run/systemd/timesync/synchronized') ? { by: 'systemd-timesyncd', kept: true } : null;
}

/** Empty where there is no such program, or it does not say in time. */
async function said(program: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  try {
    return (await run(program, args, { timeout: ASKED_MS_MAX, signal })).stdout.trim();
  } catch {
    return '';
  }
}
