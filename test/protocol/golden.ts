// Owns the reading of proto/vectors/ for tests. Whoever tests a client or a codec in this repository reads them through here.
// Invariant: the shapes below are those that proto/frames.md documents for the vectors.

import { readFileSync } from 'node:fs';
import type { Frame, TopicFrame } from '../../src/protocol/frames.ts';

interface Named {
  readonly name: string;
  readonly says: string;
}
export interface GoldenFrames extends Named {
  readonly context: { readonly topics: readonly TopicFrame[] };
  readonly frames: readonly Frame[];
  readonly decodeOnly?: true;
  readonly msgpack?: string;
  readonly json?: string;
}
export interface GoldenMalformed extends Named {
  readonly msgpack?: string;
  readonly json?: string;
  readonly jsonHex?: string;
}
export interface GoldenRequests extends Named {
  readonly requests: readonly object[];
  readonly msgpack: string;
  readonly json: string;
}
export interface GoldenBadRequests extends GoldenMalformed {
  readonly answers: readonly { readonly id: number | null; readonly code: string }[];
}
export interface GoldenBook {
  readonly seq: number | null;
  readonly depth: number;
  readonly bids: readonly (readonly number[])[];
  readonly asks: readonly (readonly number[])[];
  readonly checksum: number;
}
export interface GoldenStep {
  readonly says: string;
  readonly frames: readonly Frame[];
  readonly msgpack: string;
  readonly json: string;
  readonly action: 'replace' | 'apply' | 'ignore' | 'hold-back' | 'resync' | 'void' | 'note';
  readonly client: GoldenBook;
}
export interface GoldenSequence extends Named {
  readonly context: { readonly topics: readonly TopicFrame[] };
  readonly steps: readonly GoldenStep[];
}
export interface GoldenHash {
  readonly side: 'bid' | 'ask';
  readonly price: number;
  readonly size: number;
  readonly hash: number;
}

/** Files of vectors of whole frames. */
export const FRAME_FILES = [
  'control',
  'topic',
  'book',
  'quote',
  'trade',
  'status',
  'integers',
  'messages',
  'tolerated',
] as const;

const FOLDER = new URL('../../proto/vectors/', import.meta.url);

export function vectorText(file: string): string {
  return readFileSync(new URL(file, FOLDER), 'utf8');
}

/** The vectors of one file; what they are is for the caller to say. */
export function golden<V>(file: string): {
  readonly context?: { readonly topics: readonly TopicFrame[] };
  readonly vectors: readonly V[];
} {
  return JSON.parse(vectorText(`${file}.json`)) as ReturnType<typeof golden<V>>;
}

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

export function utf8Of(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The JSON side of a vector as bytes. */
export function jsonBytes({ json, jsonHex }: Pick<GoldenMalformed, 'json' | 'jsonHex'>): Uint8Array | undefined {
  if (json !== undefined) return utf8Of(json);
  return jsonHex === undefined ? undefined : bytesOf(jsonHex);
}
