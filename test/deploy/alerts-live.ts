// Owns the command `npm run deploy:prometheus-check`: a real Prometheus scrapes a real gateway that has a demo market and a client for
// some seconds, with the rules of deploy/prometheus, and is asked each query of the dashboards. Run by hand.
// Invariant: exit code 1 at any rule or query that Prometheus can't answer, and at any alert that fires on a gateway that is well.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../src/client/node.ts';
import { debianTool } from '../debian.ts';
import { withCopy } from './alerts-promtool.ts';
import { textOf } from './alerts-rules.ts';
import { type Board, queriesOf } from './dashboards-form.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const DASHBOARDS = join(ROOT, 'deploy/grafana/dashboards');
const TOKEN = 'only-for-this-check-and-nobody-else';
const SCRAPES = 30;
const LOOK_MS = 500;
const READY_MS_MAX = 120_000;

interface Rule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  readonly type: string;
  readonly state?: string;
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
    readonly result: readonly { readonly value: readonly [number, string] }[];
  };
}

await withCopy(async (folder) => {
  const children: ChildProcess[] = [];
  try {
    const gateway = await startGateway(children);
    const prometheus = await startPrometheus(folder, gateway.admin, children);
    const client = connect([gateway.stream]);
    client.book('BTC-USD', { depth: 10 });
    client.trades('BTC-USD');
    await scraped(prometheus);
    process.exitCode = (await rulesHold(prometheus)) && (await queriesHold(prometheus)) ? 0 : 1;
    client.close();
  } finally {
    for (const child of children) {
      child.kill();
      if (child.exitCode === null) await once(child, 'exit');
    }
  }
});

async function startGateway(children: ChildProcess[]): Promise<{ admin: string; stream: string }> {
  const words = ['--import', 'tsx', 'src/cli/main.ts', 'serve', '--demo', '--port', '0', '--admin-port', '0'];
  const env = { ...process.env, TICKWIRE_ADMIN_TOKEN: TOKEN, REDIS_URL: '' };
  const child = spawn(process.execPath, words, { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(child);
  // Its log is on standard error.
  for await (const line of createInterface({ input: child.stderr! })) {
    if (!line.includes('"event":"gateway.listening"')) continue;
    child.stderr!.resume();
    return JSON.parse(line) as { admin: string; stream: string };
  }
  throw new Error('the gateway did not start');
}

/** @returns its address. */
async function startPrometheus(folder: string, admin: string, children: ChildProcess[]): Promise<string> {
  const config = textOf('prometheus.yml')
    .replaceAll(/(scrape|evaluation)_interval: 15s/g, '$1_interval: 1s')
    .replace(/(credentials_file: ).*/, '$1token');
  writeFileSync(join(folder, 'prometheus.yml'), config);
  writeFileSync(join(folder, 'token'), TOKEN);
  writeFileSync(join(folder, 'targets/gateways.yml'), `- targets: ['${new URL(admin).host}']\n`);
  const { path, env } = await debianTool('promtool');
  const address = `127.0.0.1:${await freePort()}`;
  const words = ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=${address}`];
  const program = join(dirname(path), 'prometheus');
  children.push(spawn(program, words, { cwd: folder, env, stdio: ['ignore', 'ignore', 'ignore'] }));
  return `http://${address}`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function ask(prometheus: string, path: string, parameters: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  return (await response.json()) as Answer;
}

async function scraped(prometheus: string): Promise<void> {
  const query = 'sum_over_time(up{job="tickwire"}[1h])';
  const endMs = Date.now() + READY_MS_MAX;
  while (Date.now() < endMs) {
    const answer = await ask(prometheus, 'query', { query }).catch(() => null);
    if (Number(answer?.data.result[0]?.value[1] ?? 0) >= SCRAPES) return;
    await delay(LOOK_MS);
  }
  throw new Error('Prometheus did not scrape the gateway often enough');
}

async function rulesHold(prometheus: string): Promise<boolean> {
  const rules = (await ask(prometheus, 'rules')).data.groups.flatMap((group) => group.rules);
  const ill = rules.filter(({ health }) => health !== 'ok');
  const firing = rules.filter(({ state }) => state === 'firing');
  for (const { name, health, lastError } of ill) console.log(`rule ${name}: ${health} ${lastError ?? ''}`);
  for (const { name } of firing) console.log(`${name} fires on a gateway that is well`);
  console.log(`${rules.length} rules, ${ill.length} with errors, ${firing.length} alerts firing`);
  return rules.length > 0 && ill.length + firing.length === 0;
}

async function queriesHold(prometheus: string): Promise<boolean> {
  let asked = 0;
  let wrong = 0;
  const silent: string[] = [];
  for (const file of readdirSync(DASHBOARDS)) {
    for (const query of queriesOf(JSON.parse(readFileSync(join(DASHBOARDS, file), 'utf8')) as Board)) {
      const { status, error, data } = await ask(prometheus, 'query', { query });
      asked += 1;
      if (status !== 'success') {
        wrong += 1;
        console.log(`${file}: ${query}: ${error}`);
      } else if (data.result.length === 0) silent.push(`${file}: ${query}`);
    }
  }
  console.log(`${asked} queries of the dashboards, ${wrong} with errors, ${silent.length} without a series now:`);
  for (const each of silent) console.log(`  ${each}`);
  return asked > 0 && wrong === 0;
}
