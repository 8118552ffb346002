// Owns the figures of what metrics cost: the data plane alone and the fan-out over sockets, with counters against the same without, in
// alternating rounds of one run, and a scrape over many connections. Run by `npm run bench:metrics`. Invariant: both gateways serve as many clients, all of them in step,
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
/** Of what a delivery costs over sockets. */
const COST_SHARE_MAX = 0.01;
/** Of the data plane, into sockets that take everything and do nothing: what is left is what could differ. */
const PLANE_CLIENTS = 500;
const PLANE_UPDATES = 500;
const PLANE_ROUNDS = 60;
/** One update in each step of the market. */
const STEP_MS = 4;
const SCRAPED_CONNECTIONS = 20_000;
const SCRAPES = 10;
const HOLD_MS_MAX = 5;

const failures: string[] = [];

async function main(): Promise<void> {
  const costNs = await dataPlane();
  const deliveryNs = await fanOut();
  const share = costNs / deliveryNs;
  console.log(
    `counting takes ${costNs.toFixed(1)} ns of a delivery's ${deliveryNs.toFixed(0)}: ${(100 * share).toFixed(2)} %`,
  );
  check(share <= COST_SHARE_MAX, `counters cost over ${COST_SHARE_MAX * 100} %`);
  await scrapes();
  for (const failure of failures) console.log(`FAILED: ${failure}`);
  process.exit(failures.length === 0 ? 0 : 1);
}

/** @returns what counting takes of a delivery, in ns. */
async function dataPlane(): Promise<number> {
  const entry = new URL('site.ts', import.meta.url);
  const sites: Site[] = [];
  for (const counted of VARIANTS) {
    const { Site: Variant } = await load<{ Site: typeof Site }>(entry, counted);
    const site = new Variant(1);
    await site.open();
    for (let id = 0; id < PLANE_CLIENTS; id++) site.subscribe(site.connect(String(id)), 10);
    await site.pass(1_000);
    sites.push(site);
  }
  const { withNs, withoutNs, differences, controls } = await alternate(PLANE_ROUNDS, async (place) => {
    const before = process.cpuUsage();
    await sites[place]!.market(PLANE_UPDATES, PLANE_UPDATES * STEP_MS);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1_000) / (PLANE_UPDATES * PLANE_CLIENTS);
  });
  console.log(
    `data plane to ${PLANE_CLIENTS} clients, ${PLANE_ROUNDS} rounds: ${median(withNs).toFixed(1)} ns a delivery with counters, ` +
      `${median(withoutNs).toFixed(1)} without; difference ${spread(differences, 1)} ns; of two with counters ${spread(controls, 1)} ns`,
  );
  return Math.max(0, median(differences));
}

/** @returns what a delivery takes, in ns. */
async function fanOut(): Promise<number> {
  const entry = new URL('metrics-gateway.ts', import.meta.url);
  const subjects: Subject[] = [];
  for (const counted of VARIANTS) subjects.push(await (await load<{ open: typeof open }>(entry, counted)).open());
  const readers = fork(
    new URL('metrics-readers.ts', import.meta.url).pathname,
    [`${CLIENTS}`, ...subjects.map(({ port }) => `${port}`)],
    { execArgv: ['--import', 'tsx'] },
  );
  await once(readers, 'message');
  const { withNs, withoutNs, differences, controls } = await alternate(ROUNDS, (place) =>
    nsPerDelivery(subjects[place]!),
  );
  readers.disconnect();
  for (const subject of subjects) subject.stop();
  console.log(
    `fan-out to ${CLIENTS} clients over sockets, ${ROUNDS} rounds: CPU ${median(withNs).toFixed(0)} ns a delivery with counters, ` +
      `${median(withoutNs).toFixed(0)} without; difference ${spread(differences, 0)} ns; of two with counters ${spread(controls, 0)} ns`,
  );
  return median(withNs);
}

/** The third is the first once more: how far two that are the same differ is what this machine can tell. */
const VARIANTS = [true, false, true] as const;

interface Alternation {
  readonly withNs: number[];
  readonly withoutNs: number[];
  /** With counters less without. */
  readonly differences: number[];
  readonly controls: number[];
}

/** Measures the variants in turns; who goes first has what another left in the caches: each is first in turn. */
async function alternate(rounds: number, measure: (place: number) => Promise<number>): Promise<Alternation> {
  for (let round = 0; round < WARM_ROUNDS; round++) for (let place = 0; place < 3; place++) await measure(place);
  const found: Alternation = { withNs: [], withoutNs: [], differences: [], controls: [] };
  for (let round = 0; round < rounds; round++) {
    const ns = [0, 0, 0];
    for (let i = 0; i < 3; i++) {
      const place = (round + i) % 3;
      ns[place] = await measure(place);
    }
    const [one, without, other] = ns as [number, number, number];
    found.withNs.push((one + other) / 2);
    found.withoutNs.push(without);
    found.differences.push((one + other) / 2 - without);
    found.controls.push(one - other);
  }
  return found;
}

function spread(values: readonly number[], digits: number): string {
  return `${median(values).toFixed(digits)} (quartiles ${at(values, 0.25).toFixed(digits)} to ${at(values, 0.75).toFixed(digits)})`;
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
