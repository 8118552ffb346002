// Holds the access document to its schema: what is right is read whole, all that is wrong is named at once and with its path, and
// the example in the repository is one that works.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { momentOf, NO_DOCUMENT, parseDocument, readDocument } from '../../src/sessions/access-document.ts';
import { hashKey } from '../../src/sessions/api-keys.ts';
import { grantOf } from '../../src/sessions/grant.ts';

const sha256 = hashKey('any');
const everything = [{ channels: ['*'], symbols: ['*'] }];

function faultsOf(value: unknown): readonly string[] {
  const read = readDocument(value);
  return 'roles' in read ? [] : read;
}

test('a document is read whole', () => {
  const read = parseDocument(
    JSON.stringify({
      roles: { guest: { subscribe: everything }, desk: { publish: everything, defines: true } },
      anonymous: 'guest',
      keys: [
        { id: 'a-1', sha256, principal: 'desk a', role: 'desk', expires: '2027-01-01' },
        { id: 'a-2', sha256, principal: 'desk a', role: 'guest' },
      ],
    }),
  );
  if (!('roles' in read)) throw new Error(read.join('\n'));
  expect([...read.roles.keys()]).toEqual(['guest', 'desk']);
  expect(read.anonymous).toBe('guest');
  expect(read.keys.get('a-1')).toEqual({
    id: 'a-1',
    sha256,
    principal: 'desk a',
    role: 'desk',
    untilMs: Date.UTC(2027, 0, 1),
  });
  expect(read.keys.get('a-2')?.untilMs).toBeNull();
});

test('the smallest one has no roles', () => {
  expect(readDocument({ roles: {} })).toEqual({ ...NO_DOCUMENT });
});

test('all that is wrong is named at once, each with its path, and nothing of a hash', () => {
  const rule = { channels: ['book'], symbols: ['A'] };
  const faults = faultsOf({
    rolls: {},
    roles: {
      'no name': {},
      a: {
        subscribe: [
          { channels: ['boook'], symbols: [] },
          { ...rule, depth: 7, intervalMs: -1, fast: true },
        ],
      },
      b: {
        subscribe: [
          { ...rule, symbols: ['A/B', '@majors', 'BTC-*'] },
          { ...rule, raw: true, depth: 5 },
        ],
        bytesPerSec: 0.5,
      },
      c: { publish: [{ ...rule, depth: 5 }, 7], defines: 'yes', connections: -1 },
      d: 5,
    },
    anonymous: 'nobody',
    keys: [
      { id: 'x_y', sha256: 'F'.repeat(64), principal: '', role: 7 },
      { id: 'k', sha256, principal: 'p', role: 'z', expires: '2027-02-30' },
      { id: 'k', sha256, principal: 'local', role: 'd', expires: 'soon' },
      'key',
    ],
  });
  expect(faults).toEqual([
    'rolls: is not known here',
    'roles: the name "no name" is not 1 to 64 of A-Za-z0-9._-',
    'roles.a.subscribe.0.channels.0: must be equal to one of the allowed values: *, book, quote, trade, status',
    'roles.a.subscribe.0.symbols: must not have fewer than 1 items',
    'roles.a.subscribe.1.fast: is not known here',
    'roles.a.subscribe.1.depth: must be equal to one of the allowed values: 0, 1, 5, 10, 20, 50',
    'roles.a.subscribe.1.intervalMs: must be >= 0',
    'roles.b.bytesPerSec: must be integer',
    'roles.b.subscribe.0.symbols.0: must be a symbol or a wildcard such as *-USD; sets are not taken here',
    'roles.b.subscribe.0.symbols.1: must be a symbol or a wildcard such as *-USD; sets are not taken here',
    'roles.b.subscribe.1: raw is every update of the full book: leave out depth and intervalMs, or raw',
    'roles.c.defines: must be boolean',
    'roles.c.connections: must be >= 0',
    'roles.c.publish.0.depth: is not known here',
    'roles.c.publish.1: must be object',
    'roles.d: must be object',
    'anonymous: there is no role "nobody" among the roles',
    expect.stringMatching(/^keys\.0\.id: must match pattern/),
    expect.stringMatching(/^keys\.0\.sha256: must match pattern/),
    expect.stringMatching(/^keys\.0\.principal: must match pattern/),
    'keys.0.role: must be string',
    'keys.1.role: there is no role "z" among the roles',
    'keys.1.expires: must be a date such as 2027-01-01 or 2027-01-01T12:00:00Z',
    'keys.2.principal: the name local is taken',
    'keys.2.id: there is another key k',
    'keys.2.expires: must be a date such as 2027-01-01 or 2027-01-01T12:00:00Z',
    'keys.3: must be object',
  ]);
  expect(faults.join()).not.toContain(sha256);
});

