// Owns the figures of what a subscription costs in memory: in step, and while its client does not read and the market moves on;
// and of what it takes to bring all of those back at once. Run by `npm run bench:heap` (needs --expose-gc).
// Invariant: nothing but subscriptions, and what is sent for them, is made between the two readings of a figure.

import { ClientStream } from '../../src/client/stream.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { sameBook } from './books.ts';
import { type Peer, Recording, Site } from './site.ts';

const BOOKS = 100;
const IN_STEP_CLIENTS = 500;
const STALLED_CLIENTS = 1_000;
/** Of the stalled ones, those whose books are decoded. */
const SAMPLE_CLIENTS = 20;
const SAMPLE_BYTES_MAX = 2_000_000;
const DEPTH = 10;
/** While they stall. Shorter than it takes until a silent peer is closed. */
const UPDATES = 10_000;
const STALL_MS = 4_500;
const CATCH_UP_MS = 2_000;

const IN_STEP_BYTES_MAX = 1_024;
const STALLED_BYTES_MAX = 2_048;
/** Answers made for one book when all come back at once: one per cursor that they stopped at. */
const ENCODINGS_PER_BOOK_MAX = 8;

const failures: string[] = [];

async function main(): Promise<void> {
  await inStep();
  await stalled();
  for (const failure of failures) console.log(`FAILED: ${failure}`);
  process.exit(failures.length === 0 ? 0 : 1);
}

async function inStep(): Promise<void> {
  const site = new Site(BOOKS);
  await site.open();
  const peers = Array.from({ length: IN_STEP_CLIENTS }, (_, id) => site.connect(String(id)));
  await site.pass(100);
  const beforeBytes = memoryBytes();
  for (const peer of peers) site.subscribe(peer, DEPTH);
  await site.pass(500);
  const count = IN_STEP_CLIENTS * BOOKS;
  const each = (memoryBytes() - beforeBytes) / count;
  console.log(`${count} subscriptions in step on ${BOOKS} books: ${each.toFixed(0)} bytes each`);
  check(peers.every(isInStep), 'not all subscriptions came into step');
  check(each <= IN_STEP_BYTES_MAX, `a subscription in step takes over ${IN_STEP_BYTES_MAX} bytes`);
}

async function stalled(): Promise<void> {
  const site = new Site(BOOKS);
  await site.open();
  await site.market(UPDATES, STALL_MS);
  const recordings = Array.from({ length: SAMPLE_CLIENTS }, () => new Recording(SAMPLE_BYTES_MAX));
  const beforeBytes = memoryBytes();
  const peers = Array.from({ length: STALLED_CLIENTS }, (_, id) => site.connect(String(id), recordings[id] ?? null));
  for (const peer of peers) site.subscribe(peer, DEPTH);
  await site.pass(500);
  check(peers.every(isInStep), 'not all subscriptions came into step before they stalled');
  // Half of them as on a fast link, where the kernel takes all that the window lets through; half with a full socket.
  for (const [index, peer] of peers.entries()) peer.stall(index % 2 === 0 ? 'silent' : 'full');
  const sentBefore = peers.map(({ connection }) => connection.sentBytes);
  await site.market(UPDATES, STALL_MS);
  const count = STALLED_CLIENTS * BOOKS;
  const each = (memoryBytes() - beforeBytes) / count;
  const sent = peers.map(({ connection }, index) => connection.sentBytes - sentBefore[index]!);
  console.log(
    `${count} subscriptions of ${STALLED_CLIENTS} stalled readers on ${BOOKS} books, after ${UPDATES} updates: ` +
      `${each.toFixed(0)} bytes each; each reader was sent at most ${Math.max(...sent)} bytes after it stalled`,
  );
  check(each <= STALLED_BYTES_MAX, `a stalled subscription takes over ${STALLED_BYTES_MAX} bytes`);
  check(
    peers.every((peer) => !peer.connection.closed),
    'readers were closed',
  );
  check(
    peers.every((peer) => peer.connection.block !== null),
    'readers were not held back',
  );
  await drain(site, peers, recordings);
}

