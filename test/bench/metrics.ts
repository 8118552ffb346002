// Owns the figures of what metrics cost: the fan-out with counters against the same without, in alternating rounds of one run, and a
// scrape over many connections. Run by `npm run bench:metrics`. Invariant: both gateways serve as many clients, all of them in step,
// in every round that counts.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Metrics } from '../../src/insight/metrics.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { load } from './metrics-bundle.ts';
import type { open, Subject } from './metrics-gateway.ts';
import { Site } from './site.ts';

const CLIENTS = 200;
const UPDATES = 200;
const EVERY_MS = 2;
const WARM_ROUNDS = 3;
const ROUNDS = Number(process.argv[2] ?? 15);
const RATIO_MAX = 1.01;
const SCRAPED_CONNECTIONS = 20_000;
const SCRAPES = 10;
const HOLD_MS_MAX = 5;

const failures: string[] = [];

async function main(): Promise<void> {
  await fanOut();
  await scrapes();
  for (const failure of failures) console.log(`FAILED: ${failure}`);
  process.exit(failures.length === 0 ? 0 : 1);
}

async function fanOut(): Promise<void> {
  const entry = new URL('metrics-gateway.ts', import.meta.url);
  const subjects: Subject[] = [];
  // The third is the first once more: how far two that are the same differ is what this machine can tell.
  for (const counted of [true, false, true]) {
    subjects.push(await (await load<{ open: typeof open }>(entry, counted)).open());
  }
  const readers = fork(
    new URL('metrics-readers.ts', import.meta.url).pathname,
    [`${CLIENTS}`, ...subjects.map(({ port }) => `${port}`)],
    { execArgv: ['--import', 'tsx'] },
  );
  await once(readers, 'message');
  for (let round = 0; round < WARM_ROUNDS; round++) for (const subject of subjects) await nsPerDelivery(subject);
  const ratios: number[] = [];
  const controls: number[] = [];
  const withNs: number[] = [];
  const withoutNs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const ns = [0, 0, 0];
    // Who goes first has what another left in the caches: each is first in turn.
    for (let i = 0; i < 3; i++) {
      const place = (round + i) % 3;
      ns[place] = await nsPerDelivery(subjects[place]!);
    }
    const [one, without, other] = ns as [number, number, number];
    withNs.push((one + other) / 2);
    withoutNs.push(without);
    ratios.push((one + other) / 2 / without);
    controls.push(one / other);
  }
  readers.disconnect();
  for (const subject of subjects) subject.stop();
  const ratio = median(ratios);
  console.log(
    `fan-out to ${CLIENTS} clients over sockets, ${ROUNDS} rounds: CPU ${median(withNs).toFixed(0)} ns a delivery with counters, ` +
      `${median(withoutNs).toFixed(0)} without; ratio ${spread(ratios)}; of two with counters ${spread(controls)}`,
  );
  check(ratio <= RATIO_MAX, `counters cost over ${Math.round((RATIO_MAX - 1) * 100)} %`);
}

function spread(values: readonly number[]): string {
  return `${median(values).toFixed(4)} (quartiles ${at(values, 0.25).toFixed(4)} to ${at(values, 0.75).toFixed(4)})`;
}

async function nsPerDelivery(subject: Subject): Promise<number> {
  const before = process.cpuUsage();
  await subject.publish(UPDATES, EVERY_MS);
  const { user, system } = process.cpuUsage(before);
  check(subject.inStep() === CLIENTS, `${CLIENTS - subject.inStep()} clients fell behind`);
  return ((user + system) * 1_000) / (UPDATES * CLIENTS);
}

async function scrapes(): Promise<void> {
  const site = new Site(10);
  await site.open();
  const peers = Array.from({ length: SCRAPED_CONNECTIONS }, (_, id) => site.connect(String(id)));
  for (const peer of peers) site.subscribe(peer, 10);
  await site.pass(1_000);
  const connections = new Set(peers.map(({ connection }) => connection));
  const metrics = new Metrics(() => ({
    settings: { connectionsMax: SCRAPED_CONNECTIONS, metricsTopTopics: 20 },
    ...{ flush: site.flush, topics: site.topics, instruments: { size: 10 }, sockets: site.counters },
    connections,
    ...{ refusals: {}, published: { taken: 0, refused: {} }, publishers: { open: 0, admitted: 0, closed: {} } },
    ...{ admission: { addresses: 0, principals: 0 }, resumptions: {}, sessions: { connected: 0, over: 0 } },
    bus: { up: true, entries: 0, repairs: 0, reloads: 0, connects: 0, canaryMs: null, plainItems: 0 },
    ...{ ready: true, draining: false, busy: 0, clock: systemClock },
  }));
  await metrics.text();
  const tookMs: number[] = [];
  const heldMs: number[] = [];
  for (let i = 0; i < SCRAPES; i++) {
    const turns = watchTurns();
    const beganMs = performance.now();
    const text = await metrics.text();
    tookMs.push(performance.now() - beganMs);
    heldMs.push(await turns.stop());
    if (!text.includes(`tickwire_pace_connections{pace="real-time"} ${SCRAPED_CONNECTIONS}\n`)) {
      failures.push('a scrape did not see all connections');
    }
  }
  console.log(
    `scrape over ${SCRAPED_CONNECTIONS} connections, ${SCRAPES} times: ${median(tookMs).toFixed(1)} ms, ` +
      `the event loop held for ${median(heldMs).toFixed(1)} ms at most (worst ${Math.max(...heldMs).toFixed(1)})`,
  );
  check(median(heldMs) <= HOLD_MS_MAX, `a scrape holds the event loop for over ${HOLD_MS_MAX} ms`);
}

/** The longest turn of the event loop until it is stopped; time in which others had the core is not its own. */
function watchTurns(): { stop(): Promise<number> } {
  let lastMs = performance.now();
  let lastCpu = process.cpuUsage();
  let longestMs = 0;
  let running = true;
  let ended: (longestMs: number) => void = () => {};
  const turn = (): void => {
    const nowMs = performance.now();
    const { user, system } = process.cpuUsage(lastCpu);
    longestMs = Math.max(longestMs, Math.min(nowMs - lastMs, (user + system) / 1_000));
    lastMs = nowMs;
    lastCpu = process.cpuUsage();
    if (running) setImmediate(turn);
    else ended(longestMs);
  };
  setImmediate(turn);
  return {
    stop: () => {
      running = false;
      return new Promise((resolve) => {
        ended = resolve;
      });
    },
  };
}

function at(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

function median(values: readonly number[]): number {
  return at(values, 0.5);
}

function check(holds: boolean, failure: string): void {
  if (!holds && !failures.includes(failure)) failures.push(failure);
}

await main();
