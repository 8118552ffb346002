// Holds deploy/image to the repository: what it copies is there and reaches the build, what it starts is what the build makes, and who
// it runs as. `npm run deploy:rehearse` carries its steps out; no image is built here.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readConfiguration, readSettings, SETTINGS } from '../../src/settings/settings.ts';
import { commandOf, copyOf, lastOf, pairsOf, reaches, readDockerfile, type Stage } from './dockerfile.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const text = readFileSync(join(ROOT, 'deploy/image/Dockerfile'), 'utf8');
const ignoreFile = readFileSync(join(ROOT, 'deploy/image/Dockerfile.dockerignore'), 'utf8');
const stages = readDockerfile(text);
const image = stages.at(-1)!;
const { version, license, engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
  license: string;
  engines: { node: string };
};

/** What of a Dockerfile can't be true of this repository. */
function faultsOf(all: readonly Stage[], ignored = ignoreFile): string[] {
  const copies = all.flatMap(({ instructions }) => instructions.filter(({ name }) => name === 'COPY').map(copyOf));
  const local = copies.filter(({ from }) => from === null).flatMap(({ sources }) => sources);
  const last = all.at(-1)!;
  return [
    ...local.filter((path) => !existsSync(join(ROOT, path))).map((path) => `${path} is not there`),
    ...local.filter((path) => !reaches(ignored, path)).map((path) => `${path} does not reach the build`),
    ...copies
      .filter(({ from }) => from !== null && !all.some(({ name }) => name === from))
      .map(({ from }) => `there is no stage ${from}`),
    ...all
      .filter(({ name }) => name !== '' && !copies.some(({ from }) => from === name))
      .map(({ name }) => `the stage ${name} is for nothing`),
    ...all.filter(({ base }) => !/:\d+\.\d+\.\d+-[\w-]+$/.test(base)).map(({ base }) => `${base} has no exact tag`),
    ...(/^[1-9]\d*:[1-9]\d*$/.test(lastOf(last, 'USER') ?? '') ? [] : ['it runs as root, or as a name']),
  ];
}

test('what it copies is there and reaches the build, its stages are used, its bases are exact, and it is not root', () => {
  expect(faultsOf(stages)).toEqual([]);
});

describe('faults are found', () => {
  test.each<[string, string | RegExp, string, RegExp]>([
    ['a file that is not there', 'COPY proto proto', 'COPY prot proto', /prot is not there/],
    ['a file that is ignored', 'COPY proto proto', 'COPY docs docs', /docs does not reach/],
    ['a stage that is not there', '--from=build /build/dist', '--from=built /build/dist', /no stage built/],
    ['a stage for nothing', /--from=build/g, '--from=build2', /build is for nothing/],
    ['a tag that moves', /node:\S+/, 'node:lts-slim', /no exact tag/],
    ['root', 'USER 65532:65532', 'USER 0:0', /root/],
    ['nobody named', /^USER .*\n/m, '', /root/],
  ])('%s', (_, from, to, fault) => {
    const planted = text.replace(from, to);
    expect(planted).not.toBe(text);
    expect(faultsOf(readDockerfile(planted)).join()).toMatch(fault);
  });

  test('an instruction that is none', () => {
    expect(() => readDockerfile(`${text}\nENTRY x`)).toThrow(/not understood: ENTRY/);
  });
});

test('secrets, modules of other machines and the history do not reach the build', () => {
  const kept = ['.git', 'node_modules', 'dist', '.cache', '.env', 'deploy/compose/secrets/admin-token', 'test/deploy'];
  expect(kept.filter((path) => reaches(ignoreFile, path))).toEqual([]);
});

test('it starts the file that the build makes, by the command that there is', () => {
  const bin = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { bin: { tickwire: string } }).bin;
  expect(commandOf(lastOf(image, 'CMD')!)).toEqual(['node', bin.tickwire, 'serve']);
  const copies = image.instructions.filter(({ name }) => name === 'COPY').map(copyOf);
  expect(copies.map(({ target }) => target)).toContain(bin.tickwire.split('/')[0]);
});

test('its labels, its ports and its version of Node are those of the package', () => {
  expect(pairsOf(image, 'LABEL')).toMatchObject({
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.licenses': license,
  });
  const { port, adminPort } = SETTINGS;
  expect(lastOf(image, 'EXPOSE')).toBe(`${port.default} ${adminPort.default}`);
  const [, major, minor] = /node:(\d+)\.(\d+)/.exec(image.base)!;
  const least = new RegExp(`\\^${major}\\.(\\d+)\\.`).exec(engines.node)![1];
  expect(Number(minor)).toBeGreaterThanOrEqual(Number(least));
  expect(new Set(stages.map(({ base }) => base)).size).toBe(1);
});

test('its variables exist, and a gateway starts with them alone', () => {
  const { NODE_ENV, ...told } = pairsOf(image, 'ENV');
  expect(NODE_ENV).toBe('production');
  const known = Object.values(SETTINGS).map(({ env }) => env as string);
  expect(Object.keys(told).filter((name) => !known.includes(name))).toEqual([]);
  expect(readConfiguration({ environment: told }).settings.host).toBe('0.0.0.0');
});

test('its health check passes while a gateway runs, and fails when it does not', async () => {
  const [program, ...args] = commandOf(lastOf(image, 'HEALTHCHECK')!);
  expect(program).toBe('node');
  const gateway = new Gateway(readSettings({ port: 0, adminPort: 0 }, {}), pino({ level: 'silent' }));
  gateway.start();
  onTestFinished(() => gateway.stop());
  const env = { ...process.env, TICKWIRE_ADMIN_PORT: new URL(gateway.adminUrl).port };
  const check = () => promisify(execFile)(process.execPath, args, { env });
  await check();
  gateway.stop();
  await expect(check()).rejects.toMatchObject({ code: 1 });
});
