// Owns what the flush needs of a connection: which answers of this turn are due to it, and how bytes leave.
// Connections extend it. Invariant: `dueCount` is 0 outside a flush.

import type { Message } from '../ports/socket.ts';
import type { Subscription } from './subscription.ts';

export abstract class Recipient {
  /** Numbers of the turn's answers that are due here, the first `dueCount` of them. */
  readonly due: number[] = [];
  dueCount = 0;
  /** Hash of those numbers, in order: recipients of equal sets share one message. */
  dueHash = 0;

  /** Sends one message to a recipient that is in step; it falls behind when the socket can't take more. */
  abstract transmit(message: Message): void;

  /** A subscription of this recipient has something to be sent that only it gets. */
  abstract wake(subscription: Subscription): void;

  /** Sends what only this recipient gets: control frames, then the answers of subscriptions that are behind. */
  abstract pump(nowUs: number, nowMs: number): void;

  /** The topic is over: the subscription is to be forgotten, and the client told. */
  abstract end(subscription: Subscription): void;
}