test.each<readonly [value: unknown, fault: RegExp]>([
  [7, /^the document: must be object$/],
  [null, /^the document: must be object$/],
  [[], /^the document: must be object$/],
  [{}, /^the document: must have required properties roles$/],
  [{ roles: [] }, /^roles: must be object$/],
  [{ roles: null }, /^roles: must be object$/],
  [{ roles: {}, keys: {} }, /^keys: must be array$/],
  [{ roles: { a: { subscribe: {} } } }, /^roles\.a\.subscribe: must be array$/],
  [{ roles: { a: null } }, /^roles\.a: must be object$/],
  [JSON.parse('{"roles": {"__proto__": {"subscribe": 7}}}'), /^roles\.__proto__\.subscribe: must be array$/],
])('%j is refused with its reason', (value, fault) => {
  const faults = faultsOf(value);
  expect(faults.join('\n')).toMatch(fault);
});

test('a role has so many wildcards, and so many rules, that a symbol is looked up in a moment', () => {
  const many = { channels: ['book'], symbols: Array(257).fill('A*') };
  expect(faultsOf({ roles: { a: { subscribe: [many] } } })).toEqual(['roles.a.subscribe: 257 wildcards, at most 256']);
  expect(faultsOf({ roles: { a: { publish: Array(257).fill(everything[0]) } } }).join()).toMatch(
    /^roles\.a\.publish: must not have more than 256 items/,
  );
});

test('of very many faults the first hundred are named and the others counted', () => {
  const faults = faultsOf({ roles: {}, keys: Array(500).fill(7) });
  expect(faults).toHaveLength(101);
  expect(faults.at(-1)).toBe('and 400 more');
});

test('what is not JSON is said with the line, and nothing of it is repeated', () => {
  expect(parseDocument('{\n "roles": {},\n "keys": [] secret')).toEqual(['it is not JSON: it breaks off in line 3']);
  expect(parseDocument('{"roles"')).toEqual([expect.stringMatching(/^it is not JSON: /)]);
  expect(parseDocument('')).toEqual(['it is not JSON: it ends too early']);
  expect(parseDocument('{"roles": }')).toEqual(['it is not JSON: there is a "}" that can\'t be']);
});

test.each([
  ['2027-01-01', Date.UTC(2027, 0, 1)],
  ['2028-02-29', Date.UTC(2028, 1, 29)],
  ['2027-01-01T12:30Z', Date.UTC(2027, 0, 1, 12, 30)],
  ['2027-01-01T12:30:05.250+02:00', Date.UTC(2027, 0, 1, 10, 30, 5, 250)],
])('the moment %s is taken', (text, ms) => {
  expect(momentOf(text)).toBe(ms);
});

test.each([
  '2027-02-29',
  '2027-13-01',
  '2027-1-1',
  '01.01.2027',
  '2027-01-01T12:00',
  '2027-01-01 12:00Z',
  '1798761600',
  '',
])('the moment %j is refused', (text) => {
  expect(momentOf(text)).toBeNaN();
});

describe('the example', () => {
  const text = readFileSync(new URL('../../examples/access.json', import.meta.url), 'utf8');
  test('is a document that works', () => {
    const read = parseDocument(text);
    if (!('roles' in read)) throw new Error(read.join('\n'));
    const guest = grantOf(read.roles.get('guest')!);
    expect(guest.subscribe('book', 'BTC-USD')).toEqual({ depth: 5, intervalMs: 1_000, raw: false });
    expect(read.anonymous).toBe('guest');
  });
  test('is the one that the page explains', () => {
    const page = readFileSync(new URL('../../docs/access.md', import.meta.url), 'utf8');
    expect(page).toContain(text.trim());
  });
});
