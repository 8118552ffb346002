// Owns the order in which sessions ended, and what is kept of each: no longer than its time, no more of them than there is room for.
// Both session stores keep one. Invariant: `bytes` is the sum over those that are kept; whoever has been over for longest goes first.

/** So long it is still known that a session was there, once its life is over. */
export const EXPIRED_KNOWN_MS = 60_000;

export interface Departure {
  /** By the monotonic clock. */
  readonly untilMs: number;
  /** Of its state. */
  readonly bytes: number;
}

export class Departed<T extends Departure> {
  bytes = 0;
  /** A map keeps the order in which its keys came; all live equally long. */
  private readonly all = new Map<string, T>();

  get size(): number {
    return this.all.size;
  }

  get(session: string): T | undefined {
    return this.all.get(session);
  }

  /** In place of what it was before, as the newest. */
  put(session: string, departure: T): void {
    this.delete(session);
    this.all.set(session, departure);
    this.bytes += departure.bytes;
  }

  delete(session: string): boolean {
    this.bytes -= this.all.get(session)?.bytes ?? 0;
    return this.all.delete(session);
  }

  /** Forgets those whose time was over that long ago. */
  sweep(nowMs: number, agoMs: number): void {
    for (const [session, { untilMs }] of this.all) {
      if (nowMs < untilMs + agoMs) return;
      this.delete(session);
    }
  }

  /** @returns the one that went; undefined where there was none. */
  dropOldest(): string | undefined {
    const session = this.all.keys().next().value;
    if (session !== undefined) this.delete(session);
    return session;
  }
}
