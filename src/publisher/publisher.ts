// Owns a service's side of publishing: the bounded buffer of items, their batches, and what becomes of each of them.
// Programs make one with `publisher` of index.ts. Invariant: an item that was taken is settled exactly once, and is never sent twice.

import { randomBytes } from 'node:crypto';
import { systemTimers, type Timer } from '../ports/clock.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import type { PublishResult } from '../protocol/publishing.ts';
import { type Addresses, addressesOf } from './address.ts';
import { Authorization } from './credential.ts';
import { HttpLink, putInstrument } from './http-link.ts';
import {
  type BidAndAsk,
  type Execution,
  encodeItem,
  isOfBook,
  type PublishedStatus,
  type PublishItem,
  type Sides,
  type Stamps,
  symbolOf,
} from './items.ts';
import { Lease, type LeaseOptions } from './lease.ts';
import type { Entry, Link, Place, PublisherState, Source } from './link.ts';
import { atLeastOne, type InstrumentSpec, type PublisherCounters, type PublisherOptions, stepOf } from './options.ts';
import { about, type PublishError, publishError, refusedBy } from './refusal.ts';
import { SocketLink } from './socket-link.ts';

interface Waiter {
  readonly left: Set<Entry>;
  readonly resolve: () => void;
}

/** The book lacks from then on what was refused so, and there is nothing wrong with the item. */
const UNTAKEN: ReadonlySet<string> = new Set(['bus-down', 'publish-rate'] satisfies ErrorCode[]);
/** A bus that is gone is not back at once, and a snapshot for each refusal would be many. */
const RESTATE_MS = 250;

export class Publisher {
  readonly counters: PublisherCounters = { accepted: 0, refused: 0, unknown: 0, messages: 0 };
  private readonly addresses: Addresses;
  private readonly authorization: Authorization;
  private readonly batchItemsMax: number;
  private readonly bufferItemsMax: number;
  private readonly silenceMs: number;
  private readonly link: Link;
  private present: PublisherState = 'connecting';
  private failure: PublishError | null = null;
  /** Taken and not sent; those before `head` have been. */
  private waiting: Entry[] = [];
  private head = 0;
  /** Taken and not settled. */
  private readonly unsettled = new Set<Entry>();
  private readonly flushes = new Set<Waiter>();
  private readonly drains: { resolve(): void; reject(error: PublishError): void }[] = [];
  private scheduled = false;
  /** Symbols whose books were not taken, and when their snapshots are asked for. */
  private readonly untaken = new Set<string>();
  private untakenTimer: Timer | null = null;
  private readonly leases = new Set<Lease>();

  constructor(
    url: string,
    private readonly options: PublisherOptions,
  ) {
    this.addresses = addressesOf(url);
    this.batchItemsMax = atLeastOne('batchItemsMax', options.batchItemsMax ?? 500);
    this.bufferItemsMax = atLeastOne('bufferItemsMax', options.bufferItemsMax ?? 10_000);
    this.silenceMs = atLeastOne('silenceMs', options.silenceMs ?? 10_000);
    this.authorization = Authorization.of(options.credential, options.token, this.silenceMs);
    this.link = this.open();
  }

  /** `open` once the gateway has answered; over HTTP from the start. */
  get state(): PublisherState {
    return this.present;
  }

  /** Items that are unanswered. */
  get pending(): number {
    return this.unsettled.size;
  }

  /** Lists an instrument, or changes it: behind everything that was published before. @throws PublishError */
  async instrument(spec: InstrumentSpec): Promise<void> {
    await this.flush();
    const { symbol, tickSize, lotSize, ...rest } = spec;
    if (typeof symbol !== 'string') throw publishError('bad-symbol', null, 'symbol is missing');
    const definition = {
      ...rest,
      tickSize: stepOf(tickSize, spec.priceScale),
      lotSize: stepOf(lotSize, spec.sizeScale),
    };
    await putInstrument(
      { url: this.addresses.http, authorization: this.authorization, silenceMs: this.silenceMs },
      symbol,
      definition,
    );
  }

  /**
   * Makes this publisher the only one of a topic until it is released or lost; renewed by itself. What it publishes there has to carry the
   * token: `{ lease: lease.token }`. @throws PublishError with `leased` where another publisher has it.
   */
  async lease(symbol: string, options: LeaseOptions = {}): Promise<Lease> {
    if (this.present === 'closed') throw publishError('closed', symbol);
    const { channel = 'book', ttlMs = 5_000, holder = randomBytes(8).toString('hex'), onLost = () => {} } = options;
    const lease = await Lease.take(
      { url: this.addresses.http, authorization: this.authorization },
      { symbol, channel, ttlMs: atLeastOne('ttlMs', ttlMs), holder, onLost },
    );
    for (const each of this.leases) if (!each.held) this.leases.delete(each);
    this.leases.add(lease);
    return lease;
  }