async function drain(site: Site, peers: readonly Peer[], recordings: readonly Recording[]): Promise<void> {
  const { counters } = site.topics;
  const encodingsBefore = counters.encodings;
  const answersBefore = answers(site);
  const messagesBefore = recordings.map(({ length }) => length);
  for (const peer of peers) peer.drain();
  await site.pass(CATCH_UP_MS);
  const encodings = counters.encodings - encodingsBefore;
  const behind = peers.flatMap((peer) => subscriptionsBehind(peer));
  const inexact = recordings.flatMap((recording, index) => faultsOf(site, recording, messagesBefore[index]!));
  console.log(
    `all drain at once: ${answers(site) - answersBefore} answers from ${encodings} encodings, ` +
      `${(encodings / BOOKS).toFixed(1)} a book; ${peers.length * BOOKS - behind.length} subscriptions are up to date, ` +
      `${SAMPLE_CLIENTS * BOOKS - inexact.length} of ${SAMPLE_CLIENTS * BOOKS} decoded books are exact after one answer`,
  );
  check(encodings <= ENCODINGS_PER_BOOK_MAX * BOOKS, `over ${ENCODINGS_PER_BOOK_MAX} encodings a book`);
  check(behind.length === 0, `${behind.length} subscriptions are behind, the first: ${behind[0]}`);
  check(inexact.length === 0, `${inexact.length} books of the sample are wrong: ${inexact.slice(0, 3).join('; ')}`);
}

function answers(site: Site): number {
  return Object.values(site.topics.counters.byKind).reduce((sum, count) => sum + count, 0);
}

function isInStep({ connection }: Peer): boolean {
  const { subscriptions } = connection;
  return subscriptions.size === BOOKS && [...subscriptions.values()].every(({ inStep }) => inStep);
}

/** By their cursors: what the view has sent where they are in step, else their own. */
function subscriptionsBehind({ connection }: Peer): string[] {
  const { id, subscriptions } = connection;
  const lacking = [...subscriptions.values()].filter(({ topic, view, seq, inStep }) => {
    return (inStep ? view.sentSeq : seq) !== topic.seq;
  });
  const missing = BOOKS - subscriptions.size;
  const texts = lacking.map(({ topic, seq }) => `${topic.symbol} of reader ${id} at ${seq} of ${topic.seq}`);
  return missing === 0 ? texts : [...texts, `${missing} subscriptions of reader ${id} are gone`];
}

/** Decodes all that one reader was sent. @returns a text for each book that is not exact after one answer since the drain. */
function faultsOf(site: Site, recording: Recording, drainedFrom: number): string[] {
  const answersOf = new Map<string, number>();
  let draining = false;
  const faults: string[] = [];
  const stream = new ClientStream(msgpackCodec, () => {}, {
    book: ({ topic }) => {
      if (draining) answersOf.set(topic.symbol, (answersOf.get(topic.symbol) ?? 0) + 1);
    },
    resync: ({ topic }, reason) => void faults.push(`${topic.symbol} has a ${reason}`),
  });
  for (let index = 0; index < recording.length; index++) {
    draining = index >= drainedFrom;
    stream.receive(recording.message(index));
  }
  for (const symbol of site.symbols) {
    const held = stream.find('book', symbol);
    const topic = site.topic(symbol);
    const exact = held?.valid === true && held.seq === topic.seq && sameBook(held.book!, topic.book, DEPTH);
    if (!exact) faults.push(`${symbol} is not exact`);
    else if (answersOf.get(symbol) !== 1) faults.push(`${symbol} got ${answersOf.get(symbol) ?? 0} answers`);
  }
  return faults;
}

function check(holds: boolean, failure: string): void {
  if (!holds) failures.push(failure);
}

/** Heap, and what buffers take beside it. */
function memoryBytes(): number {
  if (globalThis.gc === undefined) throw new Error('run it with node --expose-gc');
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

void main();
