// Owns the account of what was published into a simulated Redis: what was handed in, what the server sequenced, what was answered. The
// market hands it publications and answers, the server tells it what it did. Invariant: an update is sequenced as it was handed in,
// at most once in what the server holds, and never after it was refused for good.

import type { Publication, Published } from '../../src/bus/bus.ts';
import type { Update } from '../../src/market/update.ts';
import { SIDES, STATUSES, TRADE_KINDS } from '../../src/protocol/frames.ts';
import type { SimulatedEvent } from './branches.ts';
import type { Random } from './kernel.ts';
import { channelOf, type History, type Oracle } from './oracle.ts';
import type { Packed } from './packed.ts';
import type { ServerWitness } from './redis.ts';
import type { RedisEvent } from './redis-branches.ts';
import type { ModelEntry, ModelTopic } from './redis-model.ts';
import type { Planned } from './venue.ts';

export interface Wishes {
  readonly lease: number | undefined;
  readonly scales: string;
  readonly key: string | undefined;
  readonly process: number;
}

interface Account {
  readonly publication: Publication;
  /** Who publishes it. */
  readonly process: number;
  /** Among all that were handed in. */
  order: number;
  /** What its numbers mean; empty where nobody says so with them. */
  readonly scales: string;
  /** Answers that are owed. */
  owed: number;
  /** Where it went, in which history of the topic. */
  readonly places: { readonly epoch: number; readonly seq: number; readonly history: History }[];
  /** It was handed in twice: what refuses it once says nothing of the other time. */
  repeated: boolean;
  /** What refused it for good. */
  refused: string | null;
}

/** Refusals that are seen before anything is sent. */
const STATEFUL = [null, 'crossed', 'needs-snapshot'];
const UNSURE = 'it may have been published';

export class Publications implements ServerWitness {
  /** Symbols whose book needs a snapshot. */
  readonly torn = new Set<string>();
  /** Symbols of which somebody had or wanted the lease. */
  readonly everLeased = new Set<string>();
  /** How often each code refused something. */
  readonly refusals = new Map<string, number>();
  private readonly accounts = new Map<string, Account>();
  private lastUs = 0;
  private orders = 0;
  /** Books of which a process knows that an update was lost: which one, and what it had been handed when it was told. */
  private readonly holes = new Map<string, { readonly lost: number; readonly knownAt: number }>();
  private readonly unscaled = new Set<number>();
  /** By symbol the newest snapshot that was sequenced. */
  private readonly snapshots = new Map<string, number>();

  constructor(
    private readonly oracle: Oracle,
    private readonly events: Record<SimulatedEvent, number>,
    private readonly counts: Record<RedisEvent, number>,
  ) {}

  /** Gives what is to be published a mark that it is known by: its exchange time, or a trade's id. */
  plan({ publication, refusal }: Planned, wishes: Wishes, nowUs: number, random: Random): Planned {
    const { lease, scales, key, process } = wishes;
    const { symbol, update } = publication;
    const named = update.kind === 'trade' && update.id !== null && random.chance(0.3);
    this.lastUs = Math.max(this.lastUs + 1, nowUs - random.between(0, 60_000));
    const exchangeUs = named ? null : this.lastUs;
    const marked: Publication = {
      symbol,
      update,
      exchangeUs,
      ...(lease === undefined ? {} : { lease }),
      ...(key === undefined ? {} : { key }),
    };
    this.accounts.set(markOf(symbol, update, exchangeUs), {
      publication: marked,
      scales,
      process,
      order: ++this.orders,
      owed: 1,
      places: [],
      repeated: false,
      refused: null,
    });
    return { publication: marked, refusal };
  }

