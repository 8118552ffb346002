// Holds deploy/compose to the compose specification and to rules of our own, and its files to those that it names: the gateways'
// settings, HAProxy's variables, what Prometheus and Grafana look for and where.

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readConfiguration, SETTINGS } from '../../src/settings/settings.ts';
import { type ComposeFile, type ComposeService, faultsIn, readCompose } from './compose-file.ts';

const DEPLOY = resolve(import.meta.dirname, '../../deploy');
const FOLDER = join(DEPLOY, 'compose');
/** What a client has to connect elsewhere before its old connection is closed: src/gateway/drain.ts. */
const MOVE_MS = 2_000;
const GATEWAYS = ['gateway-one', 'gateway-two'];

const text = readFileSync(join(FOLDER, 'compose.yaml'), 'utf8');
const compose = readCompose(text);
const service = (name: string): ComposeService => compose.services[name]!;
const seconds = (duration: string): number => Number(/^(\d+)s$/.exec(duration)![1]);
const addressOf = (name: string): string =>
  (service(name).networks as { inside: { ipv4_address: string } }).inside.ipv4_address;
const read = (path: string): unknown => parse(readFileSync(join(DEPLOY, path), 'utf8'));

/** With tokens as the command reads them, and what the image says. */
function settingsAt(path: string) {
  const tokens = { TICKWIRE_ADMIN_TOKEN: 'a'.repeat(64), TICKWIRE_PUBLISH_TOKEN: 'b'.repeat(64) };
  const image = { TICKWIRE_HOST: '0.0.0.0' };
  const { TICKWIRE_CONFIG: _, ...told } = service('gateway-one').environment!;
  return readConfiguration({ environment: { ...image, ...told, ...tokens }, file: join(FOLDER, path) });
}

test('the file is what the specification and our rules allow', () => {
  expect(faultsIn(compose)).toEqual([]);
});

describe('faults are found', () => {
  test.each<[string, (planted: ComposeFile) => void, RegExp]>([
    ['a misspelt key', ({ services }) => Object.assign(services.redis!, { readonly: true }), /additional/],
    ['a value of the wrong type', ({ services }) => Object.assign(services.redis!, { mem_limit: 5 }), /mem_limit/],
    ['a tag that moves', ({ services }) => Object.assign(services.redis!, { image: 'redis:latest' }), /no exact tag/],
    [
      'a root that can be written to',
      ({ services }) => Object.assign(services.redis!, { read_only: false }),
      /written/,
    ],
    ['capabilities', ({ services }) => Object.assign(services.redis!, { cap_drop: ['NET_RAW'] }), /capabilities/],
    ['a port for everybody', ({ services }) => Object.assign(services.redis!, { ports: ['6379:6379'] }), /ports/],
    ['a secret that is not there', ({ secrets }) => Reflect.deleteProperty(secrets, 'admin-token'), /no secret admin/],
    [
      'a service without a health check',
      ({ services }) => Reflect.deleteProperty(services.redis!, 'healthcheck'),
      /well/,
    ],
  ])('%s', (_, plant, fault) => {
    const planted = structuredClone(compose);
    plant(planted);
    expect(faultsIn(planted).join()).toMatch(fault);
  });
});

