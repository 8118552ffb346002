// Owns sending by hand: what the baseline would publish, joined into one message for each client, one sweep over all of them at the
// end of the turn, after a pause, or going round them as the gateway does while it is busy. raw-server.ts is it for the subjects `sends`: with
// no books, checks, encoding or windows, the least that a gateway in Node can do on a machine. Invariant: a client gets its frames in the
// order in which they were published.

import { Rounds } from '../../src/topics/rounds.ts';

export interface Outlet {
  send(message: Uint8Array, isBinary: boolean, compress: boolean): unknown;
}

/** What waits for one client: the first `count` frames. */
interface Waiting {
  readonly outlet: Outlet;
  readonly frames: Uint8Array[];
  count: number;
  bytes: number;
}

const MESSAGE_BYTES = 1 << 20;
/** What a sweep over all takes before one was timed; a round is twice as long. */
const SWEEP_MS = 5;
const STEP_MS = 1;

/** When clients are sent to: not before so many milliseconds after the last sweep, or in rounds. */
export type SendsPace = number | 'rounds';

export class Sends {
  private readonly followers = new Map<number, Waiting[]>();
  private readonly clients: Waiting[] = [];
  private readonly rounds = new Rounds();
  /** Clients for whom something waits, in the order in which it came. */
  private readonly due: Waiting[] = [];
  /** How many of them there are in rounds. */
  private dueCount = 0;
  private readonly message = new Uint8Array(MESSAGE_BYTES);
  private scheduled = false;
  private sweptMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly pace: SendsPace) {
    this.rounds.sendMs = SWEEP_MS;
    this.rounds.begin(performance.now());
  }

  add(outlet: Outlet, topics: readonly number[]): void {
    const waiting = { outlet, frames: [], count: 0, bytes: 0 };
    this.clients.push(waiting);
    for (const topic of topics) {
      const followers = this.followers.get(topic);
      if (followers === undefined) this.followers.set(topic, [waiting]);
      else followers.push(waiting);
    }
  }

  /** The bytes must stay as they are until the sweep. */
  publish(topic: number, frame: Uint8Array): void {
    for (const waiting of this.followers.get(topic) ?? []) {
      if (waiting.count === 0) this.wait(waiting);
      waiting.frames[waiting.count++] = frame;
      waiting.bytes += frame.length;
    }
    this.schedule();
  }

  private wait(waiting: Waiting): void {
    if (this.pace === 'rounds') this.dueCount += 1;
    else this.due.push(waiting);
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    if (this.pace === 'rounds') return void setTimeout(this.goRound, STEP_MS);
    const restMs = this.sweptMs + this.pace - performance.now();
    if (restMs <= 0) setImmediate(this.sweep);
    else setTimeout(this.sweep, restMs);
  }

  private readonly sweep = (): void => {
    this.scheduled = false;
    for (const waiting of this.due) this.send(waiting);
    this.due.length = 0;
    this.sweptMs = performance.now();
  };

  private readonly goRound = (): void => {
    this.scheduled = false;
    const { clients, rounds } = this;
    const beganMs = performance.now();
    const dueClients = rounds.due(beganMs, clients.length);
    const dueBefore = this.dueCount;
    for (let i = 0; i < dueClients; i++) {
      const waiting = clients[rounds.pass(clients.length)]!;
      if (waiting.count === 0) continue;
      this.send(waiting);
      this.dueCount -= 1;
    }
    rounds.went(dueClients, dueBefore - this.dueCount, performance.now() - beganMs, clients.length);
    if (this.dueCount > 0) this.schedule();
  };

  private send(waiting: Waiting): void {
    waiting.outlet.send(this.joined(waiting), true, false);
    waiting.count = 0;
    waiting.bytes = 0;
  }

  private joined({ frames, count, bytes }: Waiting): Uint8Array {
    if (count === 1) return frames[0]!;
    if (bytes > MESSAGE_BYTES) throw new Error(`${bytes} bytes wait for one client: the sweeps do not keep up`);
    let at = 0;
    for (let i = 0; i < count; i++) {
      this.message.set(frames[i]!, at);
      at += frames[i]!.length;
    }
    return this.message.subarray(0, at);
  }
}
