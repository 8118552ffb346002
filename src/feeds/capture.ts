// Owns reading capture files: one received message per line, "<unix seconds>: <text>". Replay calls it.
// Lines with "<->" and "<-" tell of connections and requests and are passed over, as are those with "->", answers by HTTP,
// which nobody makes a message of.
// Invariant: a file is read line by line, never held as a whole, and its order is never changed.

import { createReadStream, statSync } from 'node:fs';
import { nextTurn, type Pacing, waitUntil } from './pacing.ts';
import { secondsToUs } from './timestamp.ts';

export interface CaptureMessage {
  /** When it was received, microseconds since 1970. */
  readonly timeUs: number;
  readonly text: string;
}

/** Messages in order of time. The byte counts are for progress bars: `bytesRead` grows up to `bytesTotal`. */
export interface CaptureStream extends AsyncIterable<CaptureMessage> {
  readonly bytesTotal: number;
  readonly bytesRead: number;
}

/** A line of a capture that is none. The message begins with file and line number. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError';
}

/** Makes a message of the body of an answer by HTTP; null to pass over it. */
export type AnswerReader = (url: string, body: string) => string | null;

const DESCRIPTION = /^\S+ (?:<->|<-|->) /;
const ANSWER = /^(https?:\/\/\S+) -> ([\d.]+): (.*)$/;
/** What an index of captures says of how it was made. */
const CONFIGURATION = 'configuration: ';
const SEPARATOR = ': ';
/** Messages at one moment before the event loop gets a turn. */
const BURST_MESSAGES_MAX = 256;
/** Characters of a bad line that the error shows. */
const EXCERPT_CHARS = 60;

/** The received messages of one file. Throws at once where there is no such file. */
export function readCapture(path: string, answerReader: AnswerReader = passOver): CaptureStream {
  return new CaptureFile(path, answerReader);
}

/** The received messages of several files as one stream, by time; at the same time in the order of the paths. */
export function readCaptures(paths: readonly string[], answerReader: AnswerReader = passOver): CaptureStream {
  return new MergedCaptures(paths.map((path) => new CaptureFile(path, answerReader)));
}

/**
 * Yields each message at its distance in time from the first, divided by `speed`, against absolute target times; with
 * `max` as fast as they are taken. Ends when `signal` aborts. Throws a RangeError for a speed that is not above 0.
 */
export async function* paced<Timed extends { readonly timeUs: number }>(
  messages: AsyncIterable<Timed>,
  { speed, ...pacing }: Pacing & { readonly speed: number | 'max' },
): AsyncGenerator<Timed, void, undefined> {
  if (speed !== 'max' && !(speed > 0)) throw new RangeError(`speed is ${speed}, not a number above 0`);
  let start: { readonly atMs: number; readonly timeUs: number } | null = null;
  let burst = 0;
  for await (const message of messages) {
    start ??= { atMs: pacing.clock.nowMs(), timeUs: message.timeUs };
    const targetMs = speed === 'max' ? start.atMs : start.atMs + (message.timeUs - start.timeUs) / 1_000 / speed;
    if (targetMs > pacing.clock.nowMs()) {
      burst = 0;
      await waitUntil(targetMs, pacing);
    } else if (++burst % BURST_MESSAGES_MAX === 0) await nextTurn(pacing);
    if (pacing.signal?.aborted) return;
    yield message;
  }
}

class CaptureFile implements CaptureStream {
  readonly bytesTotal: number;
  bytesRead = 0;
  private readonly path: string;
  private readonly answerReader: AnswerReader;

  constructor(path: string, answerReader: AnswerReader) {
    this.path = path;
    this.answerReader = answerReader;
    this.bytesTotal = statSync(path).size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<CaptureMessage, void, undefined> {
    this.bytesRead = 0;
    let lineNumber = 0;
    for await (const line of lines(this.path)) {
      lineNumber++;
      this.bytesRead = Math.min(this.bytesTotal, this.bytesRead + Buffer.byteLength(line) + 1);
      if (line.trim() === '' || line.startsWith(CONFIGURATION)) continue;
      if (DESCRIPTION.test(line)) {
        const answer = parseAnswer(line, this.answerReader);
        if (answer !== null) yield answer;
        continue;
      }
      const message = parseLine(line);
      if (message === null) throw new CaptureError(`${this.path}:${lineNumber}: ${complaint(line)}`);
      yield message;
    }
  }
}

class MergedCaptures implements CaptureStream {
  readonly bytesTotal: number;
  private readonly files: readonly CaptureFile[];

  constructor(files: readonly CaptureFile[]) {
    this.files = files;
    this.bytesTotal = sum(files.map((file) => file.bytesTotal));
  }

  get bytesRead(): number {
    return sum(this.files.map((file) => file.bytesRead));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<CaptureMessage, void, undefined> {
    const readers = this.files.map((file) => file[Symbol.asyncIterator]());
    try {
      const heads = await Promise.all(readers.map((reader) => reader.next()));
      for (let index = earliest(heads); index >= 0; index = earliest(heads)) {
        yield heads[index]!.value as CaptureMessage;
        heads[index] = await readers[index]!.next();
      }
    } finally {
      await Promise.all(readers.map((reader) => reader.return()));
    }
  }
}

/** Index of the head with the least time, or -1 when all readers are done. */
function earliest(heads: readonly IteratorResult<CaptureMessage, void>[]): number {
  let best = -1;
  let bestUs = Number.POSITIVE_INFINITY;
  heads.forEach((head, index) => {
    if (head.done || head.value.timeUs >= bestUs) return;
    best = index;
    bestUs = head.value.timeUs;
  });
  return best;
}

async function* lines(path: string): AsyncGenerator<string, void, undefined> {
  let rest = '';
  for await (const chunk of createReadStream(path, 'utf8')) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
  if (rest !== '') yield rest;
}

function parseLine(line: string): CaptureMessage | null {
  const separator = line.indexOf(SEPARATOR);
  const timeUs = separator < 0 ? null : secondsToUs(line.slice(0, separator));
  return timeUs === null ? null : { timeUs, text: line.slice(separator + SEPARATOR.length).trimEnd() };
}

function parseAnswer(line: string, reader: AnswerReader): CaptureMessage | null {
  const [, url, time, body] = ANSWER.exec(line) ?? [];
  if (url === undefined || time === undefined || body === undefined) return null;
  const timeUs = secondsToUs(time);
  const text = reader(url, body.trimEnd());
  return timeUs === null || text === null ? null : { timeUs, text };
}

function passOver(): null {
  return null;
}

function complaint(line: string): string {
  return `neither "<unix seconds>: <message>" nor a connection's "<->", "<-" or "->": ${JSON.stringify(line.slice(0, EXCERPT_CHARS))}`;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
