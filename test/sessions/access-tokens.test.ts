// Holds JWTs to their rules: algorithm, issuer, audience, times and size; the roles that their claims bring; keys that rotate,
// vanish, and an issuer that is down, slow to be asked and real.

import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { exportJWK, exportPKCS8, exportSPKI, SignJWT } from 'jose';
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
import { CLAIMS, NOW_SEC, type SigningKey, sign, signingKey, startIssuer } from './issuer.ts';

const PINNED = { jwtIssuer: CLAIMS.iss, jwtAudience: CLAIMS.aud };
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

function base64(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
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

describe('a file with keys', () => {
  const start = (content: unknown, settings: Parameters<typeof startAccess>[0] = {}) => {
    const jwtKeyFile = join(freshFolder(), 'keys');
    put(jwtKeyFile, content);
    return {
      jwtKeyFile,
      ...startAccess({ ...PINNED, jwtKeyFile, accessFile: documentFile({ roles: ROLES }), ...settings }),
    };
  };

  test('may be one JWK, which verifies whatever kid a token names, or a set, of which the kid names one', async () => {
    const { kid: _, ...jwk } = es256.jwk;
    expect(outcomeOf(await start(jwk).access.authenticate(await sign(es256)))).toBe('desk-a');
    const { access } = start({ keys: [es256.jwk, other.jwk] });
    expect(outcomeOf(await access.authenticate(await sign(es256)))).toBe('desk-a');
    expect(outcomeOf(await access.authenticate(await sign(other)))).toBe('desk-a');
    expect(outcomeOf(await access.authenticate(await sign(other, {}, { kid: 'one' })))).toBe('bad-credential');
    expect(await access.authenticate(await sign(other, {}, { kid: undefined }))).toMatchObject({
      message: expect.stringContaining('does not say by kid'),
    });
  });

  test('may hold a secret, for the HS algorithms alone', async () => {
    const secret = 's'.repeat(32);
    const { access } = start(`${secret}\n`, { jwtAlgorithms: 'HS256' });
    const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret));
    expect(outcomeOf(await access.authenticate(token))).toBe('desk-a');
    expect(outcomeOf(await access.authenticate(await sign(es256)))).toBe('bad-credential');
  });

  test('is read again when it changes: the next tokens are verified with the new key, also those that were known', async () => {
    const { jwtKeyFile, access, time } = start(es256.jwk);
    const [old, fresh] = [await sign(es256), await sign(other)];
    const identity = identityOf(await access.authenticate(old));
    put(jwtKeyFile, other.jwk);
    await time.advance(1_000);
    expect(outcomeOf(await access.authenticate(fresh))).toBe('desk-a');
    expect(outcomeOf(await access.authenticate(old))).toBe('bad-credential');
    expect(access.refresh(identity)).toBe(identity);
    put(jwtKeyFile, 'rubbish');
    await time.advance(1_000);
    expect(access.trouble()).toMatch(/file of keys \(jwtKeyFile\) is not taken: it is no public key/);
    expect(outcomeOf(await access.authenticate(fresh))).toBe('desk-a');
  });

  test('that can not be used is named, and nothing of it is told', async () => {
    const privateKey = await exportPKCS8(es256.privateKey);
    const faulty: readonly (readonly [unknown, RegExp, Parameters<typeof startAccess>[0]?])[] = [
      [privateKey, /it is a private key/],
      [await exportJWK(es256.privateKey), /a private key in it/],
      [{ keys: [await exportJWK(es256.privateKey)] }, /a private key in it/],
      [{ kty: 'oct', k: base64('s'.repeat(32)) }, /it is no public key/],
      [{ keys: [{ kty: 'oct', k: base64('s'.repeat(32)) }] }, /no key in it is one for ES256/],
      [es256.jwk, /the key in it is none for RS256/, { jwtAlgorithms: 'RS256' }],
      [es256.jwk, /the key in it is none for HS256/, { jwtAlgorithms: 'HS256' }],
      ['short', /shorter than 32 bytes/, { jwtAlgorithms: 'HS256' }],
      [{ keys: 7 }, /neither a JWK nor a JWK set/],
      [{}, /neither a JWK nor a JWK set/],
      ['{"kty"', /neither JSON nor PEM/],
      [{ kty: 'EC', crv: 'P-256' }, /can not be read/],
      ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----', /can not be read/],
      ['x'.repeat(2_000_000), /2000000 bytes, at most/],
    ];
    for (const [content, reason, settings] of faulty) {
      expect(() => start(content, settings)).toThrow(reason);
      expect(() => start(content, settings)).not.toThrow('AAAA');
    }
  });
});

