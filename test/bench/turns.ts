// Owns the accounts of a slow reader: how old is what it shows, and how old the link's own slowness lets it be.
// slow.ts feeds it. Invariant: a turn ends when every book has been brought up at least once since it began.

const FIRST_TURNS = 3;

/** How many bytes it takes to bring up every book once, and how evenly it is done. */
export class Turns {
  /** Of the last whole turn; null before the first has ended. */
  lastBytes: number | null = null;
  count = 0;
  /**
   * Frames of others between two of one book, at most, once FIRST_TURNS are over: what was sent before the link was known.
   * Served in turn it is one less than there are books.
   */
  othersMax = 0;
  private fromBytes = 0;
  private frames = 0;
  private readonly seen = new Set<number>();
  private readonly lastFrame = new Map<number, number>();

  constructor(private readonly books: number) {}

  /** A frame of this book ends where `readBytes` bytes have been read in all. */
  frame(book: number, readBytes: number): void {
    const others = this.frames - (this.lastFrame.get(book) ?? this.frames);
    if (this.count >= FIRST_TURNS) this.othersMax = Math.max(this.othersMax, others);
    this.frames += 1;
    this.lastFrame.set(book, this.frames);
    this.seen.add(book);
    if (this.seen.size < this.books) return;
    this.seen.clear();
    this.lastBytes = readBytes - this.fromBytes;
    this.fromBytes = readBytes;
    this.count += 1;
  }
}

/** The largest of what was measured since the turn before the present one began. */
export class Recent {
  private before = 0;
  private present = 0;
  private turn = 0;

  take(value: number, turn: number): void {
    if (turn !== this.turn) {
      this.before = turn === this.turn + 1 ? this.present : value;
      this.present = 0;
      this.turn = turn;
    }
    this.present = Math.max(this.present, value);
  }

  get max(): number {
    return Math.max(this.before, this.present);
  }
}

/** When each update was published. */
export class Ages {
  private readonly publishedMs: number[][];

  constructor(books: number) {
    this.publishedMs = Array.from({ length: books }, () => []);
  }

  published(book: number, seq: number, nowMs: number): void {
    this.publishedMs[book]![seq] = nowMs;
  }

  /** How long a holder of `seq` has been without the update after it; 0 where there is none. */
  ageMs(book: number, seq: number, nowMs: number): number {
    const nextMs = this.publishedMs[book]![seq + 1];
    return nextMs === undefined ? 0 : nowMs - nextMs;
  }
}

export interface LinkState {
  /** At the pace that the gateway told; 0: as they happen. */
  readonly intervalMs: number;
  /** What is shown was sent a round trip before it came: the longest since the turn before this one began. */
  readonly roundTripMs: number;
  readonly turnBytes: number;
}

/** What may pass beside the link's own time. */
const GRACE_MS = 500;

/** How old the oldest book may be on a link of this rate. */
export function boundMs({ intervalMs, roundTripMs, turnBytes }: LinkState, bytesPerSec: number): number {
  return intervalMs + GRACE_MS + roundTripMs + (turnBytes / bytesPerSec) * 1_000;
}

/** The worst of many ages, each held against the bound of its moment. */
export class WorstAge {
  ageMs = 0;
  /** What was allowed when the age was nearest to its bound, or furthest above it. */
  boundMs = Number.POSITIVE_INFINITY;
  atMs = 0;

  take(ageMs: number, boundMs: number, nowMs: number): void {
    if (ageMs - boundMs <= this.ageMs - this.boundMs) return;
    this.ageMs = ageMs;
    this.boundMs = boundMs;
    this.atMs = nowMs;
  }

  get holds(): boolean {
    return this.ageMs <= this.boundMs;
  }
}
