// Owns what happens to instruments: their ticks, scales and sources change, they are delisted and listed again. The simulation
// asks for it. Invariant: the venue knows at once, the market tells the nodes.

import type { SimulatedEvent } from './branches.ts';
import type { Random } from './kernel.ts';
import type { Market } from './market.ts';
import type { Venue } from './venue.ts';

export interface ListingsOptions {
  readonly random: Random;
  readonly market: Market;
  readonly events: Record<SimulatedEvent, number>;
}

export class Listings {
  constructor(private readonly options: ListingsOptions) {}

  change(venue: Venue): void {
    if (!venue.listed) return;
    const { random } = this.options;
    const { instrument } = venue;
    const drawn = random.below(10);
    if (drawn < 5) {
      this.options.events['tick changes'] += 1;
      return this.put(venue, { ...instrument, tickSize: random.pick([1, 2, 5]) });
    }
    if (drawn < 7) return this.put(venue, { ...instrument, priceScale: instrument.priceScale === 2 ? 1 : 2 });
    if (drawn < 8) return this.put(venue, { ...instrument, sizeScale: (instrument.sizeScale + 1) % 9 });
    if (drawn < 9) return this.put(venue, { ...instrument, orderCounts: !instrument.orderCounts });
    const quoteSource = instrument.quoteSource === 'book' ? 'published' : 'book';
    this.put(venue, { ...instrument, quoteSource });
  }

  private put(venue: Venue, instrument: Venue['instrument']): void {
    const { instrument: before } = venue;
    const renews =
      before.priceScale !== instrument.priceScale ||
      before.sizeScale !== instrument.sizeScale ||
      before.orderCounts !== instrument.orderCounts;
    if (renews) this.options.events['epochs renewed'] += 1;
    venue.changeTo(instrument);
    this.options.market.put(instrument, renews);
  }

  list(venue: Venue): void {
    if (venue.listed) {
      this.options.events.delisted += 1;
      this.options.market.delist(venue.symbol);
    } else {
      this.options.events['listed again'] += 1;
      this.options.market.put(venue.instrument, false);
    }
    venue.listed = !venue.listed;
  }
}
