// Owns sending by hand: what the baseline would publish, joined into one message for each client, one sweep over all of them at the
// end of the turn or after a pause. raw-server.ts is it for the subjects `sends`: with no books, checks, encoding or windows, the
// least that a gateway in Node can do on a machine. Invariant: a client gets its frames in the order in which they were published.

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

export class Sends {
  private readonly followers = new Map<number, Waiting[]>();
  private readonly due: Waiting[] = [];
  private readonly message = new Uint8Array(MESSAGE_BYTES);
  private scheduled = false;
  private sweptMs = Number.NEGATIVE_INFINITY;

  /** @param pauseMs from the end of a sweep to the next at least. */
  constructor(private readonly pauseMs: number) {}

  add(outlet: Outlet, topics: readonly number[]): void {
    const waiting = { outlet, frames: [], count: 0, bytes: 0 };
    for (const topic of topics) {
      const followers = this.followers.get(topic);
      if (followers === undefined) this.followers.set(topic, [waiting]);
      else followers.push(waiting);
    }
  }

  /** The bytes must stay as they are until the sweep. */
  publish(topic: number, frame: Uint8Array): void {
    for (const waiting of this.followers.get(topic) ?? []) {
      if (waiting.count === 0) this.due.push(waiting);
      waiting.frames[waiting.count++] = frame;
      waiting.bytes += frame.length;
    }
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    const restMs = this.sweptMs + this.pauseMs - performance.now();
    if (restMs <= 0) setImmediate(this.sweep);
    else setTimeout(this.sweep, restMs);
  }

  private readonly sweep = (): void => {
    this.scheduled = false;
    for (const waiting of this.due) {
      waiting.outlet.send(this.joined(waiting), true, false);
      waiting.count = 0;
      waiting.bytes = 0;
    }
    this.due.length = 0;
    this.sweptMs = performance.now();
  };

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