test('whatever it mounts, builds from or configures with is there, and secrets are kept out of the repository', () => {
  const files = Object.values(compose.services).flatMap(({ volumes = [], build }) => [
    ...volumes.filter(({ type }) => type === 'bind').map(({ source }) => source),
    ...(build === undefined ? [] : [build.context, join(build.context, build.dockerfile)]),
  ]);
  files.push(...Object.values(compose.configs).map(({ file }) => file));
  expect(files.length).toBeGreaterThan(8);
  expect(files.filter((file) => !existsSync(join(FOLDER, file)))).toEqual([]);
  for (const { file } of Object.values(compose.secrets)) expect(file).toMatch(/^\.\/secrets\//);
  expect(readFileSync(join(FOLDER, '.gitignore'), 'utf8')).toBe('secrets/\n');
  // Each is used by somebody.
  const used = JSON.stringify(compose.services);
  for (const name of [...Object.keys(compose.secrets), ...Object.keys(compose.configs)])
    expect(used).toContain(`"${name}"`);
});

test('the gateways get settings that their own reader takes, by variables that exist, and time and files enough', () => {
  const { settings, warnings } = settingsAt('settings.yaml');
  expect(warnings).toEqual([]);
  expect(settings).toMatchObject({ redisUrl: 'redis://redis:6379', adminHost: '0.0.0.0' });
  expect(() => settingsAt('compose.yaml')).toThrow(/can't work/);
  const known = ['TICKWIRE_CONFIG', ...Object.values(SETTINGS).map(({ env }) => env)];
  for (const name of GATEWAYS) {
    const { environment, configs, ulimits, stop_grace_period: grace, command } = service(name);
    expect(Object.keys(environment!).filter((each) => !known.includes(each))).toEqual([]);
    expect(configs).toEqual([{ source: 'settings', target: environment!.TICKWIRE_CONFIG }]);
    expect(ulimits!.nofile.soft).toBeGreaterThan(settings.connectionsMax * 2);
    expect(seconds(grace) * 1_000).toBeGreaterThan(settings.drainNoticeMs + settings.drainMs + MOVE_MS);
    for (const [, variable, secret] of command!.join().matchAll(/(\w+)=\$\$\(cat \/run\/secrets\/([\w-]+)\)/g)) {
      expect(known).toContain(variable);
      expect(service(name).secrets).toContain(secret);
    }
    expect(command!.join()).toMatch(/exec node dist\/cli\/main\.js serve/);
  }
});

test('HAProxy is told where the gateways are, by variables that it has, and they believe it', () => {
  const { settings } = settingsAt('settings.yaml');
  const { environment } = service('haproxy');
  const offered = [...readFileSync(join(DEPLOY, 'haproxy/haproxy.cfg'), 'utf8').matchAll(/presetenv ([A-Z_]+)/g)];
  expect(Object.keys(environment!).toSorted()).toEqual(
    [...offered.map(([, name]) => name!), 'UNPRIVILEGED'].toSorted(),
  );
  expect(environment).toMatchObject({
    GATEWAY_ONE: `${addressOf('gateway-one')}:${settings.port}`,
    GATEWAY_ONE_ADMIN_PORT: `${settings.adminPort}`,
    GATEWAY_TWO: `${addressOf('gateway-two')}:${settings.port}`,
    GATEWAY_TWO_ADMIN_PORT: `${settings.adminPort}`,
  });
  expect(settings.trustedProxies).toBe(addressOf('haproxy'));
  const prefix = compose.networks.inside!.ipam!.config[0]!.subnet.replace(/\.0\/24$/, '.');
  for (const name of [...GATEWAYS, 'haproxy']) expect(addressOf(name)).toContain(prefix);
});

test('Redis refuses at its limit instead of forgetting, and its limit is within that of its container', () => {
  const { command, mem_limit: limit } = service('redis');
  const option = (name: string): string => command![command!.indexOf(name) + 1]!;
  expect(option('--maxmemory-policy')).toBe('noeviction');
  expect(Number.parseInt(option('--maxmemory'), 10)).toBeLessThan(Number.parseInt(limit, 10));
});

test('Prometheus finds its rules, its token and the gateways, and Grafana its dashboards and Prometheus', () => {
  const { volumes, configs, secrets } = service('prometheus');
  const prometheus = read('prometheus/prometheus.yml') as {
    rule_files: string[];
    scrape_configs: { job_name: string; authorization?: { credentials_file: string } }[];
  };
  const targets = volumes!.map(({ target }) => target);
  for (const name of ['prometheus.yml', ...prometheus.rule_files]) expect(targets).toContain(`/etc/prometheus/${name}`);
  const { credentials_file: token } = prometheus.scrape_configs.find(({ job_name: job }) => job === 'tickwire')!
    .authorization!;
  expect(secrets).toEqual([{ source: 'admin-token', target: token }]);
  expect(configs).toEqual([{ source: 'targets', target: '/etc/prometheus/targets/gateways.yml' }]);
  const { adminPort } = settingsAt('settings.yaml').settings;
  expect(read('compose/targets.yml')).toEqual([{ targets: GATEWAYS.map((name) => `${name}:${adminPort}`) }]);
  const grafana = service('grafana').volumes!;
  const { providers } = read('grafana/provisioning/dashboards/tickwire.yml') as {
    providers: [{ options: { path: string } }];
  };
  expect(grafana.find(({ source }) => source === '../grafana/dashboards')!.target).toBe(providers[0].options.path);
  const { datasources } = read('grafana/provisioning/datasources/prometheus.yml') as { datasources: [{ url: string }] };
  expect(new URL(datasources[0].url).hostname in compose.services).toBe(true);
});
