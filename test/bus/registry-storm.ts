// Owns the registry's storm: three nodes put and delist at random while connections are cut, messages are lost, nodes start again
// and Redis is flushed and restarted. The test runs a few seeds. Invariant: the same seed makes the same decisions.

import { Random } from '../integration/seeded.ts';
import { startProxy, type TcpProxy } from '../redis/proxy.ts';
import { type RedisServer, startRedis } from '../redis/server.ts';
import { RegistryNode } from './registry-node.ts';

const PREFIX = 'storm';
const NODES = 3;
const STEPS = 150;
const SYMBOLS = Array.from({ length: 8 }, (_, i) => `S${i}`);

interface Place {
  node: RegistryNode;
  readonly proxy: TcpProxy;
}

/** What holds at the end: on each node, and in Redis. */
export interface Outcome {
  readonly nodes: readonly string[];
  readonly redis: string;
  /** Faults by name, with how often each took place. */
  readonly faults: Readonly<Record<string, number>>;
}

export async function storm(seed: number): Promise<Outcome> {
  const random = new Random(seed);
  const persistent = random.below(2) === 0;
  const redis = await startRedis({ persistent });
  const places: Place[] = [];
  try {
    for (let i = 0; i < NODES; i++) {
      const proxy = await startProxy(redis.port);
      places.push({ proxy, node: new RegistryNode({ url: proxy.url, prefix: PREFIX }) });
    }
    if (random.below(2) === 0) for (const { node } of places) await node.live();
    const faults: Record<string, number> = {};
    for (let step = 0; step < STEPS; step++) {
      const place = places[random.below(NODES)]!;
      if (random.below(8) > 0) change(place.node, random);
      else {
        const fault = await disturb(place, redis, random);
        faults[fault] = (faults[fault] ?? 0) + 1;
      }
      for (let turns = random.below(4); turns > 0; turns--) await new Promise((done) => setImmediate(done));
    }
    await calm(places, redis);
    return { nodes: places.map(({ node }) => stateOf(node)), redis: await stateIn(redis), faults };
  } finally {
    for (const { node } of places) node.close();
    for (const { proxy } of places) await proxy.close();
    await redis.close();
  }
}

function change(node: RegistryNode, random: Random): void {
  const symbol = SYMBOLS[random.below(SYMBOLS.length)]!;
  switch (random.below(6)) {
    case 0:
    case 1:
      node.instruments.delist(symbol);
      return;
    case 2:
      node.sets.put({ name: symbol, symbols: SYMBOLS.slice(random.below(SYMBOLS.length)) });
      return;
    case 3:
      node.sets.delete(symbol);
      return;
    default:
      node.put(symbol, {
        tickSize: 1 + random.below(1_000),
        quoteSource: random.below(4) === 0 ? 'published' : 'book',
      });
  }
}

async function disturb(place: Place, redis: RedisServer, random: Random): Promise<string> {
  const { proxy, node } = place;
  switch (random.below(10)) {
    case 0:
      proxy.cut();
      return 'cut';
    case 1:
      proxy.refuse(true);
      proxy.cut();
      return 'cut off';
    case 2:
      proxy.swallowToClient();
      return 'answers swallowed';
    case 3:
      proxy.swallow();
      return 'swallowed';
    case 4:
      heal(place);
      return 'healed';
    case 5:
      node.deaf = !node.deaf;
      return 'deaf';
    case 6:
      node.registry.check();
      return 'check';
    case 7:
      if (redis.running) await redis.command('FLUSHALL');
      return 'flushed';
    case 8:
      if (redis.running) await redis.kill();
      else await redis.restart();
      return 'killed or started';
    default:
      node.close();
      place.node = new RegistryNode({
        url: proxy.url,
        prefix: PREFIX,
        listed: random.below(2) === 0 ? node.instruments.list() : [],
      });
      return 'node restarted';
  }
}

function heal({ proxy }: Place): void {
  proxy.refuse(false);
  proxy.heal();
  proxy.cut();
}

/** All that failed is whole again, and every node has read what the others wrote. */
async function calm(places: readonly Place[], redis: RedisServer): Promise<void> {
  if (!redis.running) await redis.restart();
  for (const place of places) {
    place.node.deaf = false;
    const { connectionsTotal } = place.proxy;
    heal(place);
    await place.proxy.until(() => place.proxy.connectionsTotal >= connectionsTotal + 2);
  }
  for (let round = 0; round < 4; round++) for (const { node } of places) await node.checked();
}

function stateOf({ instruments, sets }: RegistryNode): string {
  const listed = instruments.list().map(({ symbol, tickSize, quoteSource }) => [symbol, tickSize, quoteSource]);
  return JSON.stringify([listed, sets.list().map(({ name, symbols }) => [name, symbols])]);
}

async function stateIn(redis: RedisServer): Promise<string> {
  const listed = await entriesIn(redis, 'instruments');
  const sets = await entriesIn(redis, 'sets');
  return JSON.stringify([
    listed.map(({ symbol, tickSize, quoteSource }) => [symbol, tickSize, quoteSource]),
    sets.map(({ name, symbols }) => [name, symbols]),
  ]);
}

async function entriesIn(redis: RedisServer, list: string): Promise<Record<string, unknown>[]> {
  const entries: Record<string, unknown>[] = [];
  for (const name of SYMBOLS) {
    const text = await redis.command('HGET', `${PREFIX}:{${list}}`, name);
    if (typeof text !== 'string') continue;
    const entry = JSON.parse(text) as Record<string, unknown>;
    if (entry.delisted !== true) entries.push(entry);
  }
  return entries;
}
