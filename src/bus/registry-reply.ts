// Owns the reading of what the script `list` answers and publishes (proto/redis/list.lua). The registry's lists call it.
// Invariant: what comes out has the documented shape; values in it are JSON of any kind and are checked by the shelf.

import type { RedisReply } from '../ports/redis.ts';

/** A part of a list, in the order of its changes. */
export interface Page {
  /** Null where there is no list. */
  readonly incarnation: string | null;
  /** Holds what changed after this revision, up to and with `reached`; the list stands at `last`. */
  readonly from: number;
  readonly reached: number;
  readonly last: number;
  readonly entries: readonly { readonly name: string; readonly revision: number; readonly text: Uint8Array }[];
}

export interface ListMessage {
  readonly incarnation: string;
  readonly revision: number;
  readonly name: string;
  readonly value: unknown;
}

/** Above the largest set: 10,000 wildcards. */
const MESSAGE_BYTES_MAX = 1_048_576;
const utf8 = new TextDecoder();

/** @throws Error where it is none. */
export function readPage(reply: RedisReply): Page {
  const [incarnation, from, reached, last, ...rest] = listOf(reply);
  const entries: Page['entries'][number][] = [];
  for (let i = 0; i < rest.length; i += 3) {
    const text = rest[i + 2];
    if (!(text instanceof Uint8Array)) throw new Error('the script list answered with an entry that has no text');
    entries.push({ name: textOf(rest[i]), revision: numberOf(rest[i + 1]), text });
  }
  return {
    incarnation: incarnation === null ? null : textOf(incarnation),
    from: numberOf(from),
    reached: numberOf(reached),
    last: numberOf(last),
    entries,
  };
}

/** The incarnation that was written into, and the revision of each name, 0 where something newer stands. @throws Error */
export function readWritten(reply: RedisReply): { incarnation: string; revisions: readonly number[] } {
  const [incarnation, ...revisions] = listOf(reply);
  return { incarnation: textOf(incarnation), revisions: revisions.map(numberOf) };
}

/** Null where it is none. */
export function readMessage(bytes: Uint8Array): ListMessage | null {
  const message = bytes.length > MESSAGE_BYTES_MAX ? undefined : readValue(bytes);
  if (!Array.isArray(message) || message.length !== 4) return null;
  const [incarnation, revision, name, value] = message as unknown[];
  if (typeof incarnation !== 'string' || typeof name !== 'string') return null;
  if (!Number.isSafeInteger(revision) || (revision as number) < 1) return null;
  return { incarnation, revision: revision as number, name, value };
}

/** What the JSON says; undefined where it is none. */
export function readValue(json: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(json));
  } catch {
    return undefined;
  }
}

function listOf(reply: RedisReply): readonly RedisReply[] {
  if (!Array.isArray(reply)) throw new Error('the script list answered with no list');
  return reply as readonly RedisReply[];
}

function textOf(reply: RedisReply | undefined): string {
  if (reply instanceof Uint8Array) return utf8.decode(reply);
  throw new Error('the script list answered with something else than a text');
}

function numberOf(reply: RedisReply | undefined): number {
  if (typeof reply === 'number') return reply;
  throw new Error('the script list answered with something else than a number');
}
