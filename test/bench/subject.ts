// Owns a subject's side of the conversation with the orchestrator: set-up, the schedule, the measured window.
// raw-server.ts and tickwire-server.ts call it with what they measure; everything else is the same for both.
// Invariant: between windowStart and windowEnd the process does nothing but the schedule, the subject's own work, and ten
// times a second the watch where one was ordered.

import { clockOffsetUs, cpuUs, nowUs } from './clock.ts';
import type {
  FromSubject,
  PingCounts,
  SetupMessage,
  StartMessage,
  SubjectName,
  ToSubject,
  UsageSample,
  WatchMessage,
} from './messages.ts';
import { Schedule } from './schedule.ts';
import { type PreparedUpdate, prepareUpdates } from './updates.ts';
import { type Gauge, Watch } from './watch.ts';
import type { Workload } from './workloads.ts';

export interface SubjectSetup {
  readonly subject: SubjectName;
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
  /** Pings to clients, and how many were answered. */
  pings(): PingCounts;
  /** All connections there are. */
  gauges(): Iterable<Gauge>;
  /** One of them, by the client's number or by its session. */
  gauge(client: number, session: string | undefined): Gauge;
  /** Connections that the subject closed, by reason. */
  closes(): Readonly<Record<string, number>>;
  /** What else there is to say when the window ends. */
  lines?(): string[];
}

/** Runs this process as a subject. */
export function serveSubject(open: (setup: SubjectSetup) => Promise<Subject>): void {
  let run: Run | undefined;
  process.on('disconnect', () => process.exit(0));
  process.on('message', async (message: ToSubject) => {
    if (message.type === 'setup') run = await setUp(message, open);
    else if (run === undefined) throw new Error('start came before the subject was ready');
    else if (message.type === 'watch') run.watch(message);
    else run.start(message);
  });
}

interface Run {
  watch(message: WatchMessage): void;
  start(message: StartMessage): void;
}

async function setUp(message: SetupMessage, open: (setup: SubjectSetup) => Promise<Subject>): Promise<Run> {
  const { clientsExpected, seed, workload } = message;
  const updates = prepareUpdates(workload, seed);
  const subject = await open({ subject: message.subject, workload, clientsExpected, seed, updates });
  tell({ type: 'ready', port: subject.port, clockOffsetUs: clockOffsetUs() });
  let watch: Watch | null = null;
  const progress = { published: 0 };
  return {
    watch: ({ clients, sessions }) => {
      watch = new Watch(
        subject,
        clients.map((client, index) => [client, subject.gauge(client, sessions[index])]),
      );
    },
    start: (start) => runSchedule(start, workload, { subject, updates: updates.length, progress }, watch),
  };
}

interface Publishing {
  readonly subject: Subject;
  /** The list is published round and round, and every window goes on where the one before it ended. */
  readonly updates: number;
  readonly progress: { published: number };
}

function runSchedule(
  start: StartMessage,
  workload: Workload,
  { subject, updates, progress }: Publishing,
  watch: Watch | null,
): void {
  const schedule = new Schedule(start, workload, {
    publish: (intendedUs) => subject.publish(progress.published++ % updates, intendedUs),
    windowStart: () => {
      watch?.begin();
      tell({ type: 'windowStart', ...sampleUsage(progress.published) });
    },
    windowEnd: () =>
      tell({
        type: 'windowEnd',
        ...sampleUsage(progress.published),
        lastSeqs: subject.lastSeqs(),
        latenessP50Us: schedule.lateness.percentileUs(0.5),
        latenessP99Us: schedule.lateness.percentileUs(0.99),
        pings: subject.pings(),
        watched: watch?.end() ?? null,
        lines: subject.lines?.() ?? [],
      }),
  });
  schedule.turn();
}

function sampleUsage(published: number): UsageSample {
  return { atUs: nowUs(), cpuUs: cpuUs(), published };
}

function tell(message: FromSubject): void {
  process.send!(message);
}
