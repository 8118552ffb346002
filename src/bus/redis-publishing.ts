// Owns the way of updates into Redis: checks them, groups them by topic, calls the script, and says what became of each. The Redis
// bus publishes with it. Invariant: updates of a topic are sequenced in the order in which they were handed in; one that was refused
// since the bus was down is never sent later, and no delta follows a book's update that was lost before a snapshot has.

import { checkUpdate } from '../market/guard.ts';
import type { Instrument, Instruments } from '../market/instrument.ts';
import { channelOf } from '../market/update.ts';
import type { Clock, Timers } from '../ports/clock.ts';
import { type RedisArgument, RedisFailure } from '../ports/redis.ts';
import { type ErrorCode, type Fault, fault } from '../protocol/errors.ts';
import { ByteWriter } from '../protocol/writer.ts';
import type { Publication, Published } from './bus.ts';
import { encodeUpdate } from './redis-entry.ts';
import { type TopicKeys, topicKeys } from './redis-keys.ts';
import { RedisLeases } from './redis-leases.ts';
import { type RedisScripts, ScriptRefusal, type SequencedCall } from './redis-scripts.ts';

export interface PublishingCounters {
  calls: number;
  updates: number;
  /** Updates that were refused since Redis did not take them. */
  down: number;
  /** Calls that were made again since their answer was lost. */
  retries: number;
}

export interface PublishingOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly instruments: Instruments;
  readonly scripts: RedisScripts;
  readonly prefix: string;
  readonly tombstonesMax: number;
  /** A random integer of 48 bits, not 0. */
  readonly newNonce: () => number;
  /** An update whose answer was lost is sent again for this long. */
  readonly retryMs: number;
  readonly onFold: (keys: TopicKeys, scales: string) => void;
  /** The server is another than the topic's epoch knows. */
  readonly onOtherServer: (keys: TopicKeys, epoch: number, scales: string) => void;
  /** The topic is at other scales than this node's instrument. */
  readonly onOtherScales: (symbol: string) => void;
}

/** Updates that wait for an answer: more of them mean that Redis does not keep up. */
const UNANSWERED_MAX = 10_000;

const UNSURE = 'it may have been published';
/** Longer than a call may be on its way before its connection is given up. */
const ON_ITS_WAY_US = 4_000_000;

/** Updates of one topic in one call. */
interface Group {
  /** Among all calls, in the order in which they were handed in. */
  readonly order: number;
  readonly keys: TopicKeys;
  readonly instrument: Instrument;
  readonly lease: number | undefined;
  readonly publications: Publication[];
  /** Where their answers stand. */
  readonly places: number[];
}

interface Lost {
  readonly group: Group;
  readonly call: SequencedCall;
  readonly sentMs: number;
  /** Who the server was believed to be. */
  readonly server: string;
  readonly settle: (results: readonly Published[]) => void;
}

export class RedisPublishing {
  readonly counters: PublishingCounters = { calls: 0, updates: 0, down: 0, retries: 0 };
  private readonly writer = new ByteWriter();
  private readonly leases: RedisLeases;
  /** Books of which an update was lost on its way, with the newest such call: only a snapshot handed in after it makes them whole. */
  private readonly torn = new Map<string, number>();
  /** Books of which a call under way was given up since the connection went: those made after it have nothing to stand on. */
  private readonly givenUp = new Set<string>();
  /** Calls whose answer went with the connection, in the order in which they were made. */
  private lost: Lost[] = [];
  private unanswered = 0;
  private orders = 0;

  constructor(private readonly options: PublishingOptions) {
    this.leases = new RedisLeases(options.scripts, options.tombstonesMax);
  }

  async publish(publications: readonly Publication[]): Promise<Published[]> {
    const downBefore = this.counters.down;
    const results: Published[] = new Array(publications.length);
    const groups = new Map<string, Group>();
    for (const [place, publication] of publications.entries()) {
      const refused = this.sort(publication, place, groups);
      if (refused !== null) results[place] = { refused };
    }
    const sent = [...groups.values()].map(async (group) => {
      const answers = await this.dispatch(group);
      for (const [i, place] of group.places.entries()) results[place] = answers[i]!;
    });
    await Promise.all(sent);
    // Who publishes in a loop without Redis must not keep the event loop from connecting.
    if (this.counters.down > downBefore) await new Promise<void>((resolve) => this.options.timers.soon(resolve));
    return results;
  }

