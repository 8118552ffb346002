// Holds tokens to their word: what was signed here is read, by whom it was signed for; nothing else is, however near it comes; and
// keys change without anybody being dropped.

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { principalHash, TOKEN_CHARS_MAX, TokenKeys, Tokens, tokenHash } from '../../src/sessions/token.ts';

const OWNER = 'key:alice';
const CLAIMS = { session: 'c2Vzc2lvbi0xMjM0NTY', generation: 7 };

function tokens(keys = TokenKeys.random()): Tokens {
  return new Tokens(new TokenKeys(keys));
}

describe('a token', () => {
  test('says what was signed, to the principal that it was signed for', async () => {
    const own = tokens();
    expect(await own.read(own.sign(CLAIMS, OWNER), OWNER)).toEqual(CLAIMS);
  });

  test('is at most as long as promised, and base64url with dots', () => {
    const id = 'k'.repeat(16);
    const longest = tokens(`${id}:${randomBytes(64).toString('base64url')}`);
    const claims = { session: 's'.repeat(32), generation: 2 ** 31 - 1 };
    const token = longest.sign(claims, 'p'.repeat(500));
    expect(token.length).toBeLessThanOrEqual(TOKEN_CHARS_MAX);
    expect(token).toMatch(/^[\w.-]+$/);
  });

  test('keeps every session and generation that it can name', async () => {
    const own = tokens();
    const session = fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/);
    const generation = fc.integer({ min: 1, max: 2 ** 31 - 1 });
    await fc.assert(
      fc.asyncProperty(session, generation, fc.string(), async (session, generation, principal) => {
        const claims = { session, generation };
        expect(await own.read(own.sign(claims, principal), principal)).toEqual(claims);
      }),
    );
  });

  test.each([
    { session: '', generation: 1 },
    { session: 'a.b', generation: 1 },
    { session: 's'.repeat(33), generation: 1 },
    { session: 's', generation: 0 },
    { session: 's', generation: 1.5 },
    { session: 's', generation: 2 ** 31 },
  ])('is not made of what it can not name: %o', (claims) => {
    expect(() => tokens().sign(claims, OWNER)).toThrow('no session to sign');
  });

  test('is another one each time, so that knowing the key is not enough to make the one that was given', () => {
    const own = tokens();
    const hashes = Array.from({ length: 100 }, () => tokenHash(own.sign(CLAIMS, OWNER)));
    expect(new Set(hashes).size).toBe(100);
    expect(principalHash(OWNER)).not.toBe(principalHash('key:bob'));
  });

  test('of another principal is foreign', async () => {
    const own = tokens();
    expect(await own.read(own.sign(CLAIMS, OWNER), 'key:bob')).toMatchObject({ code: 'foreign-token' });
  });

  test('of another service is none, though its keys have the same names', async () => {
    const [one, other] = [tokens(`a:${'A'.repeat(43)}`), tokens(`a:${'B'.repeat(43)}`)];
    expect(await other.read(one.sign(CLAIMS, OWNER), OWNER)).toMatchObject({ code: 'bad-token' });
  });

  test('is refused with any of its characters replaced, left out, added or exchanged', async () => {
    const own = tokens();
    const token = own.sign(CLAIMS, OWNER);
    const place = fc.nat(token.length - 1);
    const character = fc.oneof(fc.constantFrom(...'ABCXYZabcxyz0189-_.'), fc.string({ minLength: 1, maxLength: 1 }));
    const replaced = fc.tuple(place, character).map(([at, c]) => token.slice(0, at) + c + token.slice(at + 1));
    const added = fc.tuple(place, character).map(([at, c]) => token.slice(0, at) + c + token.slice(at));
    const cut = fc.tuple(place, fc.nat(5)).map(([at, count]) => token.slice(0, at) + token.slice(at + count));
    const exchanged = fc.tuple(place, place).map(([a, b]) => {
      const characters = [...token];
      [characters[a], characters[b]] = [characters[b]!, characters[a]!];
      return characters.join('');
    });
    const mutation = fc.oneof(replaced, added, cut, exchanged).filter((each) => each !== token);
    await fc.assert(
      fc.asyncProperty(mutation, async (each) => {
        expect(await own.read(each, OWNER)).toMatchObject({ code: 'bad-token' });
      }),
      { numRuns: 5_000 },
    );
  });

  test('is refused with each single character replaced by each other one', async () => {
    const own = tokens();
    const token = own.sign(CLAIMS, OWNER);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.';
    for (let at = 0; at < token.length; at++) {
      for (const character of alphabet.replace(token[at]!, '')) {
        const mutated = token.slice(0, at) + character + token.slice(at + 1);
        expect(await own.read(mutated, OWNER), mutated).toMatchObject({ code: 'bad-token' });
      }
    }
  });

  test('made of the parts of two others is refused', async () => {
    const own = tokens();
    const [a, b] = [CLAIMS, { ...CLAIMS, generation: 8 }].map((claims) => own.sign(claims, OWNER).split('.'));
    for (let part = 0; part < a!.length; part++) {
      const mixed = a!.with(part, b![part]!).join('.');
      if (mixed === a!.join('.')) continue;
      expect(await own.read(mixed, OWNER), mixed).toMatchObject({ code: 'bad-token' });
    }
  });

  test('that is any other text is refused', async () => {
    const own = tokens();
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 300 }), async (text) => {
        expect(await own.read(text, OWNER)).toMatchObject({ code: 'bad-token' });
      }),
    );
  });
});

