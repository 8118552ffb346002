// Owns one measured run: a fresh subject and a fresh generator, warm-up, window, drain, audit.
// run.ts calls it for every workload, round and subject; stalled.ts with clients that stop reading.
// Invariant: both processes are gone when it returns or throws.

import { Child, GENERATOR_CORE, type GeneratorChild, SUBJECT_CORE, type SubjectChild } from './children.ts';
import { CLOCK_SKEW_MAX_US, nowUs } from './clock.ts';
import { type CoreSample, foreignShare, sampleCores } from './machine.ts';
import type { AuditedMessage, PingCounts, SubjectName, WindowEndMessage, WindowStartMessage } from './messages.ts';
import type { SchedulePlan } from './schedule.ts';
import type { WatchReport } from './watch.ts';
import type { Workload } from './workloads.ts';

/** Before the first update, for the orders to arrive. */
const LEAD_US = 300_000;

/** The child that is measured as each subject. */
export const SERVER_OF: Readonly<Record<SubjectName, string>> = {
  raw: 'raw-server',
  'raw-pings': 'raw-server',
  sends: 'raw-server',
  'sends-5ms': 'raw-server',
  'sends-10ms': 'raw-server',
  'sends-rounds': 'raw-server',
  'sends-least': 'raw-server',
  'tickwire-turns': 'rota-server',
  'tickwire-raw-turns': 'rota-server',
  tickwire: 'tickwire-server',
  'tickwire-raw': 'tickwire-server',
};
export const GENERATOR = 'load';

export interface MeasurementOrder {
  readonly workload: Workload;
  readonly subject: SubjectName;
  readonly clients: number;
  /** Load before the window: V8 compiles for as long. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly seed: number;
  readonly pinned: boolean;
  /** The generator looks for what has come, instead of being woken for it. */
  readonly looks?: boolean;
  /** Clients that stop reading when the window begins; present, though perhaps empty: queues are watched. */
  readonly stalled?: readonly number[];
}

export interface Measurement {
  readonly subject: SubjectName;
  readonly deliveriesPerCpuSecond: number;
  readonly deliveriesPerSecond: number;
  readonly publishedPerSecond: number;
  readonly serverCpuShare: number;
  readonly latenessP50Us: number;
  readonly latenessP99Us: number;
  /** What ran beside server and generator on their cores; null where they are not pinned or nothing is known. */
  readonly foreignShares: readonly (number | null)[];
  readonly audited: AuditedMessage;
  readonly pings: PingCounts;
  readonly watched: WatchReport | null;
  readonly lines: readonly string[];
}

/** A process that is interrupted as it starts reads its clock wrongly, for as long as it lives. */
const CLOCK_TRIES_MAX = 5;

class ClockSkewError extends Error {}

export async function measure(order: MeasurementOrder): Promise<Measurement> {
  for (let tries = 1; ; tries++) {
    try {
      return await measureOnce(order);
    } catch (error) {
      if (!(error instanceof ClockSkewError) || tries === CLOCK_TRIES_MAX) throw error;
    }
  }
}

async function measureOnce(order: MeasurementOrder): Promise<Measurement> {
  const server: SubjectChild = new Child(SERVER_OF[order.subject], order.pinned ? SUBJECT_CORE : null);
  const generator: GeneratorChild = new Child(GENERATOR, order.pinned ? GENERATOR_CORE : null);
  try {
    await connect(order, server, generator);
    return await runWindow(order, server, generator);
  } finally {
    await Promise.all([server.stop(), generator.stop()]);
  }
}

async function connect(order: MeasurementOrder, server: SubjectChild, generator: GeneratorChild): Promise<void> {
  const { subject, clients, seed, workload, stalled, looks = false } = order;
  server.tell({ type: 'setup', subject, workload, clientsExpected: clients, seed });
  const ready = await server.next('ready');
  const { port } = ready;
  generator.tell({ type: 'connect', subject, workload, clients, stalled: stalled ?? [], seed, port, looks });
  const connected = await generator.next('connected');
  if (stalled !== undefined) {
    server.tell({ type: 'watch', clients: stalled, sessions: connected.stalledSessions });
  }
  const skewUs = Math.abs(ready.clockOffsetUs - connected.clockOffsetUs);
  if (skewUs > CLOCK_SKEW_MAX_US) {
    throw new ClockSkewError(
      `the clocks of server and generator are ${Math.round(skewUs)} µs apart; at most ${CLOCK_SKEW_MAX_US} are allowed`,
    );
  }
}

async function runWindow(
  order: MeasurementOrder,
  server: SubjectChild,
  generator: GeneratorChild,
): Promise<Measurement> {
  const plan = planFrom(order);
  generator.tell({ type: 'measure', ...plan });
  server.tell({ type: 'start', ...plan });
  const start = await server.next('windowStart', order.warmUpSeconds * 1_000);
  const coresAtStart = sampleCores();
  const end = await server.next('windowEnd', order.seconds * 1_000);
  const coresAtEnd = sampleCores();
  generator.tell({ type: 'drain', lastSeqs: end.lastSeqs });
  return summarise(order, { start, end, coresAtStart, coresAtEnd }, await generator.next('audited'));
}

function planFrom({ warmUpSeconds, seconds }: MeasurementOrder): SchedulePlan {
  const startUs = Math.round(nowUs()) + LEAD_US;
  const windowFromUs = startUs + warmUpSeconds * 1_000_000;
  return { startUs, windowFromUs, windowToUs: windowFromUs + seconds * 1_000_000 };
}

interface ServerWindow {
  readonly start: WindowStartMessage;
  readonly end: WindowEndMessage;
  readonly coresAtStart: readonly CoreSample[];
  readonly coresAtEnd: readonly CoreSample[];
}

/** The server's window may begin a little late; rates keep that out of the figures. */
function summarise(order: MeasurementOrder, window: ServerWindow, audited: AuditedMessage): Measurement {
  const { start, end, coresAtStart, coresAtEnd } = window;
  const wallUs = end.atUs - start.atUs;
  const serverCpuShare = (end.cpuUs - start.cpuUs) / wallUs;
  const deliveriesPerSecond = audited.windowDeliveries / order.seconds;
  const foreignOn = (core: number, ownShare: number) =>
    order.pinned ? foreignShare(coresAtStart, coresAtEnd, core, ownShare) : null;
  return {
    subject: order.subject,
    deliveriesPerCpuSecond: deliveriesPerSecond / serverCpuShare,
    deliveriesPerSecond,
    publishedPerSecond: ((end.published - start.published) / wallUs) * 1_000_000,
    serverCpuShare,
    latenessP50Us: end.latenessP50Us,
    latenessP99Us: end.latenessP99Us,
    foreignShares: [foreignOn(SUBJECT_CORE, serverCpuShare), foreignOn(GENERATOR_CORE, audited.generatorCpuShare)],
    audited,
    pings: end.pings,
    watched: end.watched,
    lines: end.lines,
  };
}
