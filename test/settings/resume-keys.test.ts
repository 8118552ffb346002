// Holds the setting of the keys that sign tokens: what it takes is what the keys are made of, and what is wrong is told by its place,
// without the secret.

import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { TokenKeys } from '../../src/sessions/token.ts';
import { readSettings, SettingsError } from '../../src/settings/settings.ts';

const key = (id: string, bytes = 32): string => `${id}:${randomBytes(bytes).toString('base64url')}`;

function faultsOf(resumeKeys: string): readonly string[] {
  try {
    readSettings({}, { TICKWIRE_RESUME_KEYS: resumeKeys });
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
}

test.each([key('a'), `${key('2026-11')},${key('2026_10', 64)},${key('k'.repeat(16), 192)}`])('takes %s', (text) => {
  expect(readSettings({}, { TICKWIRE_RESUME_KEYS: text }).resumeKeys).toBe(text);
  const [first] = text.split(':');
  expect(new TokenKeys(text).current.id).toBe(first);
});

test('takes none, and those that are made where none are given', () => {
  expect(faultsOf('')).toEqual([]);
  expect(faultsOf(TokenKeys.random())).toEqual([]);
});

test('says which key is wrong, and how to make one, but never the key', () => {
  const secret = randomBytes(31).toString('base64url');
  const [fault, ...others] = faultsOf(`${key('a')},b:${secret}`);
  expect(others).toEqual([]);
  expect(fault).toContain('resumeKeys (TICKWIRE_RESUME_KEYS): key 2 is not id:secret');
  expect(fault).toContain('openssl rand 32');
  expect(fault).not.toContain(secret);
});

test.each([`${key('a')},`, ` ${key('a')}`, key(''), key('k'.repeat(17)), key('a.b'), key('a', 193)])(
  'refuses what is none: %s',
  (text) => {
    expect(faultsOf(text)).toHaveLength(1);
    expect(() => new TokenKeys(text)).toThrow();
  },
);

test('refuses two keys of one name', () => {
  expect(faultsOf(`${key('a')},${key('a')}`)).toEqual(['resumeKeys (TICKWIRE_RESUME_KEYS): two keys have the id "a"']);
});
