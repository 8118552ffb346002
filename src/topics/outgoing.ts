// Owns the answers that are on their way to lanes, encoded once each, and the messages that are joined of them, which lanes that are due the
// same answers share. The flush adds answers and sends the messages. Invariant: an answer keeps its number and its bytes until it is released,
// and answers are released in the order in which they were made.

import { ByteWriter } from '../protocol/writer.ts';
import { JoinTable, NO_ENTRY } from './join-table.ts';
import type { Lanes } from './lanes.ts';
import type { View } from './view.ts';

/** Messages of up to this are sent from the buffer's front. */
const FRONT_BYTES = 4_096;
const ANSWERS_MIN = 64;
/** Released bytes are kept up to this before those behind them are moved. */
const SLACK_BYTES = 1 << 18;

/** Plain counters; the flush's own. */
export interface JoinCounters {
  /** Messages built for a set of answers, and how often such a message served another recipient too. */
  joins: number;
  joinsShared: number;
  /** Frames in the messages. */
  frames: number;
}

/** One answer, for all members of a view. */
export class OutgoingAnswer {
  /** Null before there was one. */
  view: View | null = null;
  /** Where its time frame begins, where its frames begin and end. */
  start = 0;
  body = 0;
  end = 0;
  /** What its time frame says. */
  turnUs = 0;
  /** What the view's members hold without it. */
  heldSeq = 0;
  /** For the counters: its frames, what it merges, when its newest update was published (0: it waited), lanes that it goes to. */
  frames = 0;
  merged = 0;
  publishedUs = 0;
  receivers = 0;
  /** How many lanes had been passed when it was made. */
  passed = 0;
  /** It alone as a message, once it was one. */
  message: Uint8Array | null = null;
}

export class Outgoing {
  readonly writer = new ByteWriter(1 << 20);
  /** Numbers of the oldest answer on its way, and of the next one. Lanes know them by their last 32 bits. */
  first = 0;
  next = 0;
  private answers: OutgoingAnswer[] = Array.from({ length: ANSWERS_MIN }, () => new OutgoingAnswer());
  private mask = ANSWERS_MIN - 1;
  private readonly table: JoinTable;
  /** Where the joined messages begin. */
  private joinedFrom = FRONT_BYTES;
  /** Views of the buffer's front, by length; made when they are first needed, of the buffer that `fronted` is. */
  private readonly fronts = new Array<Uint8Array | null>(FRONT_BYTES + 1).fill(null);
  private fronted: Uint8Array | null = null;

  constructor(
    private readonly lanes: Lanes,
    private readonly counters: JoinCounters,
  ) {
    this.table = new JoinTable(lanes);
    this.writer.length = FRONT_BYTES;
  }

  /** How many answers are on their way. */
  get count(): number {
    return this.next - this.first;
  }

  at(number: number): OutgoingAnswer {
    return this.answers[number & this.mask]!;
  }

  /** The next answer, to be filled in. */
  add(): OutgoingAnswer {
    if (this.count > this.mask) this.grow();
    return this.at(this.next++);
  }

  /** The answer as a message. */
  single(answer: OutgoingAnswer): Uint8Array {
    answer.message ??= this.writer.bytes.subarray(answer.start, answer.end);
    return answer.message;
  }

  /** The same where there is no other: it is good until the next turn. */
  lone({ start, end }: OutgoingAnswer): Uint8Array {
    return this.front(start, end - start);
  }

  /** From here on messages are joined, until `endJoins`: no answer is added in between. */
  beginJoins(): void {
    this.table.clear();
    this.joinedFrom = this.writer.length;
  }

  endJoins(): void {
    this.writer.length = this.joinedFrom;
  }

  /** One message of all that is due to the lane; the same for all whose due answers are the same. It is good until the next is asked for. */
  joined(lane: number): Uint8Array {
    const { table, writer } = this;
    const entry = table.enter(lane);
    if (entry !== NO_ENTRY && table.ends[entry]! > 0) {
      this.counters.joinsShared += 1;
      this.counters.frames -= table.timesSpared[entry]!;
      table.messages[entry] ??= writer.bytes.subarray(table.starts[entry], table.ends[entry]);
      return table.messages[entry];
    }
    const start = writer.length;
    const timesSpared = this.join(lane);
    if (entry !== NO_ENTRY) {
      table.starts[entry] = start;
      table.ends[entry] = writer.length;
      table.timesSpared[entry] = timesSpared;
    }
    this.counters.joins += 1;
    this.counters.frames -= timesSpared;
    return this.front(start, writer.length - start);
  }

  /** Answers before this number are on no lane any more. */
  release(before: number): void {
    this.first = before;
    const { writer } = this;
    if (this.count === 0) {
      writer.length = FRONT_BYTES;
      return;
    }
    const shift = this.at(before).start - FRONT_BYTES;
    if (shift < SLACK_BYTES) return;
    writer.bytes.copyWithin(FRONT_BYTES, FRONT_BYTES + shift, writer.length);
    writer.length -= shift;
    for (let number = before; number < this.next; number++) {
      const answer = this.at(number);
      answer.start -= shift;
      answer.body -= shift;
      answer.end -= shift;
      answer.message = null;
    }
  }

  /** Copies what is due to the lane behind everything else. @returns how many time frames it does without. */
  private join(lane: number): number {
    const { writer } = this;
    const { due, dueCounts, dueStride } = this.lanes;
    const first = lane * dueStride;
    const count = dueCounts[lane] as number;
    let timesSpared = 0;
    /** A time frame counts for all frames behind it up to the next. */
    let turnUs = 0;
    for (let i = first; i < first + count; i++) {
      const answer = this.at(due[i]!);
      const timed = answer.turnUs === turnUs;
      const from = timed ? answer.body : answer.start;
      if (timed && answer.body > answer.start) timesSpared += 1;
      turnUs = answer.turnUs;
      writer.reserve(answer.end - from);
      writer.bytes.copyWithin(writer.length, from, answer.end);
      writer.length += answer.end - from;
    }
    return timesSpared;
  }

  /** The message that begins at `start`, at the buffer's front until the next: most are due to one lane only, and a new view takes longer than a copy. */
  private front(start: number, bytes: number): Uint8Array {
    const { fronts } = this;
    const buffer = this.writer.bytes;
    if (bytes > FRONT_BYTES) return buffer.subarray(start, start + bytes);
    if (this.fronted !== buffer) {
      this.fronted = buffer;
      fronts.fill(null);
    }
    buffer.copyWithin(0, start, start + bytes);
    fronts[bytes] ??= buffer.subarray(0, bytes);
    return fronts[bytes];
  }

  private grow(): void {
    const { answers, mask } = this;
    const grown = Array.from({ length: answers.length * 2 }, () => new OutgoingAnswer());
    for (let number = this.first; number < this.next; number++) {
      grown[number & (grown.length - 1)] = answers[number & mask]!;
    }
    this.answers = grown;
    this.mask = grown.length - 1;
  }
}
