// Owns when the generator looks for what has come: so often, and not whenever something comes. Who sends over loopback to a process that
// waits pays for waking it, and a server whose readers are quicker than itself pays at every send; readers elsewhere cost a server
// nothing of the kind. Invariant: between two looks the thread sleeps, and a look reads all there is.

/** Within all latencies, for all subjects alike. */
const LOOK_INTERVAL_MS = 0.2;

export class Looks {
  private looking = false;
  private readonly never = new Int32Array(new SharedArrayBuffer(4));

  begin(): void {
    this.looking = true;
    this.look();
  }

  end(): void {
    this.looking = false;
  }

  /** The event loop reads between two calls, without waiting: another call is always due. */
  private readonly look = (): void => {
    if (!this.looking) return;
    Atomics.wait(this.never, 0, 0, LOOK_INTERVAL_MS);
    setImmediate(this.look);
  };
}