  /** A whole book; levels that it does not name are gone. @throws PublishError */
  snapshot(symbol: string, { bids, asks }: Sides, stamps: Stamps = {}): Promise<Place> {
    return this.publish({ type: 'snapshot', symbol, bids, asks, ...stamps });
  }

  /** Levels that changed, with their new absolute size; size 0 removes one. @throws PublishError */
  delta(symbol: string, { bids, asks }: Partial<Sides>, stamps: Stamps = {}): Promise<Place> {
    return this.publish({ type: 'delta', symbol, ...(bids && { bids }), ...(asks && { asks }), ...stamps });
  }

  /** The best bid and offer of an instrument whose quotes are published. @throws PublishError */
  quote(symbol: string, quote: BidAndAsk, stamps: Stamps = {}): Promise<Place> {
    return this.publish({ ...quote, type: 'quote', symbol, ...stamps });
  }

  /** @throws PublishError */
  trade(symbol: string, trade: Execution, stamps: Stamps = {}): Promise<Place> {
    return this.publish({ ...trade, type: 'trade', kind: 'trade', symbol, ...stamps });
  }

  /** The new price and size of the trade with this id. @throws PublishError */
  correction(symbol: string, trade: Execution & { readonly id: number | string }, stamps: Stamps = {}): Promise<Place> {
    return this.publish({ ...trade, type: 'trade', kind: 'correction', symbol, ...stamps });
  }

  /** The trade with this id is void. @throws PublishError */
  bust(symbol: string, trade: Execution & { readonly id: number | string }, stamps: Stamps = {}): Promise<Place> {
    return this.publish({ ...trade, type: 'trade', kind: 'bust', symbol, ...stamps });
  }

  /** @param reason for people, at most 200 characters. @throws PublishError */
  status(symbol: string, status: PublishedStatus, reason: string | null = null, stamps: Stamps = {}): Promise<Place> {
    return this.publish({ type: 'status', symbol, status, reason, ...stamps });
  }

  /**
   * Publishes an item. Resolves with its place in the sequence when the gateway has taken it.
   * @throws PublishError with the gateway's code; or `not-connected`, `buffer-full` or `closed`: it was not published; or
   * `unknown-outcome`: it may have been. An item is never sent again by itself: by then it would be stale.
   */
  publish(item: PublishItem): Promise<Place> {
    return new Promise((resolve, reject) => {
      const obstacle = this.obstacle(symbolOf(item));
      if (obstacle !== null) reject(obstacle);
      else this.hand(item, { resolve, reject });
    });
  }

  /**
   * Publishes an item without waiting for its answer; `onRefusal` hears of one that is not taken.
   * @returns false where it was not even tried, since the buffer is full or there is no connection: await `drained()`.
   */
  send(item: PublishItem): boolean {
    if (this.obstacle(null) !== null) return false;
    this.hand(item, null);
    return true;
  }

