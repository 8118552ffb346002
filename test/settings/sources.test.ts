// Holds where settings come from: flags before the environment before the file before the defaults, files of secrets, and variables
// that are nearly known.

import { describe, expect, test } from 'vitest';
import { nearest } from '../../src/settings/nearest.ts';
import { readConfiguration, SETTINGS, SettingsError, type Sources } from '../../src/settings/settings.ts';
import { fileWith } from './folder.ts';

const SECRETS = ['adminToken', 'jwksUrl', 'publishToken', 'redisUrl', 'resumeKeys'];

function faultsOf(sources: Sources): readonly string[] {
  try {
    readConfiguration(sources);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
}

describe('a setting', () => {
  test('is that of the flag, else of the environment, else of the file, else the default', () => {
    const file = fileWith('port: 1\nadminPort: 2\nconnectionsMax: 3\n');
    const environment = { TICKWIRE_PORT: '11', TICKWIRE_ADMIN_PORT: '12' };
    const { settings, origins } = readConfiguration({ flags: { port: 21 }, environment, file });
    expect(settings).toMatchObject({ port: 21, adminPort: 12, connectionsMax: 3, drainMs: 10_000 });
    expect(origins).toMatchObject({
      port: { from: 'flag', place: '--port' },
      adminPort: { from: 'variable', place: 'TICKWIRE_ADMIN_PORT' },
      connectionsMax: { from: 'file', place: `${file}:3` },
      drainMs: { from: 'default' },
    });
  });
  test('that is empty in the environment is empty where it is text, and not given where it is a number', () => {
    const file = fileWith('port: 1\naccessFile: keys.json\n');
    const environment = { TICKWIRE_PORT: '', TICKWIRE_ACCESS: '', TICKWIRE_CONFIG: file };
    expect(readConfiguration({ environment }).settings).toMatchObject({ port: 1, accessFile: '' });
  });
});

describe('the settings file', () => {
  test('is the one of the flag, else that of TICKWIRE_CONFIG, else none', () => {
    const [one, other] = [fileWith('port: 1'), fileWith('port: 2')];
    const environment = { TICKWIRE_CONFIG: one };
    expect(readConfiguration({ environment, file: other }).settings.port).toBe(2);
    expect(readConfiguration({ environment }).settings.port).toBe(1);
    expect(readConfiguration({ environment: { TICKWIRE_CONFIG: '' } }).settings.port).toBe(9_001);
  });
});

describe('a secret', () => {
  test('is marked as one', () => {
    expect(
      Object.entries(SETTINGS)
        .flatMap(([name, each]) => ('secret' in each ? [name] : []))
        .sort(),
    ).toEqual(SECRETS);
  });
  test('may stand in a file of its own, with a line break at its end', () => {
    const environment = {
      TICKWIRE_ADMIN_TOKEN_FILE: fileWith('an-admin-token-of-some\n'),
      REDIS_URL_FILE: fileWith('  redis://:secret@host:6379\r\n'),
      TICKWIRE_CONFIG: fileWith('adminToken: one-that-is-not-taken'),
    };
    const { settings, origins } = readConfiguration({ environment });
    expect(settings).toMatchObject({ adminToken: 'an-admin-token-of-some', redisUrl: 'redis://:secret@host:6379' });
    expect(origins.adminToken).toEqual({ from: 'variable', place: 'TICKWIRE_ADMIN_TOKEN_FILE' });
  });
  test('is a fault in two places, in an empty file, in none, in one that is too long', () => {
    const name = 'TICKWIRE_PUBLISH_TOKEN';
    const faultOf = (path: string, more = {}) => faultsOf({ environment: { [`${name}_FILE`]: path, ...more } })[0];
    expect(faultOf(fileWith('a'), { [name]: 'b' })).toBe(`${name} and ${name}_FILE are both set: leave out one`);
    expect(faultOf(fileWith(' \n'))).toMatch(/^TICKWIRE_PUBLISH_TOKEN_FILE: .* is empty$/);
    expect(faultOf('/nowhere/at/all')).toBe(`${name}_FILE: /nowhere/at/all can't be read: ENOENT`);
    expect(faultOf('/dev/zero')).toBe(`${name}_FILE: /dev/zero is not a file`);
    expect(faultOf(fileWith('x'.repeat(65_537)))).toMatch(/has more than 65536 bytes$/);
    expect(faultOf(fileWith('a'), { [name]: '' })).toBeUndefined();
  });
  test('that is wrong in its file is told by the variable, and not repeated', () => {
    const faults = faultsOf({ environment: { TICKWIRE_ADMIN_TOKEN_FILE: fileWith('short') } });
    expect(faults).toEqual([expect.stringMatching(/^adminToken \(TICKWIRE_ADMIN_TOKEN_FILE\) is shorter than 16/)]);
  });
  test('has no such variable where it is none', () => {
    expect(readConfiguration({ environment: { TICKWIRE_PORT_FILE: '/nowhere' } }).settings.port).toBe(9_001);
  });
});

describe('a variable that is no setting', () => {
  const warningsOf = (environment: Record<string, string>) => readConfiguration({ environment }).warnings;
  test('is told of where it is nearly one', () => {
    expect(warningsOf({ TICKWIRE_PROT: '1', TICKWIRE_CONECTIONS_MAX: '5', TICKWIRE_REDIS_URL: '' })).toEqual([
      'TICKWIRE_PROT is no setting; is TICKWIRE_PORT meant?',
      'TICKWIRE_CONECTIONS_MAX is no setting; is TICKWIRE_CONNECTIONS_MAX meant?',
      'TICKWIRE_REDIS_URL is no setting; is REDIS_URL meant?',
    ]);
  });
  test('is none of our business where it is far from all, or known for something else', () => {
    const environment = {
      TICKWIRE_NOTHING: 'x',
      TICKWIRE_URL: 'u',
      TICKWIRE_CREDENTIAL: 'c',
      PROT: '1',
      TICKWIRE_PORT: '1',
    };
    expect(warningsOf(environment)).toEqual([]);
  });
});

describe('the nearest name', () => {
  const known = ['port', 'host', 'connectionsMax', 'connectsPerSecMax'];
  test.each([
    ['prot', 'port'],
    ['PORT', 'port'],
    ['hots', 'host'],
    ['connection-max', 'connectionsMax'],
    ['conectsPerSecMx', 'connectsPerSecMax'],
    ['xyzw', null],
    ['', null],
    ['maximumOfConnections', null],
  ])('of %j is %j', (name, meant) => {
    expect(nearest(name, known)).toBe(meant);
  });
});
