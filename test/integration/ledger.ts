// Owns the comparison of what several gateways told their clients: states of equal depth and seq, and frames of equal reach. The
// clients of the nodes proof write into it. Invariant: what two gateways told alike is counted once for each gateway after the first;
// whatever they told otherwise is a difference.

import type { Piece } from './frame-pieces.ts';

/** What is remembered of one view of a topic: more than any gateway of a run is behind another. */
const KEPT_MAX = 256;
const DIFFERENCES_MAX = 100;
/** Numbers of a level in a state. */
const HELD_STRIDE = 3;

/** Which view of a topic something belongs to. */
export interface Place {
  /** `book:BTC-USD`, `book@10:BTC-USD`. */
  readonly topic: string;
  readonly epoch: number;
  readonly depth: number;
  /** Numbers of a level in frames. */
  readonly stride: number;
}

/** A book that a client holds. */
export interface Levels {
  readonly checksum: number;
  /** Price, size and order count of each, one after the other. */
  readonly bids: readonly number[];
  readonly asks: readonly number[];
}

interface Kept<T> {
  readonly value: T;
  readonly node: string;
  /** All that told it. */
  readonly nodes: Set<string>;
}

export class Ledger {
  /** States that a second, third, ... gateway told, by the pair of gateways that were compared. */
  readonly states: Record<string, number> = {};
  /** Frames that a second, third, ... gateway told in the same bytes, by kind. */
  readonly frames: Record<string, number> = {};
  readonly differences: string[] = [];
  differenceCount = 0;
  private readonly views = new Map<string, Map<string, Kept<readonly number[]>>>();
  private readonly reaches = new Map<string, Map<string, Kept<Piece>>>();

  book(node: string, place: Place, seq: number, { checksum, bids, asks }: Levels): void {
    this.state(node, place, seq, [checksum, bids.length / HELD_STRIDE, ...bids, ...asks]);
  }

  /** A client of `node` holds a state that is these numbers; they are kept. */
  state(node: string, { topic, epoch, depth }: Place, seq: number, numbers: readonly number[]): void {
    const view = bookOf(this.views, `${topic} ${depth}`);
    const name = `${epoch} ${seq}`;
    const known = view.get(name);
    if (known === undefined) return keep(view, name, node, numbers);
    if (!sameNumbers(known.value, numbers)) {
      const first = numbers.findIndex((number, i) => number !== known.value[i]);
      const where = `number ${first}: ${known.value[first]} and ${numbers[first]}`;
      return this.differ(
        `${topic} at depth ${depth}, seq ${seq}: ${known.node} and ${node} hold different states (${where})`,
      );
    }
    if (known.nodes.has(node)) return;
    known.nodes.add(node);
    count(this.states, [known.node, node].sort().join(' and '));
  }

  /** A client of `node` got this frame in a subscription of that mode. */
  frame(node: string, place: Place, mode: 'raw' | 'live', piece: Piece): void {
    const { topic, epoch, depth } = place;
    const { type, fromSeq, seq, index } = piece;
    const view = bookOf(this.reaches, `${topic} ${mode} ${type} ${depth}`);
    const name = `${epoch} ${fromSeq} ${seq} ${index}`;
    const known = view.get(name);
    if (known === undefined) return keep(view, name, node, piece);
    if (known.value.bytes !== piece.bytes) {
      const both = `${hexOf(known.value)}\n  ${hexOf(piece)}`;
      const what = `the ${mode} ${type} frames from ${fromSeq} to ${seq}`;
      return this.differ(`${topic} at depth ${depth}: ${what} of ${known.node} and ${node} differ:\n  ${both}`);
    }
    if (known.nodes.has(node)) return;
    known.nodes.add(node);
    count(this.frames, kindOf(topic, mode, piece));
  }

  private differ(what: string): void {
    this.differenceCount += 1;
    if (this.differences.length < DIFFERENCES_MAX) this.differences.push(what);
  }
}

function kindOf(topic: string, mode: 'raw' | 'live', { type, fromSeq }: Piece): string {
  if (type === 'trade') return 'trade';
  const name = type === 'book' && topic.includes('@') ? 'grouped book' : type;
  return `${mode} ${name}${fromSeq === 0 ? ' snapshot' : ''}`;
}

function hexOf({ bytes }: Piece): string {
  return Buffer.from(bytes, 'latin1').toString('hex');
}

function bookOf<T>(books: Map<string, Map<string, T>>, name: string): Map<string, T> {
  let book = books.get(name);
  if (book === undefined) {
    book = new Map();
    books.set(name, book);
  }
  return book;
}

function keep<T>(book: Map<string, Kept<T>>, name: string, node: string, value: T): void {
  book.set(name, { value, node, nodes: new Set([node]) });
  if (book.size <= KEPT_MAX) return;
  const [oldest] = book.keys();
  book.delete(oldest!);
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function sameNumbers(kept: readonly number[], numbers: readonly number[]): boolean {
  if (kept.length !== numbers.length) return false;
  for (let i = 0; i < numbers.length; i++) if (kept[i] !== numbers[i]) return false;
  return true;
}
