// Owns the simulated Redis server: the model of the scripts, who is connected, and what befalls a server. The simulation starts one
// per run and troubles it. Invariant: what was done is told to the oracle at once, whoever hears an answer; everything that goes wrong
// is drawn from the run's seed.

import { type RedisArgument, RedisFailure, type RedisIdentity, type RedisScript } from '../../src/ports/redis.ts';
import type { Kernel, Random } from './kernel.ts';
import { copyOf, type ModelTopic, OutOfMemory, RedisModel } from './redis-model.ts';
import { SimulatedPort } from './redis-port.ts';
import type { ModelSession } from './redis-session-model.ts';

/** What a restart leaves: everything, nothing, what a replica had a while ago. */
export const RESTARTS = ['with data', 'without data', 'lagging replica'] as const;
export type Restart = (typeof RESTARTS)[number];

/** How messages fare on their way to a subscriber: shares of them. */
export interface Carriage {
  lost: number;
  doubled: number;
  swapped: number;
}

export interface ServerCounters {
  restarts: Record<Restart, number>;
  flushes: number;
  memoryRefusals: number;
  messagesLost: number;
  messagesDoubled: number;
  messagesSwapped: number;
  callCuts: number;
  channelCuts: number;
  callSilences: number;
  channelSilences: number;
  channelsLingered: number;
}

export function serverCounters(): ServerCounters {
  return {
    restarts: { 'with data': 0, 'without data': 0, 'lagging replica': 0 },
    flushes: 0,
    memoryRefusals: 0,
    messagesLost: 0,
    messagesDoubled: 0,
    messagesSwapped: 0,
    callCuts: 0,
    channelCuts: 0,
    callSilences: 0,
    channelSilences: 0,
    channelsLingered: 0,
  };
}

/** Told of what really happens. */
export interface ServerWitness {
  sequenced: ConstructorParameters<typeof RedisModel>[0]['sequenced'];
  began: ConstructorParameters<typeof RedisModel>[0]['began'];
  /** The server holds this of a topic from now on; null: nothing. */
  restored(topic: string, state: ModelTopic | null): void;
}

export class SimulatedRedis {
  readonly counters = serverCounters();
  readonly carriage: Carriage = { lost: 0, doubled: 0, swapped: 0 };
  readonly model: RedisModel;
  running = true;
  private restarts = 0;
  private readonly ports: SimulatedPort[] = [];
  /** What a replica has. */
  private replica: Map<string, ModelTopic>;
  private replicaSessions = new Map<string, ModelSession>();
  /** How often something that was written was lost. */
  losses = 0;

  constructor(
    private readonly kernel: Kernel,
    private readonly witness: ServerWitness,
  ) {
    this.model = new RedisModel(
      {
        sequenced: (...what) => witness.sequenced(...what),
        began: (...what) => witness.began(...what),
        published: (channel, bytes) => this.tell(channel, bytes),
      },
      () => kernel.nowUs(),
    );
    this.replica = new Map();
  }

  get identity(): RedisIdentity {
    return { replicationId: `server-${this.restarts}`, version: '7.2.4', writable: true };
  }

  /** A way to the server for one process. */
  connect(random: Random, delayMsMax: number): SimulatedPort {
    const port = new SimulatedPort(this, this.kernel, random, delayMsMax);
    this.ports.push(port);
    return port;
  }

  /** @throws RedisFailure */
  run(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): ReturnType<RedisModel['run']> {
    try {
      return this.model.run(script, keys, args);
    } catch (error) {
      if (!(error instanceof OutOfMemory)) throw error;
      this.counters.memoryRefusals += 1;
      throw new RedisFailure('refused', error.message);
    }
  }

  /** @returns how many hear it. */
  tell(channel: string, bytes: Uint8Array): number {
    let heard = 0;
    for (const port of this.ports) if (port.deliver(channel, bytes)) heard += 1;
    return heard;
  }

  /** What the replica holds from now on. */
  replicate(): void {
    this.replica = copyOf(this.model.topics);
    this.replicaSessions = new Map(this.model.sessions.records);
  }

  /** The server is gone for a while, and is another one when it is back. `lingerMs`: channels' connections hear of it so much later. */
  restart(kind: Restart, downMs: number, lingerMs = 0): void {
    if (!this.running) return;
    this.counters.restarts[kind] += 1;
    for (const port of this.ports) {
      port.cutCalls('the server is gone');
      if (lingerMs > 0) port.lingerChannels(lingerMs, 'the server is gone');
      else port.cutChannels('the server is gone');
    }
    this.running = false;
    this.restarts += 1;
    if (kind === 'without data') this.restore(new Map(), new Map());
    if (kind === 'lagging replica') this.restore(copyOf(this.replica), this.replicaSessions);
    this.kernel.after(downMs, () => {
      this.running = true;
    });
  }

  /** FLUSHALL: the server stays who it is. */
  flush(): void {
    if (!this.running) return;
    this.counters.flushes += 1;
    this.restore(new Map(), new Map());
  }

  private restore(topics: Map<string, ModelTopic>, sessions: ReadonlyMap<string, ModelSession>): void {
    const before = this.model.topics;
    this.losses += 1;
    this.model.topics = topics;
    this.model.sessions.records = new Map(sessions);
    // A replica never has what its server lost.
    this.replica = copyOf(topics);
    this.replicaSessions = new Map(sessions);
    for (const name of before.keys()) this.witness.restored(name, topics.get(name) ?? null);
  }
}
