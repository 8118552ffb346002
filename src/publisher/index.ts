// The public face of `tickwire/publisher`: what a service needs to publish into a gateway, over its WebSocket or HTTP. Node only.

import type { PublisherOptions } from './options.ts';
import { Publisher } from './publisher.ts';

export type { Credential } from './credential.ts';
export type {
  BidAndAsk,
  Decimal,
  Execution,
  Level,
  PublishedStatus,
  PublishItem,
  Sides,
  Stamps,
} from './items.ts';
export type { Lease, LeaseOptions } from './lease.ts';
export type { Place, PublisherState } from './link.ts';
export type { InstrumentSpec, PublisherCounters, PublisherOptions } from './options.ts';
export type { Publisher } from './publisher.ts';
export { PublishError, type PublishErrorCode } from './refusal.ts';

/**
 * A publisher into the gateway at `url`: `ws://localhost:9001` for its WebSocket, which is the faster way and keeps the order
 * with many batches under way; `http://localhost:9001` for posts, one batch at a time.
 *
 * Items of one turn of the event loop travel together. Prices and sizes are decimal strings, or `{ mantissa }` at the
 * instrument's scale; never plain numbers. What the gateway refuses rejects with a `PublishError`.
 *
 * A connection that is lost comes back by itself. What was sent and not answered then rejects with `unknown-outcome`, what was
 * not sent with `not-connected`, and neither is sent again: a stale quote is worse than none. Publish what is true by then,
 * for a book a snapshot.
 *
 * A WebSocket keeps the process alive until `close()`.
 * @throws TypeError where the address or an option can't work.
 */
export function publisher(url: string, options: PublisherOptions = {}): Publisher {
  return new Publisher(url, options);
}
