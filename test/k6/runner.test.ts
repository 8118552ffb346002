// Holds what is around the load tests: their list and files, their parameters, the search for k6, and what the command says to a mistake.

import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { readParameters } from '../../k6/lib/parameters.ts';
import { findK6, NO_K6 } from '../../scripts/k6-binary.ts';
import { SCENARIOS } from '../../scripts/k6-scenarios.ts';
import { SHORT } from './runs.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const DEFAULTS = { users: 10, durationMs: 10_000, p99Ms: 250 };
const folder = mkdtempSync(join(tmpdir(), 'tickwire-k6-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the load tests', () => {
  test('are the files of k6/, and each can be planted', () => {
    const files = readdirSync(join(ROOT, 'k6')).filter((name) => name.endsWith('.ts'));
    expect(files.sort()).toEqual(
      Object.keys(SCENARIOS)
        .map((name) => `${name}.ts`)
        .sort(),
    );
    expect(Object.keys(SHORT)).toEqual(Object.keys(SCENARIOS));
  });

  test('and their parameters and metrics are all in their README', () => {
    const readme = readFileSync(join(ROOT, 'k6/README.md'), 'utf8');
    for (const name of Object.keys(SCENARIOS)) expect(readme).toContain(`| \`${name}\` |`);
    const reader = readFileSync(join(ROOT, 'k6/lib/parameters.ts'), 'utf8');
    const read = [...reader.matchAll(/environment\.([A-Z_0-9]+)|number\('([A-Z_0-9]+)'/g)].map(([, a, b]) => a ?? b!);
    expect([...readme.matchAll(/^\| `([A-Z_0-9]+)` \|/gm)].map(([, name]) => name).sort()).toEqual(
      [...new Set(read)].sort(),
    );
    const metrics = readFileSync(join(ROOT, 'k6/lib/metrics.ts'), 'utf8').matchAll(/new \w+\('(tickwire_\w+)'/g);
    const documented = [...readme.matchAll(/^\| `(tickwire_\w+)` \|/gm)].map(([, name]) => name);
    expect(documented.sort()).toEqual([...metrics].map(([, name]) => name).sort());
  });
});

describe('the parameters', () => {
  test('have defaults, and take the address of any endpoint', () => {
    const { streamUrl, httpUrl, users, codecOf } = readParameters(
      { URL: 'wss://md.example.com/a/v1/stream' },
      DEFAULTS,
    );
    expect({ streamUrl, httpUrl, users }).toEqual({
      streamUrl: 'wss://md.example.com/a/v1/stream',
      httpUrl: 'https://md.example.com/a',
      users: 10,
    });
    expect(codecOf(1)).toBe('msgpack');
    const given = readParameters({ CODEC: 'both', VUS: '3', DURATION: '1m30s', CHECKSUM_SHARE: '0.5' }, DEFAULTS);
    expect([given.codecOf(0), given.codecOf(1), given.users, given.durationMs, given.checksumShare]).toEqual([
      'msgpack',
      'json',
      3,
      90_000,
      0.5,
    ]);
  });

  test('are refused all together, each with what to give instead', () => {
    const wrong = {
      URL: 'example.com',
      CODEC: 'xml',
      VUS: '0',
      DURATION: 'long',
      P99_MS: '-1',
      ADMIN_URL: 'x',
      ROUNDS: '1e3',
    };
    const read = () => readParameters(wrong, DEFAULTS);
    for (const name of Object.keys(wrong)) expect(read).toThrow(new RegExp(`- ${name} is ".*": give `));
  });
});

describe('the search for k6', () => {
  const told = () => undefined;
  const tool = (path: string, script: string): string => {
    mkdirSync(resolve(path, '..'), { recursive: true });
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  };

  test('says what to install where there is neither k6 nor Go', async () => {
    await expect(findK6({ path: folder, cache: join(folder, 'none'), told })).rejects.toThrow(NO_K6);
  });

  test('refuses what was named and is no k6', async () => {
    const search = { named: join(folder, 'nothing'), path: '', cache: join(folder, 'named'), told };
    await expect(findK6(search)).rejects.toThrow(/^TICKWIRE_K6 is .*nothing, which is no k6 .*: name another\.$/);
  });

  test('passes over a k6 that is too old, and one without k6/websockets', async () => {
    const old = join(folder, 'old');
    const bare = join(folder, 'bare');
    const good = join(folder, 'good');
    tool(join(old, 'k6'), 'echo k6 v0.57.0');
    tool(join(bare, 'k6'), '[ "$1" = version ] && echo k6 v1.0.0');
    tool(join(good, 'k6'), 'echo k6 v1.0.0');
    const found = await findK6({ path: [old, bare, good].join(':'), cache: join(folder, 'search'), told });
    expect(found).toBe(join(good, 'k6'));
  });

  test('builds it once, however many ask at the same time', async () => {
    const log = join(folder, 'built');
    const cache = join(folder, 'cache');
    // What Go does with a module is its own matter: this one writes a file where it is told to.
    tool(
      join(folder, 'go/go'),
      `if [ "$1" = mod ]; then echo '{"Dir":"${folder}"}'; else echo built >> ${log}; printf '#!/bin/sh\\necho k6 v2.2.0\\n' > "$6"; chmod +x "$6"; fi`,
    );
    const search = { path: `${join(folder, 'go')}:/usr/bin:/bin`, cache, told };
    expect(await Promise.all([findK6(search), findK6(search)])).toEqual([join(cache, 'k6'), join(cache, 'k6')]);
    expect(readFileSync(log, 'utf8')).toBe('built\n');
    expect(readdirSync(cache)).toEqual(['k6']);
  });
});

describe('the command', () => {
  const command = (...args: readonly string[]) =>
    promisify(execFile)(process.execPath, ['--import', 'tsx', join(ROOT, 'scripts/k6.ts'), ...args], { cwd: ROOT });

  test('lists the load tests', async () => {
    const { stdout } = await command();
    for (const name of Object.keys(SCENARIOS)) expect(stdout).toContain(`  ${name} `);
  });

  test('says which there are where there is no such one', async () => {
    const names = Object.keys(SCENARIOS).join(', ');
    await expect(command('smok')).rejects.toMatchObject({
      code: 2,
      stderr: `k6: there is no scenario smok: give one of ${names}\n`,
    });
  });
});
