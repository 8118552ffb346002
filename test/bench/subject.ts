// Owns a subject's side of the conversation with the orchestrator: set-up, the schedule, the measured window.
// raw-server.ts and tickwire-server.ts call it with what they measure; everything else is the same for both.
// Invariant: between windowStart and windowEnd the process does nothing but the schedule and the subject's own work.

import { clockOffsetUs, nowUs } from './clock.ts';
import type { FromSubject, SetupMessage, StartMessage, ToSubject, UsageSample } from './messages.ts';
import { Schedule } from './schedule.ts';
import { type PreparedUpdate, prepareUpdates } from './updates.ts';
import { type Workload, workloadNamed } from './workloads.ts';

export interface SubjectSetup {
  readonly workload: Workload;
  readonly clientsExpected: number;
  readonly seed: number;
  /** Published round and round. */
  readonly updates: readonly PreparedUpdate[];
}

/** What is measured. It listens already when it is handed over. */
export interface Subject {
  readonly port: number;
  /** Publishes `updates[index]`; `intendedUs` is an integer and travels to the clients. */
  publish(index: number, intendedUs: number): void;
  /** By topic number; 0 where nothing was published. */
  lastSeqs(): number[];
}

/** Runs this process as a subject. */
export function serveSubject(open: (setup: SubjectSetup) => Promise<Subject>): void {
  let run: ((start: StartMessage) => void) | undefined;
  process.on('disconnect', () => process.exit(0));
  process.on('message', async (message: ToSubject) => {
    if (message.type === 'setup') run = await setUp(message, open);
    else if (run === undefined) throw new Error('start came before the subject was ready');
    else run(message);
  });
}

async function setUp(
  message: SetupMessage,
  open: (setup: SubjectSetup) => Promise<Subject>,
): Promise<(start: StartMessage) => void> {
  const { clientsExpected, seed } = message;
  const workload = workloadNamed(message.workload);
  const updates = prepareUpdates(workload, seed);
  const subject = await open({ workload, clientsExpected, seed, updates });
  tell({ type: 'ready', port: subject.port, clockOffsetUs: clockOffsetUs() });
  return (start) => runSchedule(start, workload, subject, updates.length);
}

function runSchedule(start: StartMessage, workload: Workload, subject: Subject, updates: number): void {
  let published = 0;
  const schedule = new Schedule(start, workload, {
    publish: (index, intendedUs) => {
      published++;
      subject.publish(index % updates, intendedUs);
    },
    windowStart: () => tell({ type: 'windowStart', ...sampleUsage(published) }),
    windowEnd: () =>
      tell({
        type: 'windowEnd',
        ...sampleUsage(published),
        lastSeqs: subject.lastSeqs(),
        latenessP50Us: schedule.lateness.percentileUs(0.5),
        latenessP99Us: schedule.lateness.percentileUs(0.99),
      }),
  });
  schedule.turn();
}

function sampleUsage(published: number): UsageSample {
  const { user, system } = process.cpuUsage();
  return { atUs: nowUs(), cpuUs: user + system, published };
}

function tell(message: FromSubject): void {
  process.send!(message);
}
