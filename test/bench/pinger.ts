// Owns when the baseline's clients are pinged: once in so many bytes sent to them, as Tickwire does with its own, so that their
// kernels acknowledge alike and both servers read the answers. raw-server.ts runs it for the subject `raw-pings`.
// Invariant: no turn visits more than its share of the clients, so that pings do not go out all at once.

/** Tickwire pings a fast peer this often. */
export const PING_SPACING_BYTES = 32_768;
/** So often every client is visited. */
const ROUND_MS = 100;
const TURNS_PER_ROUND = 10;

export interface Pinged {
  /** Everything ever sent to it. */
  readonly sentBytes: number;
  ping(payload: string): void;
}

export class Pinger {
  sent = 0;
  private readonly pingedBytes = new Map<Pinged, number>();
  private turns = 0;
  private timer: NodeJS.Timeout | undefined;

  add(client: Pinged): void {
    this.pingedBytes.set(client, 0);
  }

  remove(client: Pinged): void {
    this.pingedBytes.delete(client);
  }

  begin(): void {
    this.timer = setInterval(() => this.turn(), ROUND_MS / TURNS_PER_ROUND);
  }

  end(): void {
    clearInterval(this.timer);
  }

  /** Visits the next share of the clients. */
  turn(): void {
    const share = this.turns++ % TURNS_PER_ROUND;
    let place = 0;
    for (const [client, pingedBytes] of this.pingedBytes) {
      if (place++ % TURNS_PER_ROUND !== share) continue;
      const { sentBytes } = client;
      if (sentBytes - pingedBytes < PING_SPACING_BYTES) continue;
      this.pingedBytes.set(client, sentBytes);
      this.sent += 1;
      client.ping(String(this.sent));
    }
  }
}
