// Owns one measured run of `bench:redis`: an emptied Redis, a fresh publisher and a fresh follower, a warm-up, the window, the audit.
// redis.ts calls it for every load, round and way. Invariant: both processes are gone when it returns or throws, and what it counts
// was published and heard within the window, whatever was under way at its end included.

import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { RedisServer } from '../../redis/server.ts';
import { Child } from '../children.ts';
import { type CoreSample, foreignShare, sampleCores } from '../machine.ts';
import { originUs } from './clock.ts';
import type { FromNode, HeardMessage, Pace, RanMessage, ToNode, Way } from './messages.ts';

export interface Load {
  readonly name: string;
  readonly topics: number;
  readonly batch: number;
  readonly pace: Pace;
}

export interface Run {
  readonly way: Way;
  readonly load: Load;
  readonly ran: RanMessage;
  readonly heard: HeardMessage;
  readonly redisCpuUs: number;
  /** What ran beside Redis and both processes, of all cores; null where nothing is known. */
  readonly foreignShare: number | null;
}

export interface RunOrder {
  readonly redis: RedisServer;
  readonly load: Load;
  readonly way: Way;
  readonly seconds: number;
  readonly seed: number;
}

const WARM_UP_SECONDS = 1;
/** As deep below the root as sources are: the scripts of proto/redis are found by their place. */
const BUNDLES = fileURLToPath(new URL('../../../.cache/tickwire-bench/', import.meta.url));
/** The same file, as children.ts looks for it: from where its own bundles lie. */
const NODE = '../../../.cache/tickwire-bench/redis-node';

export async function bundleNode(): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL('../redis-node.ts', import.meta.url))],
    outdir: BUNDLES,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
}

export function isValid({ ran, heard }: Run): boolean {
  return ran.problems === 0 && heard.problems === 0 && ran.updates > 0 && ran.updates === heard.updates;
}

export async function measureRun(order: RunOrder, signal: AbortSignal): Promise<Run> {
  const { redis, load, way, seed } = order;
  await redis.command('FLUSHALL');
  const publisher: NodeChild = new Child(NODE, null);
  const follower: NodeChild = new Child(NODE, null);
  // They end by themselves, which whoever waits for an answer of theirs is told.
  const interrupted = (): void => {
    for (const child of [publisher, follower]) child.tell({ type: 'end' });
  };
  signal.addEventListener('abort', interrupted);
  try {
    signal.throwIfAborted();
    const setup = { type: 'setup', way, url: redis.url, prefix: 'bench', topics: load.topics, seed } as const;
    const origin = { originUs: originUs() };
    // The follower first: it hears everything from the first update on.
    for (const [role, child] of [['follower', follower] as const, ['publisher', publisher] as const]) {
      child.tell({ ...setup, ...origin, role });
      await child.next('ready');
    }
    await phase(order, WARM_UP_SECONDS, publisher, follower);
    return await phase(order, order.seconds, publisher, follower);
  } finally {
    signal.removeEventListener('abort', interrupted);
    await Promise.all([publisher.stop(), follower.stop()]);
  }
}

type NodeChild = Child<ToNode, FromNode>;

async function phase(order: RunOrder, seconds: number, publisher: NodeChild, follower: NodeChild): Promise<Run> {
  const { redis, load, way } = order;
  const { pace, batch } = load;
  follower.tell({ type: 'listen' });
  const [fromUs, fromCores] = [await redisCpuUs(redis), sampleCores()];
  publisher.tell({ type: 'run', pace, batch, seconds });
  const ran = await publisher.next('ran', seconds * 1_000);
  follower.tell({ type: 'drain', lastSeqs: ran.lastSeqs });
  const heard = await follower.next('heard');
  const [toUs, toCores] = [await redisCpuUs(redis), sampleCores()];
  const ownUs = toUs - fromUs + ran.cpuUs + heard.cpuUs;
  return { way, load, ran, heard, redisCpuUs: toUs - fromUs, foreignShare: foreignOf(fromCores, toCores, ownUs) };
}

/** Of all cores together. */
function foreignOf(from: readonly CoreSample[], to: readonly CoreSample[], ownUs: number): number | null {
  const together = (samples: readonly CoreSample[]): CoreSample => ({
    busyTicks: samples.reduce((sum, { busyTicks }) => sum + busyTicks, 0),
    totalTicks: samples.reduce((sum, { totalTicks }) => sum + totalTicks, 0),
  });
  if (from.length === 0) return null;
  const [first, last] = [together(from), together(to)];
  // A tick is a hundredth of a second.
  return foreignShare([first], [last], 0, ownUs / 10_000 / Math.max(last.totalTicks - first.totalTicks, 1));
}

/** User and system time of the whole process, microseconds. */
export async function redisCpuUs(redis: RedisServer): Promise<number> {
  const info = String(await redis.command('INFO', 'cpu'));
  const secondsOf = (name: string): number =>
    Number(new RegExp(`^${name}:([0-9.]+)`, 'm').exec(info)?.[1] ?? Number.NaN);
  return (secondsOf('used_cpu_user') + secondsOf('used_cpu_sys')) * 1_000_000;
}
