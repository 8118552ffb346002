// Owns the shape of API keys, `tw_<id>_<secret>`, their making and their comparing. Access and `tickwire key` call it.
// Invariant: only the SHA-256 of a key is kept anywhere, and that a key is wrong takes as long to find out as that it is right.

import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** 32 random bytes in base64url are 43 characters; what is before the last of the underscores that separate can't hold one. */
const KEY = /^tw_([A-Za-z0-9-]{1,32})_[A-Za-z0-9_-]{43}$/;
const SECRET_BYTES = 32;

/** What the id of a key may be, for JSON schemas. */
export const KEY_ID = '^[A-Za-z0-9-]{1,32}$';

export function isKeyId(text: string): boolean {
  return new RegExp(KEY_ID).test(text);
}

/** What is compared where there is no key of an id: no key has it as its hash. */
const NOBODY = randomBytes(32).toString('hex');
/** Digests that are compared: a Buffer of its own for each would be memory that garbage collections wait for. */
const [one, other] = [Buffer.alloc(32), Buffer.alloc(32)];

/** @returns the id that a key names, or null where the text is no key. */
export function keyIdOf(text: string): string | null {
  return KEY.exec(text)?.[1] ?? null;
}

/** The SHA-256 of the whole key, in hex. */
export function hashKey(key: string): string {
  return hash('sha256', key);
}

/** A new key; it can't be found out again from its hash. */
export function newKey(id: string): { readonly key: string; readonly sha256: string } {
  const key = `tw_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  return { key, sha256: hashKey(key) };
}

/** @param sha256 hex of the right key's hash; undefined: there is no such key, which takes as long. */
export function isKey(key: string, sha256: string | undefined): boolean {
  return isSameDigest(hash('sha256', key), sha256 ?? NOBODY);
}

/** Whether two texts are the same, in a time that does not tell where they differ. */
export function isSameText(text: string, right: string): boolean {
  return isSameDigest(hash('sha256', text), hash('sha256', right));
}

/** Of SHA-256 digests in hex. */
function isSameDigest(digest: string, right: string): boolean {
  one.write(digest, 'hex');
  return other.write(right, 'hex') === one.length && timingSafeEqual(one, other);
}
