// Holds the keys that JWTs are verified with to their rules: files of every kind that change, an issuer on a real HTTP server that
// rotates its keys, withdraws them, breaks, goes down, and is never flooded.

import { join } from 'node:path';
import { exportJWK, exportPKCS8, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { documentFile, freshFolder, identityOf, outcomeOf, put, startAccess } from './access-scene.ts';
import { base64, CLAIMS, NOW_SEC, PINNED, type SigningKey, sign, signingKey, startIssuer } from './issuer.ts';

const ROLES = { default: { subscribe: [{ channels: ['book'], symbols: ['*'], depth: 1 }] } };

let es256: SigningKey;
let other: SigningKey;
beforeAll(async () => {
  [es256, other] = await Promise.all([signingKey('one'), signingKey('two')]);
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
