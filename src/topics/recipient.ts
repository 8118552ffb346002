// Owns what topics and the flush need of a connection. Connections extend it; what a delivery itself needs stands in its lane.

import type { Subscription } from './subscription.ts';

export abstract class Recipient {
  /** It is to be pumped at the end of this turn. The flush's own. */
  woken = false;

  /** Its place among the flush's lanes. */
  abstract readonly lane: number;

  /** Whether so many more bytes may be sent, where that goes past the lane's limit. If not, it has left its views. */
  abstract admit(bytes: number): boolean;

  /** A message that the flush sent into the lane was not simply taken: `result` is what the socket answered. */
  abstract strained(result: number): void;

  /** A subscription of this recipient has something to be sent that only it gets. */
  abstract wake(subscription: Subscription): void;

  /** Sends what only this recipient gets: control frames, then the answers of subscriptions that are behind. */
  abstract pump(nowUs: number, nowMs: number): void;

  /** The topic is over: the subscription is to be forgotten, and the client told. */
  abstract end(subscription: Subscription): void;
}
