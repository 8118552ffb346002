// Holds the reading of settings files: what YAML and JSON say, every fault with its line, and files that are meant to do harm.

import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readConfiguration, type Settings, SettingsError } from '../../src/settings/settings.ts';
import { fileWith } from './folder.ts';

function read(content: string, name?: string): Settings {
  return readConfiguration({ environment: {}, file: fileWith(content, name) }).settings;
}

/** The faults of a file, which they call FILE. */
function faultsOf(content: string | Uint8Array, environment: Record<string, string> = {}): readonly string[] {
  return faultsOfPath(fileWith(content), environment);
}

function faultsOfPath(file: string, environment: Record<string, string> = {}): readonly string[] {
  try {
    readConfiguration({ environment, file });
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.faults.map((each) => each.replaceAll(file, 'FILE'));
    throw error;
  }
}

describe('a settings file', () => {
  test('is YAML 1.2', () => {
    const settings = read('# mine\nport: 9101\nanonymous: on # no boolean\nhost: "::"\n\nconnectionsMax: 50000\n');
    expect(settings).toMatchObject({ port: 9_101, anonymous: 'on', host: '::', connectionsMax: 50_000 });
  });
  test('is JSON as well, also with the schema that it names', () => {
    const text = JSON.stringify({ $schema: 'settings.schema.json', port: 9101, origins: ['https://a.example'] });
    expect(read(text, 'gateway.json')).toMatchObject({ port: 9_101, origins: 'https://a.example' });
  });
  test('has lists as lists or as text', () => {
    const key = `${'k'.repeat(43)}`;
    const text = `origins: [https://a.example, https://b.example]\ntrustedProxies: 10.0.0.0/8, ::1\njwtAlgorithms:\n- ES256\n- EdDSA\nresumeKeys:\n- a:${key}\n- b:${key}\n`;
    expect(read(text)).toMatchObject({
      origins: 'https://a.example,https://b.example',
      trustedProxies: '10.0.0.0/8, ::1',
      jwtAlgorithms: 'ES256,EdDSA',
      resumeKeys: `a:${key},b:${key}`,
    });
  });
  test.each(['', '\n', '# nothing\n', '---\n', '{}', '\ufeff', 'null'])('may say nothing: %j', (text) => {
    expect(read(text)).toEqual(readConfiguration({ environment: {} }).settings);
  });
  test('may be a link, as Kubernetes mounts them', () => {
    const path = fileWith('port: 9101');
    symlinkSync(path, `${path}.link`);
    expect(readConfiguration({ environment: {}, file: `${path}.link` }).settings.port).toBe(9_101);
  });
});

describe('a fault in a settings file', () => {
  test.each([
    ['conectionsMax: 5', 'FILE:1: "conectionsMax" is no setting; is connectionsMax meant?'],
    ['connections_max: 5', 'FILE:1: "connections_max" is no setting; is connectionsMax meant?'],
    ['TICKWIRE_PORT: 5', 'FILE:1: "TICKWIRE_PORT" is no setting; is port meant?'],
    ['colour: red', 'FILE:1: "colour" is no setting; tickwire config print names all'],
    ['__proto__: 1', 'FILE:1: "__proto__" is no setting; tickwire config print names all'],
    ['constructor: 1', 'FILE:1: "constructor" is no setting; tickwire config print names all'],
    ['port: 1\n\nport: 2', 'port (FILE:3) is there already, in line 1'],
    ['port: "9001"', 'port (FILE:1) is "9001", not a whole number'],
    ['port: 90.5', 'port (FILE:1) is 90.5, not an integer from 0 to 65535'],
    ['port: 65536', 'port (FILE:1) is 65536, not an integer from 0 to 65535'],
    ['port: .nan', 'port (FILE:1) is NaN, not an integer from 0 to 65535'],
    ['port: true', 'port (FILE:1) is true, not a whole number'],
    ['port:', 'port (FILE:1) is empty: leave it out'],
    ['port: [1]', 'port (FILE:1) is a list, not a whole number'],
    ['port: {a: 1}', 'port (FILE:1) is a mapping, not a whole number'],
    ['host: 127', 'host (FILE:1) is a number, not text: put it in quotes'],
    ['host: true', 'host (FILE:1) is a boolean, not text: put it in quotes'],
    ['host:', "host (FILE:1) is empty: leave it out, or write ''"],
    ['host: ""', 'host (FILE:1) is empty'],
    ['host: [a]', 'host (FILE:1) is a list, not text'],
    ['origins:\n- https://a.example\n- 5', 'origins (FILE:1) has an entry 2 that is not text'],
    ['origins: ["https://a.example,https://b.example"]', 'origins (FILE:1) has an entry 1 with a comma: write two'],
    ['\n\nlogLevel: loud', 'logLevel (FILE:3) is "loud", not one of fatal, error, warn, info, debug, trace, silent'],
    ['tlsCert: &a x\ntlsKey: *a', 'tlsKey (FILE:2) is an alias: write the value itself'],
    ['<<: {port: 1}', 'FILE:1: "<<" is no setting; tickwire config print names all'],
    ['1: 2', "FILE:1: a key is not a setting's name"],
    ['? [a]\n: 1', "FILE:1: a key is not a setting's name"],
    ['- port', 'FILE is not a mapping such as "port: 9001"'],
    ['port', 'FILE is not a mapping such as "port: 9001"'],
    ['port: 1\n---\nport: 2', 'FILE:2: a second document begins'],
  ])('%j is told with its line', (text, fault) => {
    expect(faultsOf(text)[0]).toBe(fault);
  });
  test('is told together with all others, of the environment too, each with its place', () => {
    const text = 'port: 70000\nstaleAfterMs: 1\nconectionsMax: 5\n';
    expect(faultsOf(text, { TICKWIRE_PORT: 'x', TICKWIRE_DRAIN_MS: '-1' })).toEqual([
      'FILE:3: "conectionsMax" is no setting; is connectionsMax meant?',
      'TICKWIRE_PORT is "x", not a whole number',
      'port (FILE:1) is 70000, not an integer from 0 to 65535',
      'drainMs (TICKWIRE_DRAIN_MS) is -1, not an integer from 0 to 3600000',
      'staleAfterMs (FILE:2) is 1, not an integer from 1000 to 86400000',
    ]);
  });
  test('that only shows in the whole is told with its line, and another setting with its variable', () => {
    expect(faultsOf('adminHost: 0.0.0.0')).toEqual([
      expect.stringMatching(/^adminHost \(FILE:1\) is "0.0.0.0".* set adminToken \(TICKWIRE_ADMIN_TOKEN\)/),
    ]);
    expect(faultsOf('a: [\nport: 1')[0]).toMatch(/^FILE:2: /);
  });
  test.each([
    'publishToken: "grüße-s3cret"',
    'adminToken: s3cret',
    'adminToken: 53cret s3cret: x: y',
    'redisUrl: http://:s3cret@host',
    'resumeKeys: a:s3cret',
    'jwksUrl: http://s3cret@host',
    'publishToken: "s3cret\nport: 1',
    'publishToken: `s3cret`',
    'publishToken: %s3cret',
    'publishToken: {s3cret}\nadminToken: [s3cret',
    'publishToken: !s3cret x',
    'publishToken: *s3cret',
    'publishToken: |s3cret\n  x',
    'publishToken: a\n s3cret\ns3cret',
    'publishToken: "a" s3cret',
  ])('never repeats a secret: %j', (text) => {
    const faults = faultsOf(text);
    expect(faults.length).toBeGreaterThan(0);
    expect(faults.join('\n')).not.toContain('s3cret');
  });
});

