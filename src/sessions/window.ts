// Owns how many bytes may be on their way to one peer: numbered pings, what their pongs say of the link, and the window that
// follows from it. Connections call it. Invariant: every byte sent is unanswered until a pong answers for it, and only until then.

/** TCP itself begins with about as much (RFC 6928). */
export const WINDOW_FIRST_BYTES = 16_384;
/** Where the first round trip is as short as that, twice as much is there in a second or less, and a hundred books come back within it. */
export const WINDOW_NEAR_BYTES = 32_768;
const NEAR_LINK_MS = 10;
/** With the control frames that may pass a full window, a peer that stops reading is sent no more than 64 KB. */
export const WINDOW_FULL_BYTES = 61_440;
const WINDOW_MIN_BYTES = 512;
/** Links that are long and fast get more than WINDOW_FULL_BYTES: twice what is on them, up to this. */
const WINDOW_LONG_BYTES_MAX = 1_048_576;
const LONG_LINK_MS = 25;
const LONG_LINK_SPREAD = 1.25;
/** In a row: a host that is busy makes half a dozen late. */
const LONG_LINK_PONGS = 16;
/** A fast peer is pinged once in so many bytes: a ping and its pong cost more than a small send. */
const SPACING_BYTES_MAX = 32_768;
/** With less than this on its way a round trip says nothing of the pace. */
const PACE_BYTES_MIN = 64;
/** How long what is sent may wait on the link, over what the empty link takes. */
const QUEUE_MS = 200;

interface Ping {
  readonly number: number;
  /** Bytes sent up to its end, and those of them that were unanswered. */
  readonly sentBytes: number;
  readonly inFlightBytes: number;
  readonly atMs: number;
}

export class Window {
  bytes = WINDOW_FIRST_BYTES;
  /** Everything up to here has arrived. */
  answeredBytes = 0;
  /** Of the last pong; null before the first. */
  roundTripMs: number | null = null;
  /** Pongs that answer no ping of ours, or one that was answered. */
  strayPongs = 0;
  /** What the link is sure to take. */
  private bytesPerMs = 0;
  /** Whether more was to be sent than the window let through, since the last pong. */
  private filled = false;
  /** Pongs in a row that took about as long as the empty link does. */
  private steadyPongs = 0;
  private readonly pings: Ping[] = [];
  private lastNumber = 0;
  private pingedBytes = 0;
  /** What a ping takes on the link when nothing of ours is in its way. */
  private emptyLinkMs = Number.POSITIVE_INFINITY;
  /** An earlier round trip, with clearly more or less on its way than later ones. */
  private earlierMs = 0;
  private earlierBytes = 0;

  /** Nothing is known of the link any more, and nothing on its way. */
  reset(): void {
    this.bytes = WINDOW_FIRST_BYTES;
    this.answeredBytes = 0;
    this.roundTripMs = null;
    this.strayPongs = 0;
    this.bytesPerMs = 0;
    this.filled = false;
    this.steadyPongs = 0;
    this.pings.length = 0;
    this.lastNumber = 0;
    this.pingedBytes = 0;
    this.emptyLinkMs = Number.POSITIVE_INFINITY;
    this.earlierMs = 0;
    this.earlierBytes = 0;
  }

  /** What `sentBytes` may come to before the next ping is due: there are two pings a window. */
  get pingAtBytes(): number {
    return this.pingedBytes + Math.min(this.bytes / 2, SPACING_BYTES_MAX);
  }

  /** What `sentBytes` may come to before the window is full. */
  get fullAtBytes(): number {
    return this.answeredBytes + this.bytes;
  }

  /** Whether there was a ping yet: the first one, with little before it, tells what the empty link takes. */
  get begun(): boolean {
    return this.lastNumber > 0;
  }

  get unansweredPings(): number {
    return this.pings.length;
  }

  /** When the oldest ping without an answer was sent; null where there is none. */
  get oldestPingMs(): number | null {
    return this.pings[0]?.atMs ?? null;
  }

  /** How long the oldest `count` unanswered pings have all been without an answer; 0 where there are fewer. */
  silentMs(count: number, nowMs: number): number {
    const ping = this.pings[count - 1];
    return ping === undefined ? 0 : nowMs - ping.atMs;
  }

  /** Whether a pong is to come that answers for everything sent so far. */
  covers(sentBytes: number): boolean {
    return this.pings.length > 0 && this.pingedBytes === sentBytes;
  }

