// Owns the load generator process: clients, audit, and its side of the conversation with the orchestrator.
// Invariant: the audits' verdicts cover every delivery from the first connection to the end of the last drain.

import { setTimeout as sleepMs } from 'node:timers/promises';
import { acknowledger } from './acknowledgements.ts';
import { Audit, RULES } from './audit.ts';
import { BookProof, sessionOf } from './books.ts';
import { Client, type ClientShare } from './client.ts';
import { clockOffsetUs, cpuUs, nowUs } from './clock.ts';
import { Looks } from './looks.ts';
import {
  type AuditedMessage,
  type ConnectMessage,
  type DrainMessage,
  type FromGenerator,
  isBaseline,
  type MeasureMessage,
  type ToGenerator,
} from './messages.ts';
import { RawReceiver, TickwireReceiver } from './receivers.ts';
import { SUBPROTOCOL, subscribeRequest } from './tickframes.ts';
import { symbolOf, topicsOf } from './workloads.ts';
import { OPCODE, ReadBuffer } from './wsframes.ts';

/** Upgrades under way at a time. */
const CONNECT_BATCH = 50;
const FIRST_STATES_TIMEOUT_MS = 10_000;
const DRAIN_TIMEOUT_MS = 5_000;
const POLL_MS = 20;
/** Clients whose books are verified level by level. */
const SAMPLE_CLIENTS = 5;

interface Usage {
  atUs: number;
  cpuUs: number;
  readBytes: number;
}

class Generator {
  private readonly clients: Client[] = [];
  private readonly traffic = { bytes: 0, reads: 0 };
  private readonly looks = new Looks();
  private readonly audit: Audit;
  private readonly receiver: RawReceiver | TickwireReceiver;
  private readonly proof = new BookProof();
  private readonly connectMessage: ConnectMessage;
  private usageAtStart: Usage | undefined;
  private usageAtEnd: Usage | undefined;

  constructor(message: ConnectMessage) {
    const { topics } = message.workload;
    this.connectMessage = message;
    this.audit = new Audit(message.clients, topics, RULES[message.subject]);
    this.receiver = isBaseline(message.subject)
      ? new RawReceiver(this.audit, message.subject.startsWith('sends'))
      : this.tickwireReceiver(topics);
  }

  private tickwireReceiver(topics: number): TickwireReceiver {
    const { clients, stalled } = this.connectMessage;
    const topicBySymbol = new Map(Array.from({ length: topics }, (_, topic) => [symbolOf(topic), topic]));
    const sample = Array.from({ length: SAMPLE_CLIENTS }, (_, index) => Math.floor((index * clients) / SAMPLE_CLIENTS));
    return new TickwireReceiver(this.audit, topicBySymbol, [...new Set([...sample, ...stalled])]);
  }

  /** Opens all clients and waits until each has what it subscribes to. */
  async connect(): Promise<void> {
    const { clients, port, subject, delayedAcks } = this.connectMessage;
    const share: ClientShare = {
      port,
      subprotocol: isBaseline(subject) ? null : SUBPROTOCOL,
      buffer: new ReadBuffer(),
      acknowledge: delayedAcks ? null : acknowledger(),
      audit: this.audit,
      receiver: this.receiver,
      traffic: this.traffic,
    };
    for (let first = 0; first < clients; first += CONNECT_BATCH) {
      const batch = Array.from({ length: Math.min(CONNECT_BATCH, clients - first) }, (_, index) =>
        this.open(first + index, share),
      );
      await Promise.all(batch);
    }
    await this.firstStates();
  }

  private async open(client: number, share: ClientShare): Promise<void> {
    const { workload, seed, subject } = this.connectMessage;
    const topics = topicsOf(workload, client, seed);
    this.audit.subscribed(client, topics);
    const opened = new Client(client, share);
    this.clients[client] = opened;
    await opened.open;
    // Every subject's clients say something: a kernel may acknowledge less once its process has answered, and the server pays.
    const mode = subject.startsWith('tickwire-raw') ? 'raw' : 'live';
    opened.send(OPCODE.binary, subscribeRequest(1, topics.map(symbolOf), mode));
  }

