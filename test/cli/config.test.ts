// Holds `tickwire config`: what it prints of settings and where they are from, what it says of files that can not work, its schema.

import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { settingsSchema } from '../../src/settings/schema.ts';
import { readConfiguration, SETTINGS } from '../../src/settings/settings.ts';
import { fileWith } from '../settings/folder.ts';
import { run } from './command.ts';

const NAMES = Object.keys(SETTINGS);

describe('tickwire config print', () => {
  test('prints every setting as YAML, with where it is from', async () => {
    const file = fileWith('port: 9101\nhost: "::"\n');
    const { code, stdout } = await run(['config', 'print', '--config', file], { TICKWIRE_DRAIN_MS: '5' });
    expect(code).toBe(0);
    expect(Object.keys(parse(stdout))).toEqual(NAMES);
    expect(parse(stdout)).toMatchObject({ port: 9_101, host: '::', drainMs: 5, adminPort: 9_002 });
    expect(stdout).toContain(`port: 9101  # ${file}:1; default 9001\n`);
    expect(stdout).toContain('drainMs: 5  # TICKWIRE_DRAIN_MS; default 10000\n');
    expect(stdout).toContain('adminPort: 9002  # default\n');
  });
  test('prints what it read so that it can be read again', async () => {
    const written = 'host: "a\\"b # c"\norigins: [https://a.example]\nlogLevel: silent\n';
    const { stdout } = await run(['config', 'print', '--config', fileWith(written)]);
    const again = readConfiguration({ environment: {}, file: fileWith(stdout) }).settings;
    expect(again).toMatchObject({ host: 'a"b # c', origins: 'https://a.example', logLevel: 'silent' });
  });
  test('prints only what differs from the defaults where that is asked for, and no secret', async () => {
    const token = 'a-token-that-nobody-reads';
    const environment = { TICKWIRE_PUBLISH_TOKEN: token, REDIS_URL: `redis://:${token}@host` };
    const { stdout } = await run(['config', 'print', '--changed'], environment);
    expect(parse(stdout)).toEqual({ logLevel: 'silent', publishToken: '***', redisUrl: '***' });
    const json = await run(['config', 'print', '--changed', '--json'], environment);
    expect(JSON.parse(json.stdout).publishToken).toEqual({
      ...{ value: '***', default: '', from: 'variable', place: 'TICKWIRE_PUBLISH_TOKEN', live: true, secret: true },
    });
    expect(stdout + json.stdout).not.toContain(token);
  });
  test('prints the defaults as a file to begin with, whatever holds here', async () => {
    const { stdout } = await run(['config', 'print', '--defaults'], { TICKWIRE_PORT: '1' });
    const { settings } = readConfiguration({ environment: {}, file: fileWith(stdout) });
    expect(settings).toEqual(readConfiguration({ environment: {} }).settings);
    for (const { about } of Object.values(SETTINGS)) expect(stdout).toContain(`\n# ${about}\n`);
  });
});

describe('tickwire config check', () => {
  test('says in a sentence that all can work, and warns of what is hardly meant', async () => {
    const file = fileWith('port: 9101\ndrainMs: 1\n');
    const environment = { TICKWIRE_DRAIN_MS: '5', TICKWIRE_PROT: '1', REDIS_URL: '' };
    expect(await run(['config', 'check', file], environment)).toEqual({
      code: 0,
      stdout: 'The settings can work: 1 from the file, 3 from the environment, the rest as usual.\n',
      stderr: 'tickwire: TICKWIRE_PROT is no setting; is TICKWIRE_PORT meant?\n',
    });
  });
  test('names all that can not, with lines, and ends with 2', async () => {
    const file = fileWith('port: x\nprot: 1\nlogLevel: loud\n');
    const { code, stdout, stderr } = await run(['config', 'check'], {
      TICKWIRE_CONFIG: file,
      TICKWIRE_DRAIN_MS: 'y',
      TICKWIRE_LOG_LEVEL: 'info',
    });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr.split('\n')).toEqual([
      "tickwire: the settings can't work:",
      `  - port (${file}:1) is "x", not a whole number`,
      `  - ${file}:2: "prot" is no setting; is port meant?`,
      `  - logLevel (${file}:3) is "loud", not one of fatal, error, warn, info, debug, trace, silent`,
      '  - TICKWIRE_DRAIN_MS is "y", not a whole number',
      '',
    ]);
  });
  test('is what a command that starts a gateway says of the same file', async () => {
    const file = fileWith('port: x\n');
    const checked = await run(['config', 'check', file]);
    expect(await run(['serve', '--config', file])).toEqual(checked);
  });
});

test('tickwire config schema prints the schema of the file', async () => {
  const { code, stdout } = await run(['config', 'schema']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual(settingsSchema());
});
