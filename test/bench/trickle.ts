// Owns a client that reads slowly: so many bytes a second in small reads, its socket paused in between. slow.ts opens one.
// Node can't make a socket's receive buffer smaller than the kernel's default. It does not matter: the kernel takes what the
// gateway sends, but the gateway counts it as unanswered until this client has read the ping behind it, and its window bounds that.
// Invariant: over any span it reads at most the span's share of its rate and READS_SAVED_MAX reads.

import { Client, type ClientShare } from './client.ts';
import { ReadBuffer } from './wsframes.ts';

const READ_INTERVAL_MS = 50;
/** Reads that were due while nothing was there are lost, as time is on a link; some are caught up that a late timer missed. */
const READS_SAVED_MAX = 4;
/** The longest message that is expected. */
const FRAME_BYTES_MAX = 131_072;

export class TrickleClient extends Client {
  private timer: NodeJS.Timeout | undefined;
  private readsDue = 0;
  private turns = 0;

  constructor(client: number, share: Omit<ClientShare, 'buffer'>, bytesPerSec: number) {
    const readBytes = Math.max(1, Math.round((bytesPerSec * READ_INTERVAL_MS) / 1_000));
    super(client, { ...share, buffer: new ReadBuffer(FRAME_BYTES_MAX, readBytes) });
  }

  /** From now on it reads slowly; the next read is still the last of its pace before. */
  begin(): void {
    const fromMs = performance.now();
    this.timer = setInterval(() => {
      const turns = Math.floor((performance.now() - fromMs) / READ_INTERVAL_MS);
      this.readsDue = Math.min(this.readsDue + turns - this.turns, READS_SAVED_MAX);
      this.turns = turns;
      if (this.readsDue > 0) this.socket.resume();
    }, READ_INTERVAL_MS);
  }

  override end(): void {
    clearInterval(this.timer);
    super.end();
  }

  protected override read(bytes: number): boolean {
    super.read(bytes);
    if (this.timer === undefined) return true;
    this.readsDue -= 1;
    return this.readsDue > 0;
  }
}