  answered({ publication, refusal }: Planned, answer: Published): void {
    const { symbol, update, exchangeUs } = publication;
    const account = this.accounts.get(markOf(symbol, update, exchangeUs))!;
    account.owed -= 1;
    const what = `${symbol}: ${JSON.stringify(update)}`;
    if (!('refused' in answer)) {
      this.events['updates published'] += 1;
      if (!isStateful(refusal)) throw new Error(`${what} was taken, not ${refusal}`);
      const { epoch, seq } = answer;
      if (account.places.some((place) => place.epoch === epoch && place.seq === seq)) return;
      throw new Error(`${what} was said to be ${epoch}@${seq}, is ${JSON.stringify(account.places.map(placeName))}`);
    }
    this.events['publications refused'] += 1;
    const { code, message } = answer.refused;
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
    if (!isStateful(refusal)) {
      if (code !== refusal) throw new Error(`${what} gave ${code}, not ${refusal}`);
      return;
    }
    if (!this.mayRefuse(code, publication)) throw new Error(`${what} gave ${code} ${message}`);
    if (channelOf(update) === 'book' && code !== 'crossed') this.torn.add(symbol);
    if (code === 'bus-down' && channelOf(update) === 'book') this.tear(account);
    if (message.includes(UNSURE)) {
      this.counts['answers that leave it open'] += 1;
      return;
    }
    if (account.repeated) return;
    account.refused = `${code} ${message}`;
    if (account.places.length > 0)
      throw new Error(`${what} was refused (${message}), stands at ${account.places.map(placeName)}`);
  }

  sequenced(topic: string, epoch: number, { seq }: ModelEntry, packed: readonly Packed[], publishUs: number): void {
    const { channel, symbol } = partsOf(topic);
    const [kind, stamp, id] = packed;
    const exchangeUs = (stamp ?? null) as number | null;
    const mark =
      exchangeUs === null ? `${topicOf(symbol, 'trade')} ${plain(id)}` : `${topicOf(symbol, channel)} at ${exchangeUs}`;
    const account = this.accounts.get(mark);
    if (account === undefined) throw new Error(`${topic}: ${mark} was never published`);
    const { publication } = account;
    const { update, lease } = publication;
    const [wanted, found] = [JSON.stringify(packedOf(update, exchangeUs)), JSON.stringify(packed.map(plain))];
    if (wanted !== found) throw new Error(`${topic}: ${found} was sequenced, ${wanted} published`);
    if (account.refused !== null) throw new Error(`${topic}: ${found} was sequenced after ${account.refused}`);
    const { oracle } = this;
    const now = oracle.now(update.kind === 'trade' ? 'trade' : channelOf(update), symbol);
    for (const place of account.places) {
      if (now?.holds(place.history, place.seq) === true)
        throw new Error(`${topic}: ${found} was sequenced at ${placeName(place)} and again at ${epoch}@${seq}`);
    }
    this.checkWhole(topic, account);
    oracle.record(symbol, update, { epoch, seq }, { exchangeUs, publishUs });
    const history = oracle.now(channelOf(update), symbol)!;
    account.places.push({ epoch, seq, history });
    // Of an epoch that began without scales nobody can tell.
    if (history.scales === '' && !this.unscaled.has(epoch)) history.scales = account.scales;
    else if (history.scales !== '' && account.scales !== '' && history.scales !== account.scales) {
      throw new Error(`${topic}: numbers of ${account.scales} at ${epoch}@${seq}, where they are of ${history.scales}`);
    }
    if (kind === 1) this.torn.delete(symbol);
    if (lease !== undefined && history.newestBook.crossed) throw new Error(`${topic}: crossed at ${seq} under a lease`);
  }

  /** No delta follows what its publisher knows to be lost, before a snapshot has. */
  private checkWhole(topic: string, { process, order, repeated, publication: { symbol, update } }: Account): void {
    if (update.kind === 'snapshot') this.snapshots.set(symbol, Math.max(order, this.snapshots.get(symbol) ?? 0));
    const hole = this.holes.get(`${process} ${symbol}`);
    if (hole === undefined || update.kind !== 'delta' || repeated || order <= hole.knownAt) return;
    if ((this.snapshots.get(symbol) ?? 0) > hole.lost) return;
    throw new Error(`${topic}: a delta was sequenced after one that was lost`);
  }

