// Owns what is measured: a subject and its generator, alive from `open` to `close`, and the windows that are measured of them.
// run.ts has several of them take turns; stalled.ts measures fresh ones, with clients that stop reading.
// Invariant: while it rests neither of its processes runs at all; both are gone once it is closed.

import {
  BEFORE,
  Child,
  GATEWAY,
  GENERATOR_CORE,
  type GeneratorChild,
  type Keepers,
  SUBJECT_CORE,
  type SubjectChild,
} from './children.ts';
import { CLOCK_SKEW_MAX_US, nowUs } from './clock.ts';
import { type CoreSample, foreignShare, sampleCores } from './machine.ts';
import type { AuditedMessage, PingCounts, SubjectName, WindowEndMessage, WindowStartMessage } from './messages.ts';
import type { SchedulePlan } from './schedule.ts';
import type { WatchReport } from './watch.ts';
import type { Workload } from './workloads.ts';

/** Before the first update, for the orders to arrive. */
const ORDERS_US = 100_000;

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
  tickwire: GATEWAY,
  'tickwire-before': BEFORE,
  'tickwire-raw': GATEWAY,
};
export const GENERATOR = 'load';

/** How the processes are run. */
export interface Placement {
  readonly pinned: boolean;
  /** The generator looks for what has come, instead of being woken for it. */
  readonly looks?: boolean;
  /** The generator's kernel may delay acknowledgements once a client has answered, which servers pay for on loopback. */
  readonly delayedAcks?: boolean;
  /** What keeps the cores awake. */
  readonly keepers?: Keepers;
}

export interface ContenderOrder extends Placement {
  readonly workload: Workload;
  readonly subject: SubjectName;
  readonly clients: number;
  readonly seed: number;
  /** Clients that stop reading when the first window begins; present, though perhaps empty: queues are watched. */
  readonly stalled?: readonly number[];
}

export interface WindowOrder {
  /** Load before the window: V8 compiles for the first seconds, and caches are another's after a rest. */
  readonly leadSeconds: number;
  readonly seconds: number;
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

/** Measures one window of fresh processes. */
export async function measure(order: ContenderOrder, window: WindowOrder): Promise<Measurement> {
  const contender = await Contender.open(order);
  try {
    return await contender.measure(window);
  } finally {
    await contender.close();
  }
}

export class Contender {
  private pings: PingCounts = { sent: 0, answered: 0 };

  private constructor(
    private readonly order: ContenderOrder,
    private readonly server: SubjectChild,
    private readonly generator: GeneratorChild,
  ) {}

  /** Begins both processes and connects all clients. */
  static async open(order: ContenderOrder): Promise<Contender> {
    for (let tries = 1; ; tries++) {
      const contender = new Contender(
        order,
        new Child(SERVER_OF[order.subject], order.pinned ? SUBJECT_CORE : null),
        new Child(GENERATOR, order.pinned ? GENERATOR_CORE : null),
      );
      try {
        await contender.connect();
        return contender;
      } catch (error) {
        await contender.close();
        if (!(error instanceof ClockSkewError) || tries === CLOCK_TRIES_MAX) throw error;
      }
    }
  }

  /** Load, a window, drain, audit. */
  async measure(window: WindowOrder): Promise<Measurement> {
    const { server, generator } = this;
    const plan = planFrom(window);
    generator.tell({ type: 'measure', ...plan });
    server.tell({ type: 'start', ...plan });
    const start = await server.next('windowStart', window.leadSeconds * 1_000);
    const coresAtStart = sampleCores(this.order.keepers?.pids);
    const end = await server.next('windowEnd', window.seconds * 1_000);
    const coresAtEnd = sampleCores(this.order.keepers?.pids);
    generator.tell({ type: 'drain', lastSeqs: end.lastSeqs });
    const audited = await generator.next('audited');
    const pings = { sent: end.pings.sent - this.pings.sent, answered: end.pings.answered - this.pings.answered };
    this.pings = end.pings;
    return { ...summarise(this.order, window, { start, end, coresAtStart, coresAtEnd }, audited), pings };
  }

  /** Stops both processes where they are: they take nothing from who is measured meanwhile. */
  rest(): void {
    this.server.rest();
    this.generator.rest();
  }

  wake(): void {
    this.server.wake();
    this.generator.wake();
  }

  async close(): Promise<void> {
    await Promise.all([this.server.stop(), this.generator.stop()]);
  }

  private async connect(): Promise<void> {
    const { server, generator } = this;
    const { subject, clients, seed, workload, stalled, looks = false, delayedAcks = false } = this.order;
    server.tell({ type: 'setup', subject, workload, clientsExpected: clients, seed });
    const ready = await server.next('ready');
    const { port } = ready;
    generator.tell({
      type: 'connect',
      ...{ subject, workload, clients, seed, port, looks, delayedAcks },
      stalled: stalled ?? [],
    });
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
}

function planFrom({ leadSeconds, seconds }: WindowOrder): SchedulePlan {
  const startUs = Math.round(nowUs()) + ORDERS_US;
  const windowFromUs = startUs + leadSeconds * 1_000_000;
  return { startUs, windowFromUs, windowToUs: windowFromUs + seconds * 1_000_000 };
}

interface ServerWindow {
  readonly start: WindowStartMessage;
  readonly end: WindowEndMessage;
  readonly coresAtStart: readonly CoreSample[];
  readonly coresAtEnd: readonly CoreSample[];
}

/** The server's window may begin a little late; rates keep that out of the figures. */
function summarise(
  order: ContenderOrder,
  { seconds }: WindowOrder,
  { start, end, coresAtStart, coresAtEnd }: ServerWindow,
  audited: AuditedMessage,
): Omit<Measurement, 'pings'> {
  const wallUs = end.atUs - start.atUs;
  const serverCpuShare = (end.cpuUs - start.cpuUs) / wallUs;
  const deliveriesPerSecond = audited.windowDeliveries / seconds;
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
    watched: end.watched,
    lines: end.lines,
  };
}
