// Owns connections that only stay: opened so many at a time, welcomed, and then nothing but their pongs. The crowd's process runs it.
// Invariant: `held` counts those that were welcomed and have not ended.

import { FaultList } from './faults.ts';
import { Link } from './link.ts';
import type { FromCrowd, HoldOrder } from './messages.ts';
import { isWelcome } from './welcome.ts';

export class Holding {
  private readonly links = new Set<Link>();
  private readonly faults = new FaultList();
  private opened = 0;
  private waiting = 0;
  private done: () => void = () => {};

  constructor(private readonly order: HoldOrder) {}

  get held(): number {
    return this.links.size;
  }

  /** Resolves when each was welcomed, or has failed. */
  async open(): Promise<FromCrowd> {
    const fromMs = performance.now();
    const { connections, inFlight } = this.order;
    await new Promise<void>((resolve) => {
      this.done = resolve;
      for (let i = 0; i < Math.min(inFlight, connections); i++) this.next();
    });
    const seconds = (performance.now() - fromMs) / 1_000;
    return { type: 'held', connections: this.links.size, seconds, ...this.faults.told() };
  }

  release(): FromCrowd {
    const connections = this.links.size;
    for (const link of this.links) link.reset();
    this.links.clear();
    return { type: 'released', connections, ...this.faults.told() };
  }

  private next(): void {
    if (this.opened === this.order.connections) {
      if (this.waiting === 0) this.done();
      return;
    }
    this.opened += 1;
    this.waiting += 1;
    let welcomed = false;
    const settled = (): void => {
      welcomed = true;
      this.waiting -= 1;
      this.next();
    };
    const link: Link = new Link(this.order, {
      message: (bytes, start, end) => {
        if (welcomed) return;
        if (isWelcome(bytes, start, end)) this.links.add(link);
        else this.faults.add('the first message was not a welcome');
        settled();
      },
      lost: (why) => {
        this.faults.add(why);
        this.links.delete(link);
        if (!welcomed) settled();
      },
    });
  }
}