  private tear({ process, order, repeated, publication: { symbol } }: Account): void {
    // Which of its processes was told is not known.
    if (repeated) return;
    const place = `${process} ${symbol}`;
    const lost = Math.max(order, this.holes.get(place)?.lost ?? 0);
    this.holes.set(place, { lost, knownAt: this.orders });
  }

  began(topic: string, epoch: number, scales: string): void {
    if (scales === '') this.unscaled.add(epoch);
    const { channel, symbol } = partsOf(topic);
    this.oracle.end(channel, symbol);
    if (channel === 'book') this.torn.add(symbol);
  }

  restored(topic: string, state: ModelTopic | null): void {
    const { channel, symbol } = partsOf(topic);
    if (channel === 'book') this.torn.add(symbol);
    if (state?.epoch == null) this.oracle.end(channel, symbol);
    else this.oracle.goBack(channel, symbol, state.epoch, state);
  }

  /** As the documents say that it is packed. */
  static packed({ update, exchangeUs }: Publication): unknown[] {
    return packedOf(update, exchangeUs);
  }

  /** It went past the bus: what is answered, if anything is, is checked by those who asked. */
  unanswered({ publication: { symbol, update, exchangeUs } }: Planned): void {
    this.accounts.get(markOf(symbol, update, exchangeUs))!.owed -= 1;
  }

  /** Once more: it must be known by its key, where the server still has it. */
  again({ publication: { symbol, update, exchangeUs } }: Planned): void {
    const account = this.accounts.get(markOf(symbol, update, exchangeUs))!;
    account.owed += 1;
    account.repeated = true;
    account.order = ++this.orders;
    account.refused = null;
  }

  /** Everything was answered. */
  checkAnswered(): void {
    for (const [mark, { owed }] of this.accounts) if (owed !== 0) throw new Error(`${mark}: ${owed} answers are owed`);
  }

  private mayRefuse(code: string, { symbol, update, lease }: Publication): boolean {
    switch (code) {
      case 'bus-down':
      case 'stale-instrument':
        return true;
      case 'needs-snapshot':
        return update.kind === 'delta';
      case 'crossed':
      case 'fenced':
        return lease !== undefined;
      case 'leased':
        return lease === undefined && this.everLeased.has(symbol);
    }
    return false;
  }
}

/** Whether it is up to the server, or to the state of the bus, to take it. */
export function isStateful(refusal: string | null): boolean {
  return STATEFUL.includes(refusal);
}

function partsOf(topic: string): { channel: ReturnType<typeof channelOf>; symbol: string } {
  const [, channel, symbol] = /\{(\w+):(.*)\}$/.exec(topic)!;
  return { channel: channel as ReturnType<typeof channelOf>, symbol: symbol! };
}

function topicOf(symbol: string, channel: string): string {
  return `${channel}:${symbol}`;
}

function markOf(symbol: string, update: Update, exchangeUs: number | null): string {
  if (exchangeUs !== null) return `${topicOf(symbol, channelOf(update))} at ${exchangeUs}`;
  return `${topicOf(symbol, 'trade')} ${update.kind === 'trade' ? update.id : ''}`;
}

/** As the documents say that it is packed. */
function packedOf(update: Update, exchangeUs: number | null): unknown[] {
  switch (update.kind) {
    case 'delta':
    case 'snapshot':
      return [update.kind === 'delta' ? 0 : 1, exchangeUs, update.bids, update.asks];
    case 'quote':
      return [2, exchangeUs, update.bidPrice, update.bidSize, update.askPrice, update.askSize];
    case 'trade': {
      const { id, tradeKind, side, price, size } = update;
      return [3, exchangeUs, id, TRADE_KINDS.indexOf(tradeKind), SIDES.indexOf(side), price, size];
    }
    case 'status':
      return [4, exchangeUs, (STATUSES as readonly string[]).indexOf(update.status), update.reason];
  }
}

function plain(value: Packed | undefined): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : value;
}

function placeName({ epoch, seq }: { epoch: number; seq: number }): string {
  return `${epoch}@${seq}`;
}
