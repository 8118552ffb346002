// Owns the HTTP endpoints of leases: being the only publisher of a topic, for a time. The HTTP API routes those to it who may publish it.
// Invariant: what reaches the bus is a channel, a symbol, a life within bounds, and a token that is an integer of 1 or more.

import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Bus } from '../bus/bus.ts';
import { isSymbol } from '../market/instrument.ts';
import type { UpdateChannel } from '../market/update.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import { CHANNELS } from '../protocol/frames.ts';

/** Shorter ones are lost to a pause of the publisher, longer ones keep others out for too long after its end. */
const TTL_MS_MIN = 100;
const TTL_MS_MAX = 60_000;

const BODY_SHAPE = Type.Object(
  {
    holder: Type.String({ minLength: 1, maxLength: 64 }),
    ttlMs: Type.Integer({ minimum: TTL_MS_MIN, maximum: TTL_MS_MAX }),
    token: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  },
  { additionalProperties: false },
);
const BODY = Compile(BODY_SHAPE);

export interface LeaseTopic {
  readonly channel: UpdateChannel;
  readonly symbol: string;
}

/** The topic that the end of a path names, or what is wrong with it. */
export function leaseTopicOf(channel: string, symbol: string): LeaseTopic | Fault {
  const known = CHANNELS.find((each) => each === channel);
  if (known === undefined) return fault('unknown-channel', channel.slice(0, 48));
  return isSymbol(symbol) ? { channel: known, symbol } : fault('bad-symbol', symbol.slice(0, 48));
}

/** @returns the lease, or why there is none. */
export async function takeLease(
  bus: Bus,
  { channel, symbol }: LeaseTopic,
  body: unknown,
): Promise<{ readonly token: number; readonly ttlMs: number } | Fault> {
  if (!BODY.Check(body)) {
    const [first] = BODY.Errors(body);
    return fault('bad-request', `${first?.instancePath.slice(1) || 'body'}: ${first?.message ?? 'not as documented'}`);
  }
  const leased = await bus.lease(channel, symbol, body as Static<typeof BODY_SHAPE>);
  return 'refused' in leased ? leased.refused : leased;
}

/** @returns whether the lease was still held, or what is wrong with the token. */
export async function giveLeaseBack(
  bus: Bus,
  { channel, symbol }: LeaseTopic,
  token: string | null,
): Promise<{ readonly released: boolean } | Fault> {
  const number = /^[1-9]\d{0,15}$/.test(token ?? '') ? Number(token) : Number.NaN;
  if (!Number.isSafeInteger(number)) return fault('bad-request', 'token is the number that the lease came with');
  return { released: await bus.release(channel, symbol, number) };
}
