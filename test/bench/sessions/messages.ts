// Owns what the orchestrator of `bench:sessions` and its processes say to each other over IPC: each order gets one answer.
// Servers: serve -> serving, memory, classes, market -> selling, close -> closed. Crowd and mover: their own.
// Invariant: a process whose channel closes exits.

import type { Settings } from '../../../src/settings/settings.ts';

/** What a process had used up, and held, at one moment. */
export interface MemoryReading {
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  /** Buffers and whatever else V8 knows of beside its heap. */
  readonly externalBytes: number;
  readonly connections: number;
  /** Topics that are open. */
  readonly topics: number;
  /** User and system time of all threads, ever. */
  readonly cpuUs: number;
}

/** Objects of one class in a heap snapshot. */
export interface ClassCount {
  readonly name: string;
  readonly count: number;
  readonly bytes: number;
}

export type ToServer =
  | { type: 'serve'; settings: Partial<Settings>; firstMessage: readonly number[] }
  | { type: 'usage' }
  /** After a forced collection of garbage. */
  | { type: 'memory' }
  | { type: 'classes' }
  | { type: 'market'; books: number; updatesPerSec: number; seed: number }
  | { type: 'close' };
export type FromServer =
  | { type: 'serving'; port: number }
  | ({ type: 'usage' } & MemoryReading)
  | ({ type: 'memory' } & MemoryReading)
  | { type: 'classes'; classes: ClassCount[] }
  | { type: 'selling' }
  | { type: 'closed'; finals: FinalBook[] };

/** Where a book stands when the market has closed. */
export interface FinalBook {
  readonly symbol: string;
  readonly seq: number;
  readonly checksum: number;
}

/** Where connections go to. */
export interface Target {
  readonly port: number;
  /** Null: the baseline, which speaks none. */
  readonly subprotocol: string | null;
  /** An API key; null: nobody says who they are. */
  readonly credential: string | null;
}

export interface LatencyFigures {
  readonly count: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

export interface Faults {
  readonly faults: number;
  /** The first few, in words. */
  readonly faultTexts: readonly string[];
}

/** Connects, is welcomed, resets; `inFlight` at a time, each followed by the next. */
export interface FloodOrder extends Target {
  readonly inFlight: number;
  readonly seconds: number;
}
export interface Flooded extends Faults {
  readonly connects: number;
  readonly seconds: number;
  readonly cpuShare: number;
}
/** The same at so many a second whatever happens, latency from the intended time. */
export interface PaceOrder extends Target {
  readonly connectsPerSec: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}
export interface Paced extends Faults {
  readonly latency: LatencyFigures;
  readonly latenessP99Us: number;
  readonly cpuShare: number;
}
/** Opens so many and keeps them. */
export interface HoldOrder extends Target {
  readonly type: 'hold';
  readonly connections: number;
  readonly inFlight: number;
}
export interface StormOrder extends Target {
  readonly type: 'gather';
  readonly clients: number;
  readonly inFlight: number;
  readonly books: number;
  readonly booksPerClient: number;
}
export type ToCrowd =
  | HoldOrder
  | StormOrder
  | ({ type: 'probe' } & Target)
  | { type: 'release' }
  /** From now on whoever loses its gateway goes there. */
  | ({ type: 'shelter' } & Target)
  | { type: 'storm' }
  | { type: 'settle'; finals: readonly FinalBook[] };
export type FromCrowd =
  | { type: 'probed'; firstMessage: number[] }
  | ({ type: 'held'; connections: number; seconds: number } & Faults)
  | ({ type: 'released'; connections: number } & Faults)
  | ({ type: 'gathered' } & Faults)
  | { type: 'sheltered' }
  | ({ type: 'whole' } & StormTimes & Faults)
  | ({ type: 'settled'; frames: number; states: number; applied: number } & Faults);

/** All absolute, by monotonic.ts. */
export interface StormTimes {
  readonly lostFromUs: number;
  readonly welcomedUs: number;
  readonly wholeUs: number;
  readonly retries: number;
  /** Topics by how they were answered. */
  readonly healed: Readonly<Record<string, number>>;
}

/** Connects, asks for all books at once, measures from the request until they are whole, resets. */
export interface MoveOrder extends Target {
  readonly type: 'move';
  /** Whether it brings what it holds. */
  readonly resume: boolean;
  /** Since it was last whole, at least. */
  readonly awayMs: number;
}
export type ToMover =
  | { type: 'books'; books: number }
  /** Another client that follows all books there, for as long as the process lives. */
  | ({ type: 'watch' } & Target)
  | MoveOrder;
export type FromMover =
  | { type: 'ready' }
  | { type: 'watching' }
  | ({
      type: 'moved';
      /** From the request to the message with which the last book was whole. */
      wholeUs: number;
      /** Of those messages. */
      bytes: number;
      /** With a token rather than only with cursors. */
      token: boolean;
      /** Books by how they came. */
      healed: Healed;
    } & Faults);
export interface Healed {
  readonly replayed: number;
  readonly diffed: number;
  readonly snapshot: number;
}
