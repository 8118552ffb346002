// Owns the order in which the subscriptions of one connection that are behind are served: by how often each was, weighted with
// its priority. Connections call it. Invariant: of two that wait, the one that had fewer turns for its weight goes first: equal
// priorities take turns, so that none is older than one turn of all; nobody starves; who comes anew begins where the others are.

import type { Subscription } from '../topics/subscription.ts';

export class Rotation {
  /** Null until somebody waits: most connections never have anybody behind for long. */
  private waiting: Set<Subscription> | null = null;
  /** How far those that wait have come. */
  private served = 0;

  get size(): number {
    return this.waiting?.size ?? 0;
  }

  has(subscription: Subscription): boolean {
    return this.waiting?.has(subscription) ?? false;
  }

  add(subscription: Subscription): void {
    this.waiting ??= new Set();
    if (this.waiting.has(subscription)) return;
    subscription.served = Math.max(subscription.served, this.served);
    this.waiting.add(subscription);
  }

  delete(subscription: Subscription): void {
    this.waiting?.delete(subscription);
  }

  clear(): void {
    if (this.size > 0) this.waiting?.clear();
    this.served = 0;
  }

  /** All that wait, in the order in which they are to be served; of equals the higher priority goes first. */
  inOrder(): Subscription[] {
    if (this.waiting === null || this.waiting.size === 0) return [];
    const order = [...this.waiting];
    if (order.length > 1) order.sort((a, b) => a.served - b.served || b.priority - a.priority);
    this.served = Math.max(this.served, order[0]!.served);
    return order;
  }

  /** A piece was sent for a subscription: a whole answer, or a part of a long one. */
  charge(subscription: Subscription): void {
    subscription.served += 1 / (subscription.priority + 1);
  }

  /** The one at `place` of an order has more to be sent: it is put where it belongs among those after it. */
  again(order: Subscription[], place: number): void {
    const subscription = order[place]!;
    let later = place + 1;
    while (later < order.length && order[later]!.served < subscription.served) later += 1;
    order.splice(later, 0, subscription);
  }
}