describe('a file that is no settings file', () => {
  test('is told as what it is', () => {
    const folder = dirname(fileWith(''));
    mkdirSync(join(folder, 'd'));
    expect(faultsOfPath(join(folder, 'absent'))).toEqual(["FILE: it can't be read: ENOENT"]);
    expect(faultsOfPath(join(folder, 'd'))).toEqual(['FILE: it is not a file']);
    expect(faultsOfPath('/dev/zero')).toEqual(['FILE: it is not a file']);
    expect(faultsOf(new Uint8Array([0xff, 0xfe, 0x00]))).toEqual(['FILE: it is not UTF-8']);
    expect(faultsOf(`#${' '.repeat(1_048_576)}`)).toEqual(['FILE: it has 1048577 bytes, at most 1048576']);
  });

  const NESTED = 'FILE: it is nested too deep';
  const MANY = 'FILE: it is made of more than 50000 words and signs';
  const lines = (count: number, line: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join('\n');
  test.each([
    ['brackets', '['.repeat(1_000_000), NESTED],
    ['braces', '{a: '.repeat(250_000), NESTED],
    ['lists in lists', '- '.repeat(500_000), NESTED],
    ['keys that are keys', '? '.repeat(500_000), NESTED],
    ['mappings in mappings', lines(1_000, (i) => `${' '.repeat(i)}a:`), NESTED],
    ['commas', `[${','.repeat(1_000_000)}]`, MANY],
    ['keys', lines(90_000, (i) => `k${i}: 1`), MANY],
    ['documents', '---\n'.repeat(200_000), MANY],
    ['directives', '%A\n'.repeat(300_000), MANY],
    ['anchors', '&a '.repeat(300_000), MANY],
    [
      'aliases of aliases',
      `a0: &a0 [x]\n${lines(30, (i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}, *a${i}]`)}`,
      'FILE:1: "a0" is no setting; tickwire config print names all',
    ],
  ])('is read no further than need be: %s', (_, text, fault) => {
    expect(faultsOf(text)[0]).toBe(fault);
  });
  test('with very many faults is told of the first fifty, and how many more', () => {
    const faults = faultsOf(lines(5_000, (i) => `k${i}: 1`));
    expect(faults).toHaveLength(51);
    expect(faults.at(-1)).toBe('FILE: and 4950 more');
    expect(faults.join('\n').length).toBeLessThan(10_000);
  });
  test('with a very long name is told so in short', () => {
    for (const fault of faultsOf(`${'k'.repeat(1_000)}: 1\n${'k'.repeat(1_000)}: 1`))
      expect(fault.length).toBeLessThan(200);
  });
});