describe('keys', () => {
  test('change on one gateway after the other without a token being refused', async () => {
    const [old, next] = [TokenKeys.random(), TokenKeys.random()];
    const gateways = [tokens(old), tokens(old)];
    const given: string[] = [];
    const checked = async (): Promise<void> => {
      for (const each of gateways) given.push(each.sign(CLAIMS, OWNER));
      for (const token of given) {
        for (const each of gateways) expect(await each.read(token, OWNER)).toEqual(CLAIMS);
      }
    };
    for (const keys of [`${old},${next}`, `${next},${old}`]) {
      for (const { keys: held } of gateways) {
        held.rotate(keys);
        await checked();
      }
    }
    const first = given[0]!;
    for (const { keys: held } of gateways) held.rotate(next);
    expect(await gateways[0]!.read(given.at(-1)!, OWNER)).toEqual(CLAIMS);
    expect(await gateways[0]!.read(first, OWNER)).toMatchObject({ code: 'bad-token' });
  });

  test('that are not known are asked for, once for all tokens that come at a time', async () => {
    const [old, next] = [TokenKeys.random(), TokenKeys.random()];
    let asked = 0;
    const keys = new TokenKeys(old, async () => {
      asked += 1;
      await Promise.resolve();
      keys.rotate(`${old},${next}`);
    });
    const [own, other] = [new Tokens(keys), tokens(next)];
    const given = Array.from({ length: 10 }, () => other.sign(CLAIMS, OWNER));
    const read = await Promise.all(given.map((token) => own.read(token, OWNER)));
    expect(read).toEqual(given.map(() => CLAIMS));
    expect(asked).toBe(1);
  });

  test('that nobody has leave a token refused, also where asking fails', async () => {
    const own = new Tokens(new TokenKeys(TokenKeys.random(), () => Promise.reject(new Error('no answer'))));
    expect(await own.read(tokens().sign(CLAIMS, OWNER), OWNER)).toMatchObject({ code: 'bad-token' });
  });

  test('are told as a text that makes the same key', async () => {
    const own = tokens();
    const other = tokens(own.keys.currentText);
    expect(await other.read(own.sign(CLAIMS, OWNER), OWNER)).toEqual(CLAIMS);
  });

  test.each(['', 'a', 'a:short', `a b:${'A'.repeat(43)}`, `a:${'A'.repeat(43)},`])(
    'that are none are refused without being repeated: %j',
    (text) => {
      const keys = new TokenKeys(TokenKeys.random());
      const { id } = keys.current;
      expect(() => keys.rotate(text)).toThrow('a key is not id:secret in base64url, of 32 bytes and more');
      expect(keys.current.id).toBe(id);
    },
  );
});
