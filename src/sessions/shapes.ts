// Owns what a subscription asks for, as a shape that views have: read from a request, and cut to what the client may. Sessions call it.
// Invariant: what comes out can be had of the channel; whoever asks for more than it may gets the most that it may.

import type { Instrument } from '../market/instrument.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import {
  type Channel,
  type InstrumentAction,
  type InstrumentFrame,
  type Mode,
  roundIntervalMs,
} from '../protocol/frames.ts';
import type { SubscribeRequest } from '../protocol/request.ts';
import type { ViewShape } from '../topics/view.ts';
import type { Connection } from './connection.ts';
import type { Grant } from './grant.ts';

export function instrumentFrame(
  action: InstrumentAction,
  { symbol, priceScale, sizeScale, tickSize, lotSize }: Instrument,
): InstrumentFrame {
  return { type: 'instrument', action, symbol, priceScale, sizeScale, tickSize, lotSize };
}

/** What the request asks for, or why that can't be. */
export function shapeOf(request: SubscribeRequest, { codec }: Connection): ViewShape | Fault {
  const mode: Mode = request.mode ?? 'live';
  const depth = request.depth ?? 0;
  const intervalMs = roundIntervalMs(request.interval ?? 0);
  if (request.channel !== 'book' && depth !== 0) return fault('bad-depth', `${request.channel} has no depth`);
  const { group = 0 } = request;
  if (group > 0 && request.channel !== 'book') return fault('bad-group', `${request.channel} has no levels`);
  if (group > 0 && mode === 'raw') return fault('bad-group', 'raw books are not grouped');
  if (mode === 'raw' && depth !== 0) return fault('bad-depth', 'raw books are full');
  if (mode === 'raw' && intervalMs !== 0) return fault('bad-mode', 'raw takes no interval');
  if (request.last !== undefined && request.channel !== 'trade') return fault('bad-request', 'last is for trades');
  return { depth, intervalMs, mode, codec };
}

/** What of a shape somebody may have; the same object where that is all of it. */
export function permitted(channel: Channel, symbol: string, asked: ViewShape, grant: Grant): ViewShape | Fault {
  const allowed = grant.subscribe(channel, symbol);
  if (allowed === null) return fault('not-entitled', `${channel}:${symbol}`);
  if (asked.mode === 'raw') return allowed.raw ? asked : fault('not-entitled', `${channel}:${symbol} in raw mode`);
  const depth = channel === 'book' ? shallower(asked.depth, allowed.depth) : asked.depth;
  const intervalMs = Math.max(asked.intervalMs, allowed.intervalMs);
  return depth === asked.depth && intervalMs === asked.intervalMs ? asked : { ...asked, depth, intervalMs };
}

/** Of two depths; 0 is the full book. */
function shallower(one: number, other: number): number {
  if (one === 0 || other === 0) return Math.max(one, other);
  return Math.min(one, other);
}
