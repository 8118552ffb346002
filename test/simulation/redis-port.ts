// Owns one process's connections to the simulated Redis: one for calls, one for channels, each with delays, cuts and silences. The
// product's Redis bus runs on it. Invariant: calls are done in the order in which they are made, also by a connection that breaks,
// each at most once; what is answered was done.

import {
  type RedisArgument,
  RedisFailure,
  type RedisIdentity,
  type RedisListener,
  type RedisPort,
  type RedisReply,
  type RedisScript,
} from '../../src/ports/redis.ts';
import type { Kernel, Random } from './kernel.ts';
import type { SimulatedRedis } from './redis.ts';

interface Call {
  readonly run: () => RedisReply | RedisIdentity;
  readonly settle: (outcome: unknown, failed: boolean) => void;
}

interface Answer {
  readonly call: Call;
  readonly outcome: unknown;
  readonly failed: boolean;
}

/** Something for the listener: a message, or null, a channel's confirmation. */
interface Delivery {
  readonly channel: string;
  readonly bytes: Uint8Array | null;
}

const RECONNECT_MS_MIN = 5;
const RECONNECT_MS_MAX = 250;
const DROP_MS_MAX = 20;
/** What the listener was lent is something else afterwards. */
const SPOILT = 0xc1;

export class SimulatedPort implements RedisPort {
  /** A connection that is cut stays away until then. */
  reliable = false;
  private listener: RedisListener | null = null;
  private callsUp = false;
  private channelsStand = false;
  /** Count connections: what belongs to an earlier one is void. */
  private callsLife = 0;
  private channelsLife = 0;
  /** Nothing comes back: requests still reach the server, or do not. */
  private callsSilent: 'no' | 'deaf' | 'mute' = 'no';
  private channelsSilent = false;
  /** Its server is gone, which it has yet to be told. */
  private lingering = false;
  /** Unanswered calls; those that have not reached the server; answers on their way. */
  private underWay: Call[] = [];
  private toServer: Call[] = [];
  private toClient: Answer[] = [];
  private subscribing: (() => void)[] = [];
  private readonly subscribed = new Set<string>();
  private deliveries: Delivery[] = [];

  constructor(
    private readonly server: SimulatedRedis,
    private readonly kernel: Kernel,
    private readonly random: Random,
    private readonly delayMsMax: number,
  ) {}

  open(listener: RedisListener): void {
    this.listener = listener;
    this.dialCalls();
    this.dialChannels();
  }

