// Owns a client's copy of a book: applies frames by the rules of proto/frames.md and checks itself after each.
// Called by the client session for every book and part frame. Invariant: when `seq` is n, the levels are precisely the
// publisher's best `depth` at update n, or `apply` said `resync`.

import { ASK, BID } from '../market/checksum.ts';
import { Ladder, type LadderLevel } from '../market/ladder.ts';
import type { BookFrame, FlatLevels, PartFrame } from '../protocol/frames.ts';

/**
 * `applied`: the book moved on. `ignored`: it already held that. `held-back`: a part of an answer that is not complete yet.
 * `resync`: a hole or a wrong checksum; ask for a fresh snapshot.
 */
export type Applied = 'applied' | 'ignored' | 'held-back' | 'resync';

/** What has happened to this book; all of them only grow. */
export interface BookCounters {
  frames: number;
  snapshots: number;
  /** Updates that came merged into others, so that their own state was never seen. */
  merged: number;
  ignored: number;
  holes: number;
  badChecksums: number;
}

/** A copy of one book, exact at its seq. */
export class LocalBook {
  /** What the book has been brought up to; 0 before the first snapshot. */
  seq = 0;
  /** Levels held per side at most; 0: all. */
  depth = 0;
  /** Whether a snapshot has arrived and nothing has been missed since. */
  valid = false;
  readonly counters: BookCounters = { frames: 0, snapshots: 0, merged: 0, ignored: 0, holes: 0, badChecksums: 0 };
  private readonly bidLadder = new Ladder(BID);
  private readonly askLadder = new Ladder(ASK);
  private parts: PartFrame[] = [];

  /** Bids, best last. */
  get bids(): readonly LadderLevel[] {
    return this.bidLadder.levels;
  }

  /** Asks, best last. */
  get asks(): readonly LadderLevel[] {
    return this.askLadder.levels;
  }

  /** Sum of the level hashes of what is held. */
  get checksum(): number {
    return (this.bidLadder.sum + this.askLadder.sum) >>> 0;
  }

  /** Forgets everything: an epoch ended, or a resync was asked for. */
  reset(): void {
    this.bidLadder.clear();
    this.askLadder.clear();
    this.parts = [];
    this.seq = 0;
    this.valid = false;
  }

  /** Keeps a part until the frame that closes its answer. */
  hold(part: PartFrame): Applied {
    if (part.index === 0) this.parts = [];
    const [first] = this.parts;
    if (part.index !== this.parts.length || (first !== undefined && first.seq !== part.seq))
      return this.broken('holes');
    this.parts.push(part);
    return 'held-back';
  }

  /** Takes a book frame. */
  apply(frame: BookFrame): Applied {
    // Parts of an answer that was abandoned mean nothing to a frame that has none.
    const parts = frame.parts === 0 ? [] : this.parts;
    this.parts = [];
    this.counters.frames += 1;
    if (
      frame.parts !== parts.length ||
      parts.some(({ seq, fromSeq }) => seq !== frame.seq || fromSeq !== frame.fromSeq)
    ) {
      return this.broken('holes');
    }
    if (frame.fromSeq === 0) return this.replace(frame, parts);
    if (!this.valid || this.seq < frame.fromSeq) return this.broken('holes');
    // Another depth at the same update is news: the subscription was changed.
    if (this.seq > frame.seq || (this.seq === frame.seq && this.depth === frame.depth)) {
      this.counters.ignored += 1;
      return 'ignored';
    }
    this.counters.merged += Math.max(0, frame.seq - this.seq - 1);
    return this.change(frame, parts);
  }

  private replace(frame: BookFrame, parts: readonly PartFrame[]): Applied {
    this.counters.snapshots += 1;
    this.bidLadder.clear();
    this.askLadder.clear();
    this.valid = true;
    return this.change(frame, parts);
  }

  private change(frame: BookFrame, parts: readonly PartFrame[]): Applied {
    for (const part of parts) {
      setAll(this.bidLadder, part.bids, part.stride);
      setAll(this.askLadder, part.asks, part.stride);
    }
    setAll(this.bidLadder, frame.bids, frame.stride);
    setAll(this.askLadder, frame.asks, frame.stride);
    this.bidLadder.cut(frame.depth);
    this.askLadder.cut(frame.depth);
    this.seq = frame.seq;
    this.depth = frame.depth;
    return this.checksum === frame.checksum ? 'applied' : this.broken('badChecksums');
  }

  private broken(why: 'holes' | 'badChecksums'): Applied {
    this.counters[why] += 1;
    this.parts = [];
    this.valid = false;
    return 'resync';
  }
}

function setAll(ladder: Ladder, flat: FlatLevels, stride: number): void {
  for (let i = 0; i < flat.length; i += stride) {
    ladder.set(flat[i]!, flat[i + 1]!, stride === 3 ? flat[i + 2]! : 0);
  }
}