  private async firstStates(): Promise<void> {
    const deadlineMs = performance.now() + FIRST_STATES_TIMEOUT_MS;
    while (this.audit.subscriptionsWaiting > 0 && performance.now() < deadlineMs) await sleepMs(POLL_MS);
    const { subscriptionsWaiting, problemTexts } = this.audit;
    if (subscriptionsWaiting === 0) return;
    throw new Error(`${subscriptionsWaiting} subscriptions have no first state after 10 s: ${problemTexts.join('; ')}`);
  }

  /** Clients that are to stall do so in the first window. */
  async measure(message: MeasureMessage): Promise<void> {
    this.audit.measure(message);
    this.receiver.measure(message);
    if (this.connectMessage.looks) this.looks.begin();
    await sleepMs((message.windowFromUs - nowUs()) / 1_000);
    if (this.usageAtStart === undefined) this.stall();
    this.usageAtStart = this.usage();
    await sleepMs((message.windowToUs - nowUs()) / 1_000);
    this.usageAtEnd = this.usage();
  }

  private stall(): void {
    for (const client of this.connectMessage.stalled) {
      this.clients[client]!.stall();
      this.audit.dismiss(client);
    }
  }

  /** Waits for what is under way. */
  async drain({ lastSeqs }: DrainMessage): Promise<AuditedMessage> {
    const fromMs = performance.now();
    while (!this.audit.complete(lastSeqs) && performance.now() - fromMs < DRAIN_TIMEOUT_MS) await sleepMs(POLL_MS);
    const drainMs = performance.now() - fromMs;
    this.looks.end();
    this.audit.finish(lastSeqs);
    const booksChecked = this.verifySample();
    const { deliveries, windowDeliveries, frames, repeats, problems } = this.audit;
    const problemTexts = [...this.audit.problemTexts];
    const { cpuShare, windowBytes } = spent(this.usageAtStart, this.usageAtEnd);
    const audited: AuditedMessage = {
      type: 'audited',
      ...{ deliveries, windowDeliveries, frames, repeats, problems, problemTexts, drainMs, booksChecked },
      ...this.audit.latencies(),
      stalledReadBytes: this.connectMessage.stalled.map((client) => this.clients[client]!.readBytes),
      ...this.traffic,
      windowBytes,
      generatorCpuShare: cpuShare,
    };
    this.audit.begin();
    this.traffic.bytes = 0;
    this.traffic.reads = 0;
    return audited;
  }

  private usage(): Usage {
    return { atUs: nowUs(), cpuUs: cpuUs(), readBytes: this.traffic.bytes };
  }

  /** Of the clients that will stall, by what the gateway calls them. */
  get stalledSessions(): string[] {
    const { receiver } = this;
    if (!(receiver instanceof TickwireReceiver)) return [];
    return this.connectMessage.stalled.map((client) => sessionOf(receiver.recordedOf(client)));
  }

  private verifySample(): number {
    if (!(this.receiver instanceof TickwireReceiver)) return 0;
    const { checked, problems } = this.proof.verify(this.receiver.recorded);
    for (const problem of problems) this.audit.problem(problem);
    if (checked === 0) this.audit.problem('no book state of the sampled clients was verified');
    return checked;
  }
}

function spent(from: Usage | undefined, to: Usage | undefined): { cpuShare: number; windowBytes: number } {
  if (from === undefined || to === undefined) throw new Error('the drain came before the end of the measured window');
  return {
    cpuShare: (to.cpuUs - from.cpuUs) / (to.atUs - from.atUs),
    windowBytes: to.readBytes - from.readBytes,
  };
}

function tell(message: FromGenerator): void {
  process.send!(message);
}

let generator: Generator | undefined;
let measured: Promise<void> | undefined;

process.on('disconnect', () => process.exit(0));
process.on('message', async (message: ToGenerator) => {
  if (message.type === 'connect') {
    generator = new Generator(message);
    await generator.connect();
    tell({ type: 'connected', clockOffsetUs: clockOffsetUs(), stalledSessions: generator.stalledSessions });
  } else if (message.type === 'measure') {
    measured = generator?.measure(message);
  } else {
    await measured;
    tell(await generator!.drain(message));
  }
});