  /** Resolves when items are taken again. @throws PublishError where they never will be. */
  drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.drains.push({ resolve, reject });
      this.tellDrained(this.bufferItemsMax - 1);
    });
  }

  /** Resolves when all that was handed in before has been answered, one way or another. */
  flush(): Promise<void> {
    if (this.unsettled.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.flushes.add({ left: new Set(this.unsettled), resolve });
    });
  }

  /** Waits for all answers, then ends the connection. Leases that are held run out by themselves, unless they are released before. */
  async close(): Promise<void> {
    await this.flush();
    this.untakenTimer?.cancel();
    for (const lease of this.leases) lease.end();
    this.link.close();
  }

  private open(): Link {
    const { batchItemsMax, silenceMs, authorization, addresses, options } = this;
    const source: Source = {
      take: (itemsMax, bytesMax) => this.take(itemsMax, bytesMax),
      answered: (entries, results) => this.answered(entries, results),
      failed: (entries, error) => this.failed(entries, error),
      changed: (state, error) => this.changed(state, error),
    };
    const shared = { authorization, batchItemsMax, silenceMs, source };
    if (addresses.transport === 'http') return new HttpLink({ ...shared, url: addresses.http });
    const { reconnect = { minMs: 250, maxMs: 10_000 }, random = Math.random } = options;
    return new SocketLink({ ...shared, url: addresses.stream, reconnect: reconnect || null, random });
  }

  /** Why no item is taken now; null: one is. */
  private obstacle(symbol: string | null): PublishError | null {
    if (this.present === 'closed')
      return this.failure === null ? publishError('closed', symbol) : about(this.failure, symbol);
    if (this.present === 'waiting') return about(this.failure ?? publishError('not-connected', null), symbol);
    return this.unsettled.size >= this.bufferItemsMax ? publishError('buffer-full', symbol) : null;
  }

  private hand(item: PublishItem, waiter: Entry['waiter']): void {
    const bytes = encodeItem(item);
    const symbol = symbolOf(item);
    if (!(bytes instanceof Uint8Array)) {
      this.counters.refused += 1;
      return this.reject(waiter, bytes);
    }
    const entry = { symbol, ofBook: isOfBook(item), bytes, waiter };
    this.unsettled.add(entry);
    this.waiting.push(entry);
    this.schedule();
  }

  /** Everything of one turn goes together; a whole batch need not wait for the end of it. */
  private schedule(): void {
    if (this.waiting.length - this.head >= this.batchItemsMax) return this.link.pump();
    if (this.scheduled) return;
    this.scheduled = true;
    systemTimers.soon(() => {
      this.scheduled = false;
      this.link.pump();
    });
  }

  private take(itemsMax: number, bytesMax: number): Entry[] {
    const start = this.head;
    let bytes = 0;
    let end = start;
    while (end < this.waiting.length && end - start < itemsMax) {
      bytes += this.waiting[end]!.bytes.length;
      if (bytes > bytesMax && end > start) break;
      end += 1;
    }
    this.head = end;
    const taken = this.waiting.slice(start, end);
    if (taken.length > 0) this.counters.messages += 1;
    if (this.head === this.waiting.length) {
      this.waiting = [];
      this.head = 0;
    } else if (this.head > this.bufferItemsMax) {
      this.waiting.splice(0, this.head);
      this.head = 0;
    }
    return taken;
  }

  private answered(entries: readonly Entry[], results: readonly PublishResult[]): void {
    const bare = new Set<string>();
    entries.forEach((entry, index) => {
      const result = results[index]!;
      if ('error' in result) {
        this.counters.refused += 1;
        this.reject(entry.waiter, refusedBy(result.error, entry.symbol));
        if (result.error.code === 'needs-snapshot' && entry.symbol !== null) bare.add(entry.symbol);
        if (UNTAKEN.has(result.error.code) && entry.symbol !== null && entry.ofBook) this.notTaken(entry.symbol);
      } else {
        this.counters.accepted += 1;
        entry.waiter?.resolve({ epoch: result.epoch, seq: result.seq });
      }
      this.unsettled.delete(entry);
    });
    this.settled(entries);
    const { onNeedsSnapshot } = this.options;
    if (onNeedsSnapshot !== undefined) for (const symbol of bare) queueMicrotask(() => onNeedsSnapshot(symbol));
  }

  private notTaken(symbol: string): void {
    const { onNeedsSnapshot } = this.options;
    if (onNeedsSnapshot === undefined) return;
    this.untaken.add(symbol);
    this.untakenTimer ??= systemTimers.after(RESTATE_MS, () => {
      this.untakenTimer = null;
      const symbols = [...this.untaken];
      this.untaken.clear();
      for (const each of symbols) onNeedsSnapshot(each);
    });
  }

  private failed(entries: readonly Entry[], error: PublishError): void {
    for (const entry of entries) {
      this.counters[error.code === 'unknown-outcome' ? 'unknown' : 'refused'] += 1;
      this.reject(entry.waiter, about(error, entry.symbol));
      this.unsettled.delete(entry);
    }
    this.settled(entries);
  }

  /** Mistakes in what is told must not reach the link: they surface as the program's own. */
  private reject(waiter: Entry['waiter'], error: PublishError): void {
    const { onRefusal } = this.options;
    if (waiter !== null) waiter.reject(error);
    else if (onRefusal !== undefined) queueMicrotask(() => onRefusal(error));
  }

  private settled(entries: readonly Entry[]): void {
    for (const flush of this.flushes) {
      for (const entry of entries) flush.left.delete(entry);
      if (flush.left.size > 0) continue;
      this.flushes.delete(flush);
      flush.resolve();
    }
    this.tellDrained(this.bufferItemsMax / 2);
  }

  /** @param pendingMax how many may be unanswered for the buffer to count as drained. */
  private tellDrained(pendingMax: number): void {
    if (this.drains.length === 0) return;
    if (this.present === 'closed') {
      const error = this.failure ?? publishError('closed', null);
      for (const drain of this.drains.splice(0)) drain.reject(error);
    } else if (this.present === 'open' && this.unsettled.size <= pendingMax) {
      for (const drain of this.drains.splice(0)) drain.resolve();
    }
  }

  private changed(state: PublisherState, error: PublishError | null): void {
    this.present = state;
    this.failure = error;
    if (state === 'waiting' || state === 'closed') {
      // What was not sent would be stale by the time that there is a connection.
      const unsent = this.waiting.slice(this.head);
      this.waiting = [];
      this.head = 0;
      this.failed(unsent, error ?? publishError('closed', null));
    }
    this.tellDrained(this.bufferItemsMax / 2);
    const { onState } = this.options;
    if (onState !== undefined) queueMicrotask(() => onState(state, error));
  }
}
