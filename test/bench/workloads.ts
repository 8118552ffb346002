// Owns what is measured: the load of each workload, and from a seed who subscribes to what.
// The orchestrator chooses a workload; subjects and generator are told it, and who has which topics they work out alike.
// Invariant: everything here is a pure function of workload and seed.

export interface Workload {
  readonly name: string;
  readonly topics: number;
  readonly topicsPerClient: number;
  readonly updatesPerSecond: number;
  /** Updates that share one intended send time. */
  readonly burstUpdates: number;
  /** Levels that an update changes; absent: UPDATE_LEVELS. */
  readonly updateLevels?: number;
}

export const WORKLOADS: readonly Workload[] = [
  { name: 'hot', topics: 1, topicsPerClient: 1, updatesPerSecond: 2_000, burstUpdates: 20 },
  { name: 'low', topics: 500, topicsPerClient: 50, updatesPerSecond: 500, burstUpdates: 1 },
  { name: 'high', topics: 500, topicsPerClient: 50, updatesPerSecond: 5_000, burstUpdates: 25 },
  { name: 'high2x', topics: 500, topicsPerClient: 50, updatesPerSecond: 10_000, burstUpdates: 25 },
  { name: 'overload', topics: 500, topicsPerClient: 50, updatesPerSecond: 12_000, burstUpdates: 25 },
  { name: 'spread-hot', topics: 50, topicsPerClient: 50, updatesPerSecond: 4_000, burstUpdates: 20 },
];

/** What an update of half a book takes on the wire, in the baseline's frames and in Tickwire's. */
const FLOOD_UPDATE_LEVELS = 50;
const FLOOD_UPDATE_BYTES = 530;
const FLOOD_BURSTS_PER_SECOND = 50;

/** All clients on the same books, each with so many bytes a second to read: few updates of many levels. */
export function floodWorkload(bytesPerSecond: number): Workload {
  const burstUpdates = Math.max(1, Math.round(bytesPerSecond / FLOOD_UPDATE_BYTES / FLOOD_BURSTS_PER_SECOND));
  return {
    name: 'flood',
    topics: 50,
    topicsPerClient: 50,
    updatesPerSecond: Math.max(1, Math.round(bytesPerSecond / FLOOD_UPDATE_BYTES)),
    burstUpdates,
    updateLevels: FLOOD_UPDATE_LEVELS,
  };
}

export function workloadNamed(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined) {
    throw new Error(`no workload "${name}"; there are ${WORKLOADS.map((workload) => workload.name).join(', ')}`);
  }
  return found;
}

export function describeWorkload(workload: Workload, clients: number): string {
  const { name, topics, topicsPerClient, updatesPerSecond, burstUpdates } = workload;
  return `${name}: ${clients} clients on ${topicsPerClient} of ${topics} topics, ${updatesPerSecond} updates/s in bursts of ${burstUpdates}`;
}

export function symbolOf(topic: number): string {
  return `BENCH-${topic}`;
}

/** The topics of one client, ascending. */
export function topicsOf(workload: Workload, client: number, seed: number): number[] {
  const all = Array.from({ length: workload.topics }, (_, topic) => topic);
  if (workload.topicsPerClient === workload.topics) return all;
  const random = seededRandom(seed * 1_000_003 + client);
  for (let index = 0; index < workload.topicsPerClient; index++) {
    const other = index + Math.floor(random() * (all.length - index));
    [all[index], all[other]] = [all[other]!, all[index]!];
  }
  return all.slice(0, workload.topicsPerClient).sort((a, b) => a - b);
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