  /** Redis is back: what was under way is sent again, before anything else. */
  up(): void {
    const lost = this.lost;
    this.lost = [];
    for (const each of lost) {
      // Another server can't say whether the one before it did it: done twice would be worse than not at all.
      const isOther = each.server !== this.options.scripts.replicationId;
      if (isOther || this.isLate(each) || this.isAdrift(each.group)) this.giveUp(each);
      else {
        this.counters.retries += 1;
        void this.call(each.group, { ...each.call, againUs: this.usSince(each.sentMs) }, each.sentMs).then(each.settle);
      }
    }
    this.givenUp.clear();
  }

  /** Time passes: what waits for Redis for too long is refused. */
  expire(): void {
    const late = this.lost.filter((each) => this.isLate(each));
    if (late.length === 0) return;
    this.lost = this.lost.filter((each) => !late.includes(each));
    for (const each of late) this.giveUp(each);
  }

  forgetLease(keys: TopicKeys): void {
    this.leases.forget(keys.topic);
  }

  /** With what the call itself may take. */
  private usSince(sentMs: number): number {
    return Math.ceil((this.options.clock.nowMs() - sentMs) * 1_000) + ON_ITS_WAY_US;
  }

  private isLate({ sentMs }: Lost): boolean {
    return this.options.clock.nowMs() - sentMs >= this.options.retryMs;
  }

  private giveUp({ group, settle }: Lost): void {
    if (isBook(group.keys)) this.givenUp.add(group.keys.topic);
    settle(this.refuse(group, `no answer in time; ${UNSURE}`));
  }

  /** Whether an older call of the book was given up; a snapshot needs none. */
  private isAdrift({ keys, publications }: Group): boolean {
    if (publications[0]!.update.kind === 'snapshot') this.givenUp.delete(keys.topic);
    return this.givenUp.has(keys.topic);
  }

  private sort(publication: Publication, place: number, groups: Map<string, Group>): Fault | null {
    const { symbol, update, lease } = publication;
    const instrument = this.options.instruments.get(symbol);
    if (instrument === undefined) return fault('unknown-symbol', symbol);
    const refused = checkUpdate(instrument, update);
    if (refused !== null) return refused;
    const keys = topicKeys(this.options.prefix, channelOf(update), symbol);
    const name = `${keys.topic} ${lease ?? ''}`;
    let group = groups.get(name);
    if (group === undefined) {
      group = { order: ++this.orders, keys, instrument, lease, publications: [], places: [] };
      groups.set(name, group);
    }
    group.publications.push(publication);
    group.places.push(place);
    return null;
  }

  private async dispatch(group: Group): Promise<readonly Published[]> {
    const { keys, publications, lease } = group;
    if (this.unanswered + publications.length > UNANSWERED_MAX)
      return this.refuse(group, 'too many updates are unanswered');
    this.unanswered += publications.length;
    try {
      if (lease !== undefined && isBook(group.keys)) {
        return await this.leases.inTurn(keys, lease, publications, (chosen, expectedSeq) =>
          this.begin({ ...group, publications: [...chosen] }, `${expectedSeq}`),
        );
      }
      return await this.begin(group, '');
    } finally {
      this.unanswered -= publications.length;
    }
  }

  private async begin(group: Group, expectedSeq: string): Promise<readonly Published[]> {
    const passed = this.mend(group);
    if (passed.publications.length === 0) return this.merge(group, passed, []);
    const call = this.callOf(passed, expectedSeq);
    return this.merge(group, passed, await this.call(passed, call, this.options.clock.nowMs()));
  }

  /** Leaves out the deltas of a torn book; from its snapshot on it is whole, if that is taken. */
  private mend(group: Group): Group {
    if (!this.torn.has(group.keys.topic)) return group;
    const first = group.publications.findIndex(({ update }) => update.kind === 'snapshot');
    return { ...group, publications: first < 0 ? [] : group.publications.slice(first) };
  }

  private merge(group: Group, passed: Group, answers: readonly Published[]): readonly Published[] {
    const left = group.publications.length - passed.publications.length;
    const refused: Published = { refused: fault('needs-snapshot') };
    return left === 0 ? answers : [...Array.from({ length: left }, () => refused), ...answers];
  }

  private callOf({ instrument, publications, lease }: Group, expectedSeq: string): SequencedCall {
    const updates: RedisArgument[] = [];
    for (const { update, exchangeUs, key } of publications) {
      updates.push(key ?? '', encodeUpdate(this.writer, update, exchangeUs));
    }
    const token = lease === undefined ? '' : `${lease}`;
    const nonce = this.options.newNonce();
    return { nonce, scales: scalesOf(instrument), token, expectedSeq, againUs: null, updates };
  }

