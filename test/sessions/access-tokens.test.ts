// Holds JWTs to their rules: algorithm, issuer, audience, times and size, and what the roles in their claims bring.

import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { exportSPKI, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Fault } from '../../src/protocol/errors.ts';
import type { Identity } from '../../src/sessions/access.ts';
import {
  documentFile,
  EVERYTHING,
  freshFolder,
  identityOf,
  outcomeOf,
  put,
  type Scene,
  startAccess,
} from './access-scene.ts';
import { base64, CLAIMS, NOW_SEC, PINNED, type SigningKey, sign, signingKey } from './issuer.ts';

const ROLES = {
  default: { subscribe: [{ channels: ['book'], symbols: ['*'], depth: 1 }] },
  trader: { subscribe: EVERYTHING, connections: 2 },
};

let es256: SigningKey;
let other: SigningKey;
beforeAll(async () => {
  [es256, other] = await Promise.all([signingKey('one'), signingKey('two')]);
});

/** Access with the roles above and one public key in a file. */
async function withKey(key: SigningKey = es256, settings: Parameters<typeof startAccess>[0] = {}): Promise<Scene> {
  const jwtKeyFile = join(freshFolder(), 'issuer.pem');
  put(jwtKeyFile, await exportSPKI(key.publicKey));
  return startAccess({ ...PINNED, jwtKeyFile, accessFile: documentFile({ roles: ROLES }), ...settings });
}

describe('a JWT', () => {
  test('says by its sub who its bearer is, and is good until its exp and the leeway', async () => {
    const { access, time } = await withKey();
    const identity = identityOf(await access.authenticate(await sign(es256, { exp: NOW_SEC + 10 })));
    expect(identity).toMatchObject({ principal: 'desk-a', via: 'jwt', untilMs: (NOW_SEC + 40) * 1_000 });
    expect(identity.grant.subscribe('book', 'X')?.depth).toBe(1);
    await time.advance(39_999);
    expect(access.refresh(identity)).toBe(identity);
    await time.advance(1);
    expect(outcomeOf(access.refresh(identity))).toBe('expired-credential');
  });

  test.each(['ES256', 'RS256', 'EdDSA'])('signed with %s is taken by default', async (alg) => {
    const key = await signingKey('k', alg);
    const { access } = await withKey(key);
    expect(outcomeOf(await access.authenticate(await sign(key)))).toBe('desk-a');
  });

  test.each<readonly [what: string, token: () => Promise<string>, code: string, reason: RegExp]>([
    ['of another issuer', () => sign(es256, { iss: 'https://evil.example' }), 'bad-credential', /of another issuer/],
    ['without an issuer', () => sign(es256, { iss: undefined }), 'bad-credential', /of another issuer/],
    ['for another audience', () => sign(es256, { aud: 'payments' }), 'bad-credential', /another audience/],
    ['without an audience', () => sign(es256, { aud: undefined }), 'bad-credential', /another audience/],
    ['that has expired', () => sign(es256, { exp: NOW_SEC - 31 }), 'expired-credential', /no longer valid/],
    ['that never ends', () => sign(es256, { exp: undefined }), 'bad-credential', /has no exp/],
    ['that is not valid yet', () => sign(es256, { nbf: NOW_SEC + 31 }), 'bad-credential', /not valid yet/],
    ['of nobody', () => sign(es256, { sub: undefined }), 'bad-credential', /has no sub/],
    ['of an empty name', () => sign(es256, { sub: '' }), 'bad-credential', /claim sub/],
    ['of a name with a line break', () => sign(es256, { sub: 'a\nb' }), 'bad-credential', /claim sub/],
    ['of a name that is too long', () => sign(es256, { sub: 'x'.repeat(129) }), 'bad-credential', /claim sub/],
    ['that calls itself anonymous', () => sign(es256, { sub: 'anonymous' }), 'bad-credential', /a name that is taken/],
    ['signed by somebody else', () => sign(other), 'bad-credential', /signature is wrong/],
    ['that is huge', () => sign(es256, { x: 'x'.repeat(4_096) }), 'bad-credential', /at most 4096 bytes/],
    ['with an unknown critical header', () => critical(), 'bad-credential', /no JWT that can be verified/],
    [
      'that is not signed',
      async () => `${base64({ alg: 'none' })}.${base64(CLAIMS)}.`,
      'bad-credential',
      /algorithm is not taken/,
    ],
    ['signed with the public key as a secret', () => confused(), 'bad-credential', /algorithm is not taken/],
    ['whose header is no JSON', async () => `${base64('{')}.${base64(CLAIMS)}.c2ln`, 'bad-credential', /no JWT/],
    ['whose claims were changed', () => changed(), 'bad-credential', /signature is wrong/],
    ['that is none at all', async () => 'Bearer of good news', 'bad-credential', /shape of neither/],
    ['of four parts', async () => 'YQ.YQ.YQ.YQ', 'bad-credential', /shape of neither/],
    ['of an empty text', async () => '', 'bad-credential', /shape of neither/],
  ])('%s is refused', async (_, token, code, reason) => {
    const { access, log } = await withKey();
    const text = await token();
    const answer = (await access.authenticate(text)) as Fault;
    expect(answer.code).toBe(code);
    expect(answer.message).toMatch(reason);
    for (const part of text.split('.')) if (part.length > 4) expect(JSON.stringify([answer, log])).not.toContain(part);
  });

  test('within the leeway is taken, before its nbf and after its exp', async () => {
    const { access } = await withKey();
    const token = await sign(es256, { nbf: NOW_SEC + 29, exp: NOW_SEC - 28 });
    expect(outcomeOf(await access.authenticate(token))).toBe('desk-a');
  });

  test('is verified once, however many bring it, at once or later, and ends for all of them', async () => {
    const { access, time } = await withKey();
    const token = await sign(es256, { exp: NOW_SEC + 10 });
    const all = async () => [
      ...new Set((await Promise.all(Array.from({ length: 100 }, () => access.authenticate(token)))).map(outcomeOf)),
    ];
    expect(await all()).toEqual(['desk-a']);
    expect(access.counters).toEqual({ verified: 1, remembered: 0 });
    expect(await all()).toEqual(['desk-a']);
    expect(access.counters).toEqual({ verified: 1, remembered: 100 });
    await time.advance(40_000);
    expect(await all()).toEqual(['expired-credential']);
    expect(startAccess().access.counters).toBeNull();
  });

  test('is not taken where there is no issuer', async () => {
    const { access } = startAccess();
    expect(await access.authenticate(await sign(es256))).toMatchObject({
      code: 'bad-credential',
      message: expect.stringContaining('takes no JWTs'),
    });
  });
});