  /** The window is full, and there is more to be sent. */
  fill(): void {
    this.filled = true;
  }

  /** What so many bytes may take to arrive, as far as is known; 0: nothing is known. */
  transitMs(bytes: number): number {
    return this.bytesPerMs === 0 ? 0 : bytes / this.bytesPerMs;
  }

  /** Of the next ping. */
  get nextNumber(): number {
    return this.lastNumber + 1;
  }

  /** Registers the ping with which `sentBytes` end. @returns its number. */
  ping(sentBytes: number, nowMs: number): number {
    this.lastNumber += 1;
    const inFlightBytes = sentBytes - this.answeredBytes;
    this.pings.push({ number: this.lastNumber, sentBytes, inFlightBytes, atMs: nowMs });
    this.pingedBytes = sentBytes;
    return this.lastNumber;
  }

  /** A pong answers for its ping and all before it. @returns whether it answered for any. */
  pong(number: number, nowMs: number): boolean {
    const place = this.pings.findIndex((ping) => ping.number === number);
    if (place < 0) {
      this.strayPongs += 1;
      return false;
    }
    const { sentBytes, inFlightBytes, atMs } = this.pings[place]!;
    this.pings.splice(0, place + 1);
    const first = this.roundTripMs === null;
    this.answeredBytes = sentBytes;
    this.roundTripMs = nowMs - atMs;
    this.learnEmptyLink(this.roundTripMs, inFlightBytes);
    this.adapt(this.roundTripMs, inFlightBytes);
    if (first && this.roundTripMs <= NEAR_LINK_MS) this.bytes = Math.max(this.bytes, WINDOW_NEAR_BYTES);
    return true;
  }

  /**
   * The window is what the link takes in its empty round trip and QUEUE_MS more. To shrink it: what took longer than the empty link
   * does is the time of our own bytes, which gives the pace. To let it grow: all that is certain is that so much fits.
   */
  private adapt(roundTripMs: number, inFlightBytes: number): void {
    const { emptyLinkMs, bytes } = this;
    const targetMs = emptyLinkMs + QUEUE_MS;
    this.steadyPongs = roundTripMs <= LONG_LINK_SPREAD * emptyLinkMs ? this.steadyPongs + 1 : 0;
    // Where the window was full, what did not fit counts as if it had: messages are not as small as one would like.
    const carriedBytes = this.filled && inFlightBytes >= bytes / 2 ? bytes : inFlightBytes;
    const certainBytes = (carriedBytes * targetMs) / Math.max(roundTripMs, 0.1);
    // A heartbeat alone tells the link's length, not its pace.
    if (inFlightBytes >= PACE_BYTES_MIN) this.bytesPerMs = inFlightBytes / Math.max(roundTripMs, 0.1);
    if (roundTripMs > targetMs) {
      this.bytes = Math.max(
        WINDOW_MIN_BYTES,
        Math.min(bytes, (inFlightBytes * targetMs) / (roundTripMs - emptyLinkMs)),
      );
    } else if (certainBytes > bytes) {
      // A link that is only busy has round trips of all lengths; a long one has one.
      const long = this.filled && emptyLinkMs >= LONG_LINK_MS && this.steadyPongs >= LONG_LINK_PONGS;
      const mostBytes = Math.max(
        bytes,
        WINDOW_FULL_BYTES,
        long ? Math.min(2 * inFlightBytes, WINDOW_LONG_BYTES_MAX) : 0,
      );
      this.bytes = Math.min(2 * bytes, certainBytes, mostBytes);
    }
    this.filled = false;
  }

  /**
   * The least that was ever seen, unless the way has become longer: two round trips with different amounts on their way tell
   * what is the link's pace and what is its length.
   */
  private learnEmptyLink(roundTripMs: number, inFlightBytes: number): void {
    this.emptyLinkMs = Math.min(this.emptyLinkMs, roundTripMs);
    const { earlierMs, earlierBytes } = this;
    if (inFlightBytes > earlierBytes / 2 && inFlightBytes < earlierBytes * 2) return;
    this.earlierMs = roundTripMs;
    this.earlierBytes = inFlightBytes;
    if (earlierBytes === 0) return;
    const msPerByte = (roundTripMs - earlierMs) / (inFlightBytes - earlierBytes);
    if (msPerByte >= 0) this.emptyLinkMs = Math.max(this.emptyLinkMs, roundTripMs - inFlightBytes * msPerByte);
  }
}