  call(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<RedisReply> {
    return this.ask(() => this.server.run(script, keys, args));
  }

  range(key: string, first: string, last: string, countMax: number): Promise<RedisReply> {
    const [from, to] = [Number.parseInt(first, 10), Number.parseInt(last, 10)];
    return this.ask(() => this.server.model.range(key, from, to, countMax));
  }

  publish(channel: string, bytes: Uint8Array): Promise<RedisReply> {
    return this.ask(() => this.server.tell(channel, bytes));
  }

  identify(): Promise<RedisIdentity> {
    return this.ask(() => this.server.identity);
  }

  subscribe(channels: readonly string[]): void {
    for (const channel of channels) {
      this.tellServer(() => {
        this.subscribed.add(channel);
        this.send({ channel, bytes: null });
      });
    }
  }

  unsubscribe(channels: readonly string[]): void {
    for (const channel of channels) this.tellServer(() => this.subscribed.delete(channel));
  }

  /** Nobody publishes plainly here. */
  subscribePattern(): void {}

  unsubscribePattern(): void {}

  resetChannels(reason: string): void {
    const life = this.channelsLife;
    this.kernel.after(this.random.below(DROP_MS_MAX), () => {
      if (life === this.channelsLife) this.cutChannels(reason);
    });
  }

  resetCalls(reason: string): void {
    const life = this.callsLife;
    this.kernel.after(this.random.below(DROP_MS_MAX), () => {
      if (life === this.callsLife) this.cutCalls(reason);
    });
  }

  close(): void {
    this.listener = null;
    this.dropCalls('closed');
    this.dropChannels();
  }

  /** A message for those who subscribed. @returns whether this one has. */
  deliver(channel: string, bytes: Uint8Array): boolean {
    if (!this.subscribed.has(channel) || this.lingering) return false;
    const { random, server } = this;
    const { carriage, counters } = server;
    if (random.chance(carriage.lost)) {
      counters.messagesLost += 1;
      return true;
    }
    this.send({ channel, bytes });
    if (random.chance(carriage.doubled)) {
      counters.messagesDoubled += 1;
      this.send({ channel, bytes });
    }
    const { deliveries } = this;
    const [before, last] = [deliveries.length - 2, deliveries.length - 1];
    if (before >= 0 && deliveries[before]!.bytes !== null && random.chance(carriage.swapped)) {
      counters.messagesSwapped += 1;
      [deliveries[before], deliveries[last]] = [deliveries[last]!, deliveries[before]!];
    }
    return true;
  }

  /** Calls get no answer until the connection is dropped; they may be done all the same. */
  silenceCalls(): void {
    if (!this.callsUp || this.callsSilent !== 'no') return;
    this.server.counters.callSilences += 1;
    this.callsSilent = this.random.chance(0.5) ? 'deaf' : 'mute';
  }

  /** No message comes until the connection is dropped. */
  silenceChannels(): void {
    if (!this.channelsStand || this.channelsSilent) return;
    this.server.counters.channelSilences += 1;
    this.channelsSilent = true;
  }

  cutCalls(reason: string): void {
    if (this.listener === null) return;
    if (this.callsUp) this.server.counters.callCuts += 1;
    this.dropCalls(reason);
    this.dialCalls();
  }

  cutChannels(reason: string): void {
    if (this.listener === null) return;
    if (this.channelsStand) this.server.counters.channelCuts += 1;
    this.dropChannels();
    this.listener.channelsDown(reason);
    this.dialChannels();
  }

  /** The server is gone: the channels' connection hears of it later than that of the calls, and what was on its way comes till then. */
  lingerChannels(ms: number, reason: string): void {
    if (!this.channelsStand) return this.cutChannels(reason);
    this.server.counters.channelsLingered += 1;
    this.lingering = true;
    this.subscribing = [];
    const life = ++this.channelsLife;
    for (let left = this.deliveries.length; left > 0; left--) {
      this.kernel.after(this.random.between(0, ms), () => {
        if (life === this.channelsLife) this.receive(this.deliveries.shift()!);
      });
    }
    this.kernel.after(ms + 1, () => {
      if (life === this.channelsLife) this.cutChannels(reason);
    });
  }

  private dropCalls(reason: string): void {
    this.callsLife += 1;
    // Some of what was on its way arrives; what does is done in order.
    const arriving = this.callsSilent === 'mute' ? 0 : this.random.below(this.toServer.length + 1);
    for (const call of this.toServer.slice(0, arriving)) done(call);
    const { underWay, callsUp } = this;
    this.underWay = [];
    this.toServer = [];
    this.toClient = [];
    this.callsUp = false;
    this.callsSilent = 'no';
    for (const { settle } of underWay) settle(new RedisFailure('unknown', reason), true);
    this.kernel.promiseSettled();
    if (callsUp) this.listener?.down(reason);
  }

  private dropChannels(): void {
    this.channelsLife += 1;
    this.channelsStand = false;
    this.channelsSilent = false;
    this.lingering = false;
    this.subscribing = [];
    this.subscribed.clear();
    this.deliveries = [];
  }

  private dialCalls(): void {
    const life = this.callsLife;
    this.kernel.after(this.dialMs, () => {
      if (life !== this.callsLife) return;
      if (!this.server.running) return this.dialCalls();
      const { identity } = this.server;
      this.kernel.after(this.delayMs, () => {
        if (life !== this.callsLife) return;
        this.callsUp = true;
        this.listener!.up(identity);
        this.kernel.promiseSettled();
      });
    });
  }

  private dialChannels(): void {
    const life = this.channelsLife;
    this.kernel.after(this.dialMs, () => {
      if (life !== this.channelsLife) return;
      if (!this.server.running) return this.dialChannels();
      this.channelsStand = true;
      this.listener!.channelsUp();
    });
  }

  private get dialMs(): number {
    return this.random.between(RECONNECT_MS_MIN, this.reliable ? 2 * RECONNECT_MS_MIN : RECONNECT_MS_MAX);
  }

  private get delayMs(): number {
    return this.random.between(0, this.delayMsMax);
  }

  private ask<T extends RedisReply | RedisIdentity>(run: () => T): Promise<T> {
    if (!this.callsUp) {
      this.kernel.promiseSettled();
      return Promise.reject(new RedisFailure('unsent', 'there is no connection to Redis'));
    }
    return new Promise<T>((resolve, reject) => {
      const settle = (outcome: unknown, failed: boolean): void => (failed ? reject(outcome) : resolve(outcome as T));
      const call: Call = { run, settle };
      this.underWay.push(call);
      this.toServer.push(call);
      const life = this.callsLife;
      // Whichever timer runs first takes the call that was made first.
      this.kernel.after(this.delayMs, () => this.arrive(life));
    });
  }

  private arrive(life: number): void {
    if (life !== this.callsLife || this.callsSilent === 'mute') return;
    this.toClient.push(done(this.toServer.shift()!));
    this.kernel.after(this.delayMs, () => this.answer(life));
  }

  private answer(life: number): void {
    if (life !== this.callsLife || this.callsSilent !== 'no') return;
    const { call, outcome, failed } = this.toClient.shift()!;
    this.underWay.shift();
    call.settle(outcome, failed);
    this.kernel.promiseSettled();
  }

  private tellServer(run: () => void): void {
    if (!this.channelsStand || this.lingering) return;
    this.subscribing.push(run);
    const life = this.channelsLife;
    this.kernel.after(this.delayMs, () => {
      if (life === this.channelsLife) this.subscribing.shift()!();
    });
  }

  private send(delivery: Delivery): void {
    this.deliveries.push(delivery);
    const life = this.channelsLife;
    this.kernel.after(this.delayMs, () => {
      if (life === this.channelsLife) this.receive(this.deliveries.shift()!);
    });
  }

  private receive({ channel, bytes }: Delivery): void {
    const { listener } = this;
    if (this.channelsSilent || listener === null) return;
    if (bytes === null) listener.subscribed(channel);
    else {
      const lent = Buffer.from(bytes);
      listener.message(channel, lent);
      lent.fill(SPOILT);
    }
    this.kernel.promiseSettled();
  }
}

function done(call: Call): Answer {
  try {
    return { call, outcome: call.run(), failed: false };
  } catch (error) {
    if (!(error instanceof RedisFailure)) throw error;
    return { call, outcome: error, failed: true };
  }
}
