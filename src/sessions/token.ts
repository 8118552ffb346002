// Owns the tokens with which a client comes back to its session, and the keys that sign them. Sessions sign and read them, the gateway
// makes the keys: of the setting, of Redis, or of this process alone. Invariant: a text that was not signed here, character by
// character, with one of the keys, is never read as a token. There is no time in it: how long it is good for is for the store to say,
// which counts by one clock; those of gateways differ, and are set.

import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Fault, fault } from '../protocol/errors.ts';
import { Mac } from './mac.ts';
import { randomText } from './random-text.ts';

/** 256 bits of a random or secret key; `id` is public and stands in each token. */
export interface SigningKey {
  readonly id: string;
  readonly secret: Buffer;
  readonly mac: Mac;
}

/** What a token says. */
export interface TokenClaims {
  readonly session: string;
  readonly generation: number;
}

export const TOKEN_CHARS_MAX = 120;
/** Integers below 2^31 at base 36. */
const GENERATION_MAX = 2 ** 31 - 1;
const KEY = /^([A-Za-z0-9_-]{1,16}):([A-Za-z0-9_-]{43,256})$/;
const SESSION = /^[A-Za-z0-9_-]{1,32}$/;
/** Version, key, session, generation, nonce and principal, signature. Lengths in base64url without a rest: one text a value. */
const TOKEN = /^(1\.([\w-]{1,16})\.([\w-]{1,32})\.([1-9a-z][0-9a-z]{0,5})\.([\w-]{12})([\w-]{12}))\.([\w-]{24})$/;
const NONCE_BYTES = 9;
const PRINCIPAL_BYTES = 9;
/** 18 bytes in base64url. */
const SIGNATURE_CHARS = 24;
const SECRET_BYTES = 32;
const KEY_ID_BYTES = 6;
/** So that a signature made for anything else by the same key is none here. */
const PURPOSE = 'tickwire resume token\n';

/** Keys as texts `id:secret`, base64url, separated by commas: the first signs, all verify. */
export class TokenKeys {
  private keys: readonly SigningKey[];
  private seeking: Promise<void> | null = null;

  /**
   * @param seek learns of keys that others sign with, by `rotate`; asked where a token names one that is not known, once at a time.
   * @throws Error where the text is not one or more keys; the setting has been checked before.
   */
  constructor(
    text: string,
    private readonly seek?: () => Promise<void>,
  ) {
    this.keys = keysOf(text);
  }

  /** A key that nobody else has. */
  static random(): string {
    return `${randomBytes(KEY_ID_BYTES).toString('base64url')}:${randomBytes(SECRET_BYTES).toString('base64url')}`;
  }

  /** The one that signs. */
  get current(): SigningKey {
    return this.keys[0]!;
  }

  /** The same as a text, to be shared with other gateways; a secret. */
  get currentText(): string {
    const { id, secret } = this.current;
    return `${id}:${secret.toString('base64url')}`;
  }

  find(id: string): SigningKey | undefined {
    return this.keys.find((key) => key.id === id);
  }

  /** Takes these from now on, in place of all others. @throws Error as the constructor, and nothing changes. */
  rotate(text: string): void {
    this.keys = keysOf(text);
  }

  /** As `find`, after it was asked whether there are new ones. Never rejects. */
  async learn(id: string): Promise<SigningKey | undefined> {
    const { seek } = this;
    if (seek !== undefined) {
      this.seeking ??= seek()
        .catch(() => {})
        .finally(() => {
          this.seeking = null;
        });
      await this.seeking;
    }
    return this.find(id);
  }
}

export class Tokens {
  constructor(readonly keys: TokenKeys) {}

  /**
   * A new token, at most `TOKEN_CHARS_MAX` characters of base64url and dots. No two are the same: so even who knows the keys can't
   * make one whose hash the store knows.
   * @param session 1 to 32 characters of A-Za-z0-9_-
   * @param generation from 1; one more with each token of the session
   * @throws Error where session or generation is none.
   */
  sign({ session, generation }: TokenClaims, principal: string): string {
    const valid = Number.isInteger(generation) && generation >= 1 && generation <= GENERATION_MAX;
    if (!SESSION.test(session) || !valid) throw new Error(`no session to sign: ${session} ${generation}`);
    const { current } = this.keys;
    const whose = randomText(NONCE_BYTES, 'base64url') + tagOf(principal);
    const said = `1.${current.id}.${session}.${generation.toString(36)}.${whose}`;
    return `${said}.${signatureOf(current, said)}`;
  }

  /**
   * What a token says, where it was signed with a known key and for this principal. Whether it is still good the store knows.
   * @returns `bad-token` or `foreign-token`; never rejects.
   */
  async read(text: string, principal: string): Promise<TokenClaims | Fault> {
    const [, said, id, session, base36, , tag, signature] = (text.length <= TOKEN_CHARS_MAX && TOKEN.exec(text)) || [];
    if (said === undefined) return fault('bad-token', 'not a token');
    const key = this.keys.find(id!) ?? (await this.keys.learn(id!));
    if (key === undefined) return fault('bad-token', 'signed with a key that is not known here');
    if (!isSame(signatureOf(key, said), signature!)) return fault('bad-token', 'not signed by this service');
    if (!isSame(tagOf(principal), tag!)) return fault('foreign-token');
    return { session: session!, generation: Number.parseInt(base36!, 36) };
  }
}

/** As stores keep it. */
export function tokenHash(text: string): string {
  return hash('sha256', text, 'base64url');
}

/** As stores keep it; of the name by which a principal was authenticated, not of what it proved that with. */
export function principalHash(principal: string): string {
  let known = principalHashes.get(principal);
  if (known === undefined) {
    known = hash('sha256', principal, 'base64url');
    if (principalHashes.size >= PRINCIPALS_MAX) principalHashes.clear();
    principalHashes.set(principal, known);
  }
  return known;
}

/** Thousands of connections have the same few. */
const principalHashes = new Map<string, string>();
const PRINCIPALS_MAX = 1_000;

/** Of the hash as a whole, so many bytes in base64url without a rest. */
function tagOf(principal: string): string {
  return principalHash(principal).slice(0, (PRINCIPAL_BYTES / 3) * 4);
}

function signatureOf({ mac }: SigningKey, said: string): string {
  return mac.of(PURPOSE + said).slice(0, SIGNATURE_CHARS);
}

/** In the same time wherever they differ. Texts, not what they decode to: several texts may decode to the same bytes. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function keysOf(text: string): readonly SigningKey[] {
  return text.split(',').map((each) => {
    const [, id, secret] = KEY.exec(each) ?? [];
    // Never repeated: it is a secret.
    if (id === undefined || secret === undefined)
      throw new Error('a key is not id:secret in base64url, of 32 bytes and more');
    const bytes = Buffer.from(secret, 'base64url');
    return { id, secret: bytes, mac: new Mac(bytes) };
  });
}