describe('an issuer with an address', () => {
  async function withIssuer(...keys: SigningKey[]) {
    const issuer = await startIssuer(...keys);
    const settings = { ...PINNED, jwksUrl: issuer.url, accessFile: documentFile({ roles: ROLES }) };
    return { issuer, ...startAccess(settings) };
  }

  test('is asked for its keys once, however many come at once', async () => {
    const { issuer, access } = await withIssuer(es256, other);
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, number) => sign(number % 2 === 0 ? es256 : other, { sub: `desk-${number}` })),
    );
    const answers = await Promise.all(tokens.map((each) => access.authenticate(each)));
    expect(answers.map(outcomeOf)).toEqual(tokens.map((_, number) => `desk-${number}`));
    expect(issuer.asked).toBe(1);
  });

  test('rotates its keys: a new one is fetched when the first token names it, also for those who come meanwhile', async () => {
    const { issuer, access, time } = await withIssuer(es256);
    expect(outcomeOf(await access.authenticate(await sign(es256)))).toBe('desk-a');
    issuer.keys = [es256, other];
    await time.advance(10_000);
    const tokens = await Promise.all([1, 2, 3].map((number) => sign(other, { sub: `desk-${number}` })));
    const answers = await Promise.all(tokens.map((each) => access.authenticate(each)));
    expect(answers.map(outcomeOf)).toEqual(['desk-1', 'desk-2', 'desk-3']);
    expect(outcomeOf(await access.authenticate(await sign(es256)))).toBe('desk-a');
    expect(issuer.asked).toBe(2);
  });

  test('is not flooded by tokens with unknown keys: asked once per cooldown, and those with known ones come in', async () => {
    const { issuer, access, time } = await withIssuer(es256);
    expect(outcomeOf(await access.authenticate(await sign(es256)))).toBe('desk-a');
    const flood = async (): Promise<string[]> => {
      const tokens = await Promise.all(Array.from({ length: 40 }, (_, n) => sign(other, {}, { kid: `unknown-${n}` })));
      return [...new Set((await Promise.all(tokens.map((each) => access.authenticate(each)))).map(outcomeOf))];
    };
    expect(await flood()).toEqual(['bad-credential']);
    expect(issuer.asked).toBe(1);
    await time.advance(10_000);
    expect(await flood()).toEqual(['bad-credential']);
    expect(await flood()).toEqual(['bad-credential']);
    expect(issuer.asked).toBe(2);
    expect(outcomeOf(await access.authenticate(await sign(es256, { sub: 'desk-b' })))).toBe('desk-b');
    expect(issuer.asked).toBe(2);
  });

  test('withdraws a key: who is in stays until the end of the token, who comes with it is refused within minutes', async () => {
    const { issuer, access, time } = await withIssuer(es256, other);
    const token = await sign(es256, { exp: NOW_SEC + 3_600 });
    const identity = identityOf(await access.authenticate(token));
    issuer.keys = [other];
    await time.advance(300_000);
    // The first who comes after that has the keys fetched, and does not wait for them.
    expect(outcomeOf(await access.authenticate(token))).toBe('desk-a');
    await expect.poll(async () => outcomeOf(await access.authenticate(token))).toBe('bad-credential');
    expect(issuer.asked).toBe(2);
    expect(access.refresh(identity)).toBe(identity);
    await time.advance(3_600_000);
    expect(outcomeOf(access.refresh(identity))).toBe('expired-credential');
  });

  test('is asked again every few minutes while tokens come, in the background', async () => {
    const { issuer, access, time } = await withIssuer(es256);
    const bring = async (sub: string) => access.authenticate(await sign(es256, { sub, exp: NOW_SEC + 3_600 }));
    expect(outcomeOf(await bring('desk-a'))).toBe('desk-a');
    await time.advance(299_000);
    expect(outcomeOf(await bring('desk-b'))).toBe('desk-b');
    expect(issuer.asked).toBe(1);
    await time.advance(1_000);
    expect(outcomeOf(await bring('desk-c'))).toBe('desk-c');
    await expect.poll(() => issuer.asked).toBe(2);
  });

  test('that goes down disturbs nobody who is in, nor those whose key is known; others are told to come back', async () => {
    const { issuer, access, time } = await withIssuer(es256);
    const token = await sign(es256, { exp: NOW_SEC + 3_600 });
    const identity = identityOf(await access.authenticate(token));
    await issuer.down();
    await time.advance(600_000);
    expect(access.refresh(identity)).toBe(identity);
    expect(outcomeOf(await access.authenticate(token))).toBe('desk-a');
    const later = await sign(es256, { sub: 'desk-b', exp: NOW_SEC + 3_600 });
    expect(outcomeOf(await access.authenticate(later))).toBe('desk-b');
    await time.advance(1_000);
    expect(outcomeOf(await access.authenticate(await sign(other, { exp: NOW_SEC + 3_600 })))).toBe('not-ready');
    expect(access.trouble()).toBe("the issuer's keys (jwksUrl) can't be fetched: it does not answer");
    issuer.keys = [es256, other];
    await issuer.up();
    await time.advance(1_000);
    expect(outcomeOf(await access.authenticate(await sign(other, { exp: NOW_SEC + 3_600 })))).toBe('desk-a');
    expect(access.trouble()).toBeNull();
  });

  test('that is not there at first is asked once a second at most', async () => {
    const { issuer, access, time } = await withIssuer(es256);
    issuer.broken = { status: 500, body: '' };
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, n) => sign(es256, { sub: `desk-${n}` })));
    const all = async () => [
      ...new Set((await Promise.all(tokens.map((each) => access.authenticate(each)))).map(outcomeOf)),
    ];
    expect(await all()).toEqual(['not-ready']);
    expect(await all()).toEqual(['not-ready']);
    expect(issuer.asked).toBe(1);
    issuer.broken = null;
    expect(await all()).toEqual(['not-ready']);
    await time.advance(1_000);
    expect(await all()).toHaveLength(20);
    expect(issuer.asked).toBe(2);
  });

  test.each<readonly [what: string, status: number, body: () => string, reason: RegExp]>([
    ['with a page', 200, () => '<html>', /no JWK set/],
    ['with JSON that is no set', 200, () => '{"keys": {}}', /no JWK set/],
    ['with a list of odd keys', 200, () => '{"keys": [7]}', /no JWK set/],
    [
      'with more than a set can be',
      200,
      () => `{"keys": [], "x": "${'x'.repeat(1_100_000)}"}`,
      /more than 1048576 bytes/,
    ],
    ['elsewhere', 302, () => '', /answers 302/],
  ])('that answers %s is not believed, and that is said', async (_, status, body, reason) => {
    const { issuer, access } = await withIssuer(es256);
    issuer.broken = { status, body: body() };
    expect(outcomeOf(await access.authenticate(await sign(es256)))).toBe('not-ready');
    expect(access.trouble()).toMatch(reason);
    expect(issuer.asked).toBe(1);
  });

  test('who publishes a secret among its keys has not made it a key', async () => {
    const secret = { kty: 'oct', k: base64('s'.repeat(32)), kid: 'secret', alg: 'HS256' };
    const { issuer, access } = await withIssuer(es256);
    issuer.broken = { status: 200, body: JSON.stringify({ keys: [secret, es256.jwk] }) };
    const forged = await new SignJWT(CLAIMS)
      .setProtectedHeader({ alg: 'HS256', kid: 'secret' })
      .sign(Buffer.from('s'.repeat(32)));
    expect(outcomeOf(await access.authenticate(forged))).toBe('bad-credential');
    expect(outcomeOf(await access.authenticate(await sign(es256)))).toBe('desk-a');
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
