// Owns how a message becomes deliveries: one receiver per kind of subject, shared by all clients of a generator.
// client.ts hands it every WebSocket message; it hands the audit every frame.
// Invariant: each client's cursor is advanced for each delivery, also where another client's parse is used again.

import type { Audit } from './audit.ts';
import type { RecordedClient } from './books.ts';
import { RawFrame } from './rawframe.ts';
import type { SchedulePlan } from './schedule.ts';
import { Arrivals, TickwireReader } from './tickframes.ts';

export interface Receiver {
  measure(plan: SchedulePlan): void;
  /** Bytes are only valid during the call. Throws on damaged ones. */
  receive(client: number, bytes: Uint8Array, start: number, end: number): void;
}

/** What the baseline sends first: zeros, and never less than this of them. */
const FIRST_STATES_BYTES_MIN = 512;

export class RawReceiver implements Receiver {
  private readonly frame = new RawFrame();
  private startUs = Number.NaN;

  /** `joined`: a message may hold several frames. */
  constructor(
    private readonly audit: Audit,
    private readonly joined = false,
  ) {}

  measure(plan: SchedulePlan): void {
    // Frames count from the first schedule's start, whichever window they are of.
    if (Number.isNaN(this.startUs)) this.startUs = plan.startUs;
  }

  receive(client: number, bytes: Uint8Array, start: number, end: number): void {
    if (end - start >= FIRST_STATES_BYTES_MIN && bytes[start] === 0) return;
    const { frame } = this;
    if (this.joined) return this.receiveJoined(client, bytes, start, end);
    if (!frame.read(bytes, start, end)) throw new Error('a baseline message is damaged');
    this.audit.deliver(client, frame.topic, frame.seq - 1, frame.seq, this.startUs + frame.sentUs);
  }

  private receiveJoined(client: number, bytes: Uint8Array, start: number, end: number): void {
    const { frame } = this;
    for (let at = start; at < end; at = frame.end) {
      if (!frame.readFirst(bytes, at, end)) throw new Error('a baseline message is damaged');
      this.audit.deliver(client, frame.topic, frame.seq - 1, frame.seq, this.startUs + frame.sentUs);
    }
  }
}

/** Messages as long as this are worth remembering: they hold many frames, and many clients get the same. */
const MEMO_BYTES_MIN = 512;
const MEMO_BYTES_MAX = 65_536;
/** A power of two. Messages older than this many others are not expected again. */
const MEMO_SLOTS = 1_024;

/** A message that was parsed before. */
interface Memo {
  bytes: Buffer;
  readonly arrivals: Arrivals;
  messageBytes: number;
}

export class TickwireReceiver implements Receiver {
  readonly recorded: RecordedClient[];
  private readonly messagesByClient = new Map<number, Uint8Array[]>();
  private readonly audit: Audit;
  private readonly reader: TickwireReader;
  private readonly arrivals = new Arrivals();
  private readonly memos: Memo[];
  private errorsTold = 0;

  /** Messages of the clients in `sample` are recorded. */
  constructor(audit: Audit, topicBySymbol: ReadonlyMap<string, number>, sample: readonly number[]) {
    this.audit = audit;
    this.reader = new TickwireReader(topicBySymbol);
    this.memos = Array.from({ length: MEMO_SLOTS }, () => ({
      bytes: Buffer.alloc(0),
      arrivals: new Arrivals(),
      messageBytes: 0,
    }));
    for (const client of sample) this.messagesByClient.set(client, []);
    this.recorded = [...this.messagesByClient].map(([client, messages]) => ({ client, messages }));
  }

  recordedOf(client: number): RecordedClient {
    const found = this.recorded.find((recorded) => recorded.client === client);
    if (found === undefined) throw new Error(`client ${client} is not recorded`);
    return found;
  }

  measure(): void {}

  receive(client: number, bytes: Uint8Array, start: number, end: number): void {
    // A Buffer's own slice would share the read area.
    this.messagesByClient.get(client)?.push(Uint8Array.from(bytes.subarray(start, end)));
    const arrivals = this.parse(bytes, start, end);
    const { topics, fromSeqs, seqs, sentUs } = arrivals;
    for (let at = 0; at < arrivals.count; at++)
      this.audit.deliver(client, topics[at]!, fromSeqs[at]!, seqs[at]!, sentUs[at]!);
  }

  private parse(bytes: Uint8Array, start: number, end: number): Arrivals {
    const messageBytes = end - start;
    if (messageBytes < MEMO_BYTES_MIN || messageBytes > MEMO_BYTES_MAX)
      return this.read(bytes, start, end, this.arrivals);
    const memo = this.memos[slotOf(bytes, start, end)]!;
    const known = memo.messageBytes === messageBytes && memo.bytes.compare(bytes, start, end, 0, messageBytes) === 0;
    if (known) return memo.arrivals;
    memo.messageBytes = 0;
    this.read(bytes, start, end, memo.arrivals);
    if (memo.bytes.length < messageBytes) memo.bytes = Buffer.alloc(2 * messageBytes);
    memo.bytes.set(bytes.subarray(start, end));
    memo.messageBytes = messageBytes;
    return memo.arrivals;
  }

  private read(bytes: Uint8Array, start: number, end: number, arrivals: Arrivals): Arrivals {
    this.reader.read(bytes, start, end, arrivals);
    const { errors } = this.reader;
    while (this.errorsTold < errors.length)
      this.audit.problem(`the gateway sent an error: ${errors[this.errorsTold++]}`);
    return arrivals;
  }
}

/** From the length and the ends, where times, topics and sequence numbers stand. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let offset = 6; offset < 24; offset++) hash = Math.imul(hash ^ bytes[start + offset]!, 0x01000193);
  for (let offset = 1; offset <= 12; offset++) hash = Math.imul(hash ^ bytes[end - offset]!, 0x01000193);
  return (hash ^ (hash >>> 15)) & (MEMO_SLOTS - 1);
}
