// Holds the settings that say who may come in to what can work together; what contradicts itself is named, all at once, without
// repeating what could be a secret.

import { expect, test } from 'vitest';
import { algorithmsOf, isLoopbackHost } from '../../src/settings/access-settings.ts';
import { readSettings, type Settings, SettingsError } from '../../src/settings/settings.ts';

const PINNED = { jwtIssuer: 'https://issuer.example', jwtAudience: 'market-data' };
const REMOTE = { ...PINNED, jwksUrl: 'https://issuer.example/keys' };

function faultsOf(overrides: Partial<Settings>): readonly string[] {
  try {
    readSettings(overrides, {});
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

test.each<Partial<Settings>>([
  {},
  REMOTE,
  { ...PINNED, jwtKeyFile: 'issuer.pem' },
  { ...PINNED, jwtKeyFile: 'secret', jwtAlgorithms: 'HS256, HS512' },
  { ...REMOTE, jwtAlgorithms: 'EdDSA,PS384' },
  { ...PINNED, jwksUrl: 'http://localhost:8080/keys' },
  { ...PINNED, jwksUrl: 'http://[::1]:8080/keys' },
  { anonymous: 'off', publishToken: 't' },
  { anonymous: 'off', accessFile: 'access.json' },
  { ...REMOTE, anonymous: 'off' },
])('%j can work', (settings) => {
  expect(faultsOf(settings)).toEqual([]);
});

test.each<readonly [settings: Partial<Settings>, faults: readonly RegExp[]]>([
  [{ anonymous: 'yes' }, [/^anonymous \(TICKWIRE_ANONYMOUS\) is "yes", not one of auto, on, off$/]],
  [{ anonymous: 'off' }, [/is off, and nobody could say who he is: set accessFile \(TICKWIRE_ACCESS\)/]],
  [PINNED, [/^jwtIssuer \(TICKWIRE_JWT_ISSUER\) is set, but no key to verify with: set jwksUrl/]],
  [{ jwtAudience: 'a' }, [/^jwtAudience .* is set, but no key to verify with/]],
  [{ jwksUrl: REMOTE.jwksUrl }, [/^jwtIssuer .* is empty/, /^jwtAudience .* is empty/]],
  [
    { ...PINNED, jwtKeyFile: 'k', jwtIssuer: '' },
    [/^jwtIssuer .* is empty: with keys for JWTs it must say which are taken/],
  ],
  [{ ...REMOTE, jwtKeyFile: 'k' }, [/^jwksUrl .* and jwtKeyFile .* are both set: leave out one/]],
  [{ ...PINNED, jwksUrl: 'http://issuer.example/keys' }, [/^jwksUrl \(TICKWIRE_JWKS_URL\) is not https:/]],
  [{ ...PINNED, jwksUrl: 'file:///etc/keys' }, [/^jwksUrl .* is not https:/]],
  [{ ...PINNED, jwksUrl: 'https://me:secret@issuer.example/keys' }, [/^jwksUrl .* without a user$/]],
  [{ ...PINNED, jwksUrl: 'issuer.example' }, [/^jwksUrl .* is not https:/]],
  [{ ...REMOTE, jwtAlgorithms: 'none' }, [/^jwtAlgorithms .* is "none", not some of ES256/]],
  [{ ...REMOTE, jwtAlgorithms: 'ES256,es384' }, [/^jwtAlgorithms .* is "ES256,es384", not some of/]],
  [{ ...REMOTE, jwtAlgorithms: ' , ' }, [/^jwtAlgorithms .* not some of/]],
  [{ ...REMOTE, jwtAlgorithms: 'HS256' }, [/^jwtAlgorithms .* holds HS256, which needs a secret in jwtKeyFile/]],
  [{ jwtAlgorithms: 'HS256' }, [/needs a secret in jwtKeyFile/]],
  [
    { ...PINNED, jwtKeyFile: 'k', jwtAlgorithms: 'HS256,ES256' },
    [/with a secret and with public keys: choose one kind$/],
  ],
  [{ ...REMOTE, jwtAudience: 'x'.repeat(1_001) }, [/at most 1000 characters/]],
])('%j can not, and why is said', (settings, expected) => {
  const faults = faultsOf(settings);
  expect(faults).toHaveLength(expected.length);
  for (const [index, fault] of expected.entries()) expect(faults[index]).toMatch(fault);
  expect(faults.join()).not.toContain('secret@');
});

test('hosts that only this machine reaches', () => {
  for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '::1', '[::1]', 'LOCALHOST'])
    expect(isLoopbackHost(host)).toBe(true);
  for (const host of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    'localhost.example.com',
    '1127.0.0.1',
    '127.0.0.1.example.com',
    '',
  ]) {
    expect(isLoopbackHost(host)).toBe(false);
  }
});

test('a list of algorithms names each once', () => {
  expect(algorithmsOf(' ES256,RS256, ES256,,')).toEqual(['ES256', 'RS256']);
});
