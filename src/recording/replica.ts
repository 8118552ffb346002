// Owns one topic of a recording while it is played: what a reader holds of it, and whether the next frame follows on that.
// The player keeps one of each. Invariant: what is held is exact at `seq`, by the recorded checksum, or it is not `valid`.

import { LocalBook } from '../client/local-book.ts';
import type { BookFrame, ChannelFrame, QuoteFrame, StatusFrame, TopicFrame } from '../protocol/frames.ts';

/**
 * `next`: it follows. `fresh`: it replaces what was held. `known`: it says nothing new. `useless`: what it follows on is not
 * there, and that was said before. Else the reason why the topic is lost from here on.
 */
export type Taken = 'next' | 'fresh' | 'known' | 'useless' | { readonly lost: string };

export class Replica {
  seq = 0;
  valid = false;
  readonly book: LocalBook | null;
  newest: QuoteFrame | StatusFrame | BookFrame | null = null;
  /** Whether it was said that the topic is lost. */
  private lost = false;

  constructor(public topic: TopicFrame) {
    this.book = topic.channel === 'book' ? new LocalBook() : null;
  }

  /** Takes a frame. `missing` is told how many updates the recording lacks before it. */
  take(frame: ChannelFrame, missing: (count: number) => void): Taken {
    if (frame.type === 'trade') return this.event(frame, missing);
    if (frame.fromSeq === 0) return this.replace(frame, missing);
    if (!this.valid || frame.fromSeq > this.seq) {
      return this.lose(`update ${frame.seq} follows on ${frame.fromSeq}, and ${this.seq} is held`);
    }
    if (frame.seq <= this.seq) return 'known';
    missing(frame.seq - this.seq - 1);
    return this.apply(frame, 'next');
  }

  /** Events before this are not told; for a reader that holds them already it says nothing. */
  begin(seq: number, missing: (count: number) => void): void {
    if (this.valid && seq > this.seq) missing(seq - this.seq);
    if (!this.valid || seq > this.seq) this.seq = seq;
    this.valid = true;
  }

  /** The recording names what it lacks. Events go on behind it, a state begins anew. @returns how many updates that is. */
  skip(lastSeq: number): number {
    const count = Math.max(0, lastSeq - this.seq);
    this.seq = Math.max(this.seq, lastSeq);
    if (this.topic.channel !== 'trade') {
      this.valid = false;
      this.lost = true;
    }
    return count;
  }

  private event(frame: Extract<ChannelFrame, { type: 'trade' }>, missing: (count: number) => void): Taken {
    if (this.valid && frame.seq <= this.seq) return 'known';
    if (this.valid) missing(frame.seq - this.seq - 1);
    this.seq = frame.seq;
    this.valid = true;
    return 'next';
  }

  private replace(frame: BookFrame | QuoteFrame | StatusFrame, missing: (count: number) => void): Taken {
    if (this.valid && frame.seq <= this.seq) return 'known';
    if (this.seq > 0 && frame.seq > this.seq + 1) missing(frame.seq - this.seq - 1);
    return this.apply(frame, 'fresh');
  }

  private apply(frame: BookFrame | QuoteFrame | StatusFrame, taken: 'next' | 'fresh'): Taken {
    if (frame.type === 'book' && this.book !== null && this.book.apply({ ...frame, parts: 0 }) !== 'applied') {
      return this.lose(`the book at update ${frame.seq} differs from the recorded checksum`);
    }
    this.seq = frame.seq;
    this.valid = true;
    this.lost = false;
    this.newest = frame;
    return taken;
  }

  private lose(why: string): Taken {
    this.valid = false;
    if (this.lost) return 'useless';
    this.lost = true;
    return { lost: why };
  }
}
