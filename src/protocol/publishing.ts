// Owns what publishers and the gateway say to each other on /v1/publish/stream: frames, requests, and the reading of requests.
// The gateway and the publisher SDK use it; proto/publish.md documents it. Invariant: both codecs have the same fields, as a
// JSON object or as a MessagePack map; what is read has the documented shape, or is a fault of the catalogue.

import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { type Fault, fault } from './errors.ts';
import type { BadRequest } from './request.ts';
import type { ByteWriter } from './writer.ts';

export const PUBLISH_STREAM_PATH = '/v1/publish/stream';

/** What became of one item: its place in the sequence, or why it was refused; then nothing of it was applied. */
export type PublishResult = { readonly epoch: number; readonly seq: number } | { readonly error: Fault };

export interface PublisherWelcome {
  readonly type: 'welcome';
  readonly version: string;
  readonly server: string;
  readonly session: string;
  readonly timeUs: number;
  /** Items that may be sent before any is acknowledged. */
  readonly credits: number;
  readonly limits: { readonly messageBytes: number; readonly items: number };
}
export interface PublisherAck {
  readonly type: 'ack';
  readonly id: number;
  readonly results: readonly PublishResult[];
  /** Items that may be sent on top of those that might be before. */
  readonly credits: number;
}
/** Credits that were held back while the publisher did not read. */
export interface CreditFrame {
  readonly type: 'credit';
  readonly credits: number;
}
export interface PublisherPong {
  readonly type: 'pong';
  readonly id: number;
  readonly timeUs: number;
}
/** A request that is refused as a whole, and cost nothing; `id` is null where it could not be read. */
export interface PublisherError {
  readonly type: 'error';
  readonly id: number | null;
  readonly code: string;
  readonly message: string;
  readonly action: string;
}
export type PublisherFrame = PublisherWelcome | PublisherAck | CreditFrame | PublisherPong | PublisherError;

const id = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const strict = { additionalProperties: false };

const PUBLISH = Type.Object({ op: Type.Literal('publish'), id, items: Type.Array(Type.Unknown()) }, strict);
const PING = Type.Object({ op: Type.Literal('ping'), id }, strict);
const CHECKS = { publish: Compile(PUBLISH), ping: Compile(PING) };

/** The operations that a publisher has. */
export const PUBLISHER_OPS: readonly string[] = Object.keys(CHECKS);

/** The items are not read yet: each is taken or refused by itself. */
export type PublishRequest = Static<typeof PUBLISH>;
export type PublisherRequest = PublishRequest | Static<typeof PING>;

/** The request that a value is, or what is wrong with it. */
export function readPublisherRequest(value: unknown): PublisherRequest | BadRequest {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { id: null, fault: shapeFault('a request is a map') };
  }
  const { op, id: given } = value as { op?: unknown; id?: unknown };
  const requestId = Number.isSafeInteger(given) && (given as number) >= 0 ? (given as number) : null;
  if (typeof op !== 'string' || !Object.hasOwn(CHECKS, op)) {
    const shown =
      typeof op === 'string' ? JSON.stringify(op.slice(0, 48)) : `op is ${op === undefined ? 'missing' : 'no string'}`;
    return { id: requestId, fault: { ...fault('unknown-op', shown), action: 'Use publish or ping.' } };
  }
  const check = CHECKS[op as keyof typeof CHECKS];
  if (check.Check(value)) return value as PublisherRequest;
  const [first] = check.Errors(value);
  const place = first?.instancePath.slice(1) || op;
  return { id: requestId, fault: shapeFault(`${place}: ${first?.message ?? 'not as documented'}`) };
}

function shapeFault(detail: string): Fault {
  return { ...fault('bad-request', detail.slice(0, 120)), action: 'Compare the request with proto/publish.md.' };
}

/** Appends a frame: a line of JSON, or a MessagePack map. */
export function encodePublisherFrame(writer: ByteWriter, frame: PublisherFrame, binary: boolean): void {
  if (binary) writer.value(frame);
  else writer.text(`${JSON.stringify(frame)}\n`);
}
