// Owns the baseline: uWebSockets.js alone, its own topics, ready bytes through `app.publish`; as `sends`, the same bytes by hand.
// The orchestrator forks it.
// Invariant: nothing is dropped in silence for back pressure before PENDING_BYTES_MAX is reached; the audit would see it.

import uWS from 'uWebSockets.js';
import { Least } from './least.ts';
import type { SubjectName } from './messages.ts';
import { Pinger } from './pinger.ts';
import { prepareRawFrame, stampRawFrame } from './rawframe.ts';
import { Sends, type SendsPace } from './sends.ts';
import { type Subject, type SubjectSetup, serveSubject } from './subject.ts';
import type { Gauge } from './watch.ts';
import { symbolOf, topicsOf } from './workloads.ts';

/** A book of 100 levels in Tickwire's frames, and how long Tickwire's messages of several get. */
const FIRST_BOOK_BYTES = 1_040;
const MESSAGE_BYTES_MAX = 16_384;
/** Enough that no client that reads ever comes to it; fifty that do not read take no more than the machine has. */
const PENDING_BYTES_MAX = 16 * 1024 * 1024;

interface ClientData {
  client: number;
}
const PACES: Partial<Record<SubjectName, SendsPace>> = {
  sends: 0,
  'sends-5ms': 5,
  'sends-10ms': 10,
  'sends-rounds': 'rounds',
  'sends-least': 0,
};
type ClientSocket = uWS.WebSocket<ClientData>;

serveSubject(async (setup) => {
  const baseline = new Baseline(setup);
  return { port: await baseline.listen(), ...baseline.subject() };
});

/** One client's connection; `Gauge` and `Pinged` at once. */
class BaselineClient implements Gauge {
  closed = false;
  readonly unansweredBytes = null;
  readonly windowBytes = null;
  /** Sent to it alone. */
  ownBytes = 0;

  constructor(
    private readonly socket: ClientSocket,
    readonly topics: readonly number[],
    /** By topic, all bytes ever published there; all of it since the first connection. */
    private readonly publishedBytes: Float64Array,
  ) {}

  get sentBytes(): number {
    let bytes = this.ownBytes;
    for (const topic of this.topics) bytes += this.publishedBytes[topic]!;
    return bytes;
  }

  get queuedBytes(): number {
    return this.closed ? 0 : this.socket.getBufferedAmount();
  }

  ping(payload: string): void {
    this.ownBytes += wireBytes(payload.length);
    this.socket.ping(payload);
  }
}

class Baseline {
  private readonly app = uWS.App();
  private readonly clients = new Map<number, BaselineClient>();
  private readonly pinger: Pinger | null;
  private readonly sends: Sends | null;
  private readonly publishedBytes: Float64Array;
  private pongs = 0;

  constructor(private readonly setup: SubjectSetup) {
    this.publishedBytes = new Float64Array(setup.workload.topics);
    this.pinger = setup.subject === 'raw-pings' ? new Pinger() : null;
    this.pinger?.begin();
    const pace = PACES[setup.subject];
    this.sends = pace === undefined ? null : new Sends(pace);
    this.acceptClients();
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.app.listen('127.0.0.1', 0, (listening) => {
        if (listening === false) reject(new Error('the baseline found no free port on 127.0.0.1'));
        else resolve(uWS.us_socket_local_port(listening));
      });
    });
  }

  subject(): Omit<Subject, 'port'> {
    return {
      ...this.publisher(),
      pings: () => ({ sent: this.pinger?.sent ?? 0, answered: this.pongs }),
      gauges: () => this.clients.values(),
      gauge: (client) => {
        const found = this.clients.get(client);
        if (found === undefined) throw new Error(`client ${client} is not connected`);
        return found;
      },
      closes: () => ({}),
    };
  }

  private acceptClients(): void {
    this.app.ws<ClientData>('/v1/stream', {
      compression: uWS.DISABLED,
      idleTimeout: 0,
      sendPingsAutomatically: false,
      maxBackpressure: PENDING_BYTES_MAX,
      upgrade: (res, req, context) => {
        res.upgrade(
          { client: Number(req.getQuery('client')) },
          req.getHeader('sec-websocket-key'),
          req.getHeader('sec-websocket-protocol'),
          req.getHeader('sec-websocket-extensions'),
          context,
        );
      },
      open: (ws) => this.open(ws),
      // The request is answered with as many bytes as Tickwire's first books have: how often a kernel acknowledges depends on
      // what its process has said and been sent, and the server pays for the difference on every later send.
      message: (ws) => {
        const client = this.clients.get(ws.getUserData().client)!;
        for (let left = client.topics.length * FIRST_BOOK_BYTES; left > 0; left -= MESSAGE_BYTES_MAX) {
          const bytes = Math.max(FIRST_BOOK_BYTES, Math.min(left, MESSAGE_BYTES_MAX));
          client.ownBytes += wireBytes(bytes);
          ws.send(new Uint8Array(bytes), true, false);
        }
      },
      pong: () => {
        this.pongs += 1;
      },
      close: (ws) => {
        const client = this.clients.get(ws.getUserData().client)!;
        client.closed = true;
        this.pinger?.remove(client);
      },
    });
  }

  private open(ws: ClientSocket): void {
    const { workload, seed } = this.setup;
    const number = ws.getUserData().client;
    const client = new BaselineClient(ws, topicsOf(workload, number, seed), this.publishedBytes);
    if (this.sends !== null) this.sends.add(ws, client.topics);
    else for (const topic of client.topics) ws.subscribe(symbolOf(topic));
    this.clients.set(number, client);
    this.pinger?.add(client);
  }

  private publisher(): Pick<Subject, 'publish' | 'lastSeqs'> {
    const { workload, updates, subject } = this.setup;
    const { app, sends, publishedBytes } = this;
    const names = Array.from({ length: workload.topics }, (_, topic) => symbolOf(topic));
    const least = subject === 'sends-least' ? new Least(names) : null;
    const frames = updates.map((update) => prepareRawFrame(update.topic, update.delta));
    const seqs = new Array<number>(workload.topics).fill(0);
    let startUs: number | undefined;
    return {
      publish: (index, intendedUs) => {
        startUs ??= intendedUs;
        const topic = updates[index]!.topic;
        least?.take(updates[index]!, intendedUs);
        const bytes = frames[index]!;
        const seq = ++seqs[topic]!;
        stampRawFrame(bytes, topic, seq, intendedUs - startUs);
        publishedBytes[topic]! += wireBytes(bytes.length);
        if (sends === null) app.publish(names[topic]!, bytes, true, false);
        else sends.publish(topic, bytes);
      },
      lastSeqs: () => [...seqs],
    };
  }
}

/** With the WebSocket header (RFC 6455 section 5.2). */
function wireBytes(payloadBytes: number): number {
  return payloadBytes + (payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10);
}