  private async call(group: Group, call: SequencedCall, sentMs: number): Promise<readonly Published[]> {
    const { scripts, onFold } = this.options;
    const server = scripts.replicationId;
    this.counters.calls += 1;
    try {
      const { epoch, fold, results } = await scripts.publish(group.keys, call);
      this.counters.updates += results.length;
      if (fold) onFold(group.keys, call.scales);
      const placed = results.map((result, i) => this.placed(group, i, epoch, result));
      return sureOf(call, placed);
    } catch (error) {
      if (error instanceof RedisFailure) return this.failed({ group, call, sentMs, server }, error);
      if (error instanceof ScriptRefusal) return sureOf(call, this.refusedBy(group, call, error));
      throw error;
    }
  }

  private placed({ order, keys, publications }: Group, i: number, epoch: number, result: number | string): Published {
    if (typeof result !== 'number')
      return { refused: result === 'needs-snapshot' ? fault(result) : fault('bus-down', UNSURE) };
    // A place of before, by its key, is negative: nothing was sequenced now.
    const isNewer = result > 0 && order > (this.torn.get(keys.topic) ?? order);
    if (isNewer && publications[i]!.update.kind === 'snapshot') this.torn.delete(keys.topic);
    return { epoch, seq: Math.abs(result) };
  }

  private failed(
    made: Omit<Lost, 'settle'>,
    { outcome, message }: RedisFailure,
  ): Promise<readonly Published[]> | readonly Published[] {
    if (outcome !== 'unknown') return sureOf(made.call, this.refuse(made.group, message.slice(0, 80)));
    return new Promise((settle) => {
      this.lost.push({ ...made, settle });
    });
  }

  private refusedBy(group: Group, { scales }: SequencedCall, { code, value }: ScriptRefusal): readonly Published[] {
    const { keys, instrument, publications } = group;
    switch (code) {
      case 'leased':
      case 'fenced':
        return this.all(group, code);
      case 'unsure':
        if (isBook(group.keys)) this.givenUp.add(keys.topic);
        return this.refuse(group, UNSURE);
      case 'moved':
        return this.all(group, 'fenced', 'the topic was written past the lease');
      case 'other-scales':
        this.options.onOtherScales(instrument.symbol);
        return this.all(group, 'stale-instrument');
      case 'other-format':
        return this.all(group, 'newer-format', `format ${value}`);
      case 'other-replication':
        // The epoch ends: what was meant for it is of no use in the next, but what needs no state goes in with the next try.
        this.tear(group);
        this.options.onOtherServer(keys, Number(value), scales);
        return publications.map(({ update }) => ({
          refused: update.kind === 'delta' ? fault('needs-snapshot') : fault('bus-down', 'Redis was restarted'),
        }));
    }
    return this.all(group, 'internal', code);
  }

  private all({ publications }: Group, code: ErrorCode, detail?: string): readonly Published[] {
    return publications.map(() => ({ refused: fault(code, detail) }));
  }

  private refuse(group: Group, why: string): readonly Published[] {
    this.counters.down += group.publications.length;
    this.tear(group);
    return this.all(group, 'bus-down', why);
  }

  /** What follows in a book has nothing to stand on, also where somebody else's snapshot comes between. */
  private tear({ keys, order }: Group): void {
    if (!isBook(keys)) return;
    this.torn.set(keys.topic, Math.max(order, this.torn.get(keys.topic) ?? 0));
    this.leases.forget(keys.topic);
  }
}

/** What was sent before, and is refused now, may have been taken the first time: in an epoch that has ended since, for example. */
function sureOf({ againUs }: SequencedCall, answers: readonly Published[]): readonly Published[] {
  if (againUs === null) return answers;
  return answers.map((answer) => {
    if (!('refused' in answer) || answer.refused.message.includes(UNSURE)) return answer;
    return { refused: { ...answer.refused, message: `${answer.refused.message} (${UNSURE})` } };
  });
}

function isBook({ channel }: TopicKeys): boolean {
  return channel === 'book';
}

/** What makes the numbers of two epochs mean different things. */
export function scalesOf({ priceScale, sizeScale, orderCounts }: Instrument): string {
  return `${priceScale}.${sizeScale}.${orderCounts ? 1 : 0}`;
}