function critical(): Promise<string> {
  return new SignJWT(CLAIMS)
    .setProtectedHeader({ alg: 'ES256', crit: ['odd'], odd: 1 })
    .sign(es256.privateKey, { crit: { odd: true } });
}

/** The public key is known to all: with HS256 taken, anybody could sign with it. */
async function confused(): Promise<string> {
  const text = `${base64({ alg: 'HS256' })}.${base64(CLAIMS)}`;
  const secret = await exportSPKI(es256.publicKey);
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

async function changed(): Promise<string> {
  const [header, , signature] = (await sign(es256)).split('.');
  return `${header}.${base64({ ...CLAIMS, sub: 'desk-b' })}.${signature}`;
}

describe('what a JWT grants', () => {
  test('is the role that its claim names, the role that stands in it, or the default', async () => {
    const { access } = await withKey();
    const grantFor = async (tickwire: unknown) =>
      identityOf(await access.authenticate(await sign(es256, tickwire === undefined ? {} : { tickwire }))).grant;
    expect((await grantFor({ role: 'trader' })).connectionsMax).toBe(2);
    expect((await grantFor(undefined)).subscribe('book', 'X')?.depth).toBe(1);
    const inline = await grantFor({ subscribe: [{ channels: ['trade'], symbols: ['A*'] }], bytesPerSec: 500 });
    expect(inline.subscribe('trade', 'AB')).not.toBeNull();
    expect(inline.subscribe('book', 'AB')).toBeNull();
    expect(inline.bytesPerSec).toBe(500);
  });

  test('is one and the same object for all who have the same role', async () => {
    const { access } = await withKey();
    const grantFor = async (sub: string, tickwire: unknown) =>
      identityOf(await access.authenticate(await sign(es256, { sub, tickwire }))).grant;
    expect(await grantFor('a', { role: 'trader' })).toBe(await grantFor('b', { role: 'trader' }));
    const role = { subscribe: EVERYTHING };
    expect(await grantFor('a', role)).toBe(await grantFor('b', role));
  });

  test.each<readonly [claim: unknown, code: string, reason: RegExp]>([
    [{ role: 'nope' }, 'not-entitled', /names a role that there is not/],
    [{ role: 7 }, 'bad-credential', /role that is no name/],
    [{ role: 'trader', bytesPerSec: 0 }, 'bad-credential', /or more beside it/],
    [{ subscribe: [{ channels: ['book'], symbols: ['a b'] }] }, 'bad-credential', /tickwire\.subscribe\.0\.symbols\.0/],
    [{ everything: true }, 'bad-credential', /is not known here/],
    ['trader', 'bad-credential', /tickwire: must be object/],
    [null, 'bad-credential', /tickwire: must be object/],
  ])('is nothing where the claim is %j', async (tickwire, code, reason) => {
    const { access } = await withKey();
    const answer = await access.authenticate(await sign(es256, { tickwire }));
    expect(answer).toMatchObject({ code, message: expect.stringMatching(reason) });
  });

  test('is nothing where it says nothing and there is no default', async () => {
    const { access } = await withKey(es256, { accessFile: '' });
    expect(await access.authenticate(await sign(es256))).toMatchObject({
      code: 'not-entitled',
      message: expect.stringContaining('no role default'),
    });
  });

  test('follows the document while its bearer is connected', async () => {
    const accessFile = documentFile({ roles: ROLES });
    const { access } = await withKey(es256, { accessFile });
    const token = await sign(es256, { tickwire: { role: 'trader' } });
    const before = identityOf(await access.authenticate(token));
    put(accessFile, { roles: { ...ROLES, trader: { subscribe: [] } } });
    access.reload();
    const after = identityOf(access.refresh(before));
    expect(after.grant.subscribe('book', 'X')).toBeNull();
    put(accessFile, { roles: {} });
    access.reload();
    expect(outcomeOf(access.refresh(after))).toBe('not-entitled');
    expect(outcomeOf(await access.authenticate(token))).toBe('not-entitled');
  });
});

test('any text at all is answered, and never with an identity', async () => {
  const { access } = await withKey();
  const parts = [
    '',
    '.',
    '..',
    'a.b.c',
    'eyJ',
    'tw_',
    `tw_a_${'b'.repeat(43)}`,
    '\u0000',
    'ü',
    '{}',
    base64('{}'),
    '_-',
  ];
  const texts = parts.flatMap((one) => parts.flatMap((two) => [`${one}${two}`, `${one}.${two}.${one}`]));
  const answers: (Identity | Fault)[] = await Promise.all(texts.map((each) => access.authenticate(each)));
  expect(new Set(answers.map(outcomeOf))).toEqual(new Set(['bad-credential']));
});
