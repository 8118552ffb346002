// Owns the keys that JWTs are verified with: fetched from the issuer and followed when they rotate, or from a file. Web tokens ask
// for the key of each token. Invariant: whatever tokens come, the issuer is asked at most once per cooldown; while it can't be
// reached the keys that were fetched last stay good.

import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
} from 'jose';
import type { Clock } from '../ports/clock.ts';
import { isSecretAlgorithm } from '../settings/access-settings.ts';
import { KeptFile, type Reading } from './kept-file.ts';

/** A key, and which generation of the keys it was found in. */
export interface FoundKey {
  readonly key: Awaited<ReturnType<JWTVerifyGetKey>>;
  readonly generation: number;
}

export interface IssuerKeys {
  /** The key that the header of a token names. Rejects with IssuerUnreachable, or with an error of jose's. */
  find(...of: Parameters<JWTVerifyGetKey>): Promise<FoundKey>;
  /** Another number: there are other keys, and what was verified with the old ones should be looked at anew. */
  readonly generation: number;
  /** Called whenever a token is shown, also one that is known: keeps the keys fresh, without waiting. */
  freshen(): void;
  /** Of a file: whether it is another, and was read anew. */
  reload(onlyIfChanged: boolean): boolean;
  /** What is wrong with the keys now; null: nothing. */
  trouble(): string | null;
}

/** The issuer's keys were never fetched, and can't be now. */
export class IssuerUnreachable extends Error {
  override readonly name = 'IssuerUnreachable';
}

/** The issuer is asked for a key that is not known at most once in this time. */
const COOLDOWN_MS = 10_000;
/** Where it did not answer, it is asked again after this. */
const RETRY_MS = 1_000;
/** A key that was withdrawn is noticed within this time. */
const REFRESH_MS = 300_000;
const ANSWER_MS_MAX = 5_000;
const SET_BYTES_MAX = 1_048_576;
const SET_KEYS_MAX = 100;

/** Keys behind the address of a JWK set. */
export class RemoteKeys implements IssuerKeys {
  generation = 0;
  private readonly remote: ReturnType<typeof createRemoteJWKSet>;
  /** Monotonic ms of the last question, and of the last answer; null: none yet. */
  private askedMs: number | null = null;
  private answeredMs: number | null = null;
  private failure: string | null = null;
  /** The set that is in use, and the one that came last, as text. */
  private used = '';
  private fetched = '';

  constructor(
    url: string,
    private readonly clock: Clock,
  ) {
    this.remote = createRemoteJWKSet(new URL(url), {
      // When to ask is decided here, by a clock that nobody sets.
      cooldownDuration: Number.POSITIVE_INFINITY,
      cacheMaxAge: Number.POSITIVE_INFINITY,
      timeoutDuration: ANSWER_MS_MAX,
      [customFetch]: (address, init) => this.fetch(address, init),
    });
  }

  async find(...of: Parameters<JWTVerifyGetKey>): Promise<FoundKey> {
    if (this.answeredMs === null) await this.ask();
    else this.freshen();
    try {
      return await this.look(...of);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !this.mayAsk()) throw error;
    }
    await this.ask();
    return this.look(...of);
  }

  freshen(): void {
    if (this.answeredMs === null || this.clock.nowMs() - this.answeredMs < REFRESH_MS || !this.mayAsk()) return;
    this.ask().catch(() => {
      // `failure` says it, and the keys that are known stay.
    });
  }

  reload(): boolean {
    return false;
  }

  trouble(): string | null {
    return this.failure;
  }

  private async ask(): Promise<void> {
    if (!this.mayAsk()) throw new IssuerUnreachable();
    await this.remote.reload();
    // Only now they are in use.
    if (this.used === this.fetched) return;
    this.used = this.fetched;
    this.generation += 1;
  }

  private async look(...of: Parameters<JWTVerifyGetKey>): Promise<FoundKey> {
    // Asked for first: where the keys change meanwhile, what is found counts as found in the old ones.
    const { generation } = this;
    return { key: await this.remote(...of), generation };
  }

  /** An answer that is on its way may always be waited for. */
  private mayAsk(): boolean {
    if (this.remote.reloading || this.askedMs === null) return true;
    return this.clock.nowMs() - this.askedMs >= (this.failure === null ? COOLDOWN_MS : RETRY_MS);
  }

  private async fetch(url: string, init: RequestInit): Promise<Response> {
    this.askedMs = this.clock.nowMs();
    try {
      const response = await fetch(url, init);
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new IssuerUnreachable(`it answers ${response.status}`);
      }
      const keys = await readSet(response);
      this.failure = null;
      this.answeredMs = this.clock.nowMs();
      this.fetched = JSON.stringify(keys);
      return Response.json(keys);
    } catch (error) {
      const why = error instanceof IssuerUnreachable ? error.message : 'it does not answer';
      this.failure = `the issuer's keys (jwksUrl) can't be fetched: ${why}`;
      throw new IssuerUnreachable(why);
    }
  }
}

/** At most so much of it as a set of keys takes. */
async function readSet(response: Response): Promise<JSONWebKeySet> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > SET_BYTES_MAX) throw new IssuerUnreachable(`its answer has more than ${SET_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  const set = jsonOf(Buffer.concat(chunks).toString());
  const fault = isSet(set) ? null : 'its answer is no JWK set';
  if (fault !== null) throw new IssuerUnreachable(fault);
  return set as unknown as JSONWebKeySet;
}

/** Keys in a file. */
export class FileKeys implements IssuerKeys {
  generation = 0;
  private readonly file: KeptFile<JWTVerifyGetKey>;

  /** @throws FileFaults where there is no such file, or no key in it that fits the algorithms. */
  constructor(path: string, algorithms: readonly string[]) {
    const read = (text: string): Reading<JWTVerifyGetKey> => readKeys(text, algorithms);
    this.file = new KeptFile({ path, bytesMax: SET_BYTES_MAX, read });
  }

  async find(...of: Parameters<JWTVerifyGetKey>): Promise<FoundKey> {
    const { generation } = this;
    return { key: await this.file.value(...of), generation };
  }

  freshen(): void {}

  reload(onlyIfChanged: boolean): boolean {
    if (onlyIfChanged && !this.file.isChanged()) return false;
    if (this.file.reload()) this.generation += 1;
    return true;
  }

  trouble(): string | null {
    return this.file.trouble === null
      ? null
      : `the file of keys (jwtKeyFile) is not taken: ${this.file.trouble.join('; ')}`;
  }
}

/** What a file of keys holds. Nothing of it is repeated: it may be a secret. */
function readKeys(text: string, algorithms: readonly string[]): Reading<JWTVerifyGetKey> {
  const trimmed = text.trim();
  if (trimmed.startsWith('{')) return readJwk(trimmed, algorithms);
  if (!trimmed.startsWith('-----BEGIN ')) return taken(Buffer.from(trimmed), algorithms);
  if (trimmed.includes('PRIVATE KEY')) return { faults: ['it is a private key: give the public one'] };
  return taken(trimmed, algorithms);
}

function readJwk(text: string, algorithms: readonly string[]): Reading<JWTVerifyGetKey> {
  const jwk = jsonOf(text);
  if (jwk === null) return { faults: ['it is neither JSON nor PEM'] };
  const keys = 'keys' in jwk ? jwk.keys : [jwk];
  if (!isSet({ keys })) return { faults: ['it is neither a JWK nor a JWK set'] };
  const all = keys as readonly JsonWebKey[];
  if (all.some((key) => key.d !== undefined || key.priv !== undefined)) {
    return { faults: ['there is a private key in it: leave in the public ones'] };
  }
  if (!('keys' in jwk)) {
    return taken(jwk.kty === 'oct' ? Buffer.from(String(jwk.k), 'base64url') : jwk, algorithms);
  }
  if (algorithms.some(isSecretAlgorithm))
    return { faults: ['a JWK set holds public keys, jwtAlgorithms needs a secret'] };
  const fitting = all.filter((key) => fits(publicKey(key), algorithms));
  if (fitting.length === 0) return { faults: [`no key in it is one for ${algorithms.join(', ')}`] };
  return { value: createLocalJWKSet({ keys: fitting } as unknown as JSONWebKeySet) };
}

/** One key, whatever a token says of its key. */
function taken(source: Buffer | string | JsonWebKey, algorithms: readonly string[]): Reading<JWTVerifyGetKey> {
  const secret = Buffer.isBuffer(source);
  if (secret && !algorithms.some(isSecretAlgorithm)) {
    return { faults: [`it is no public key, as ${algorithms.join(', ')} needs`] };
  }
  if (secret && source.length < 32) return { faults: ['the secret is shorter than 32 bytes'] };
  const key = secret ? createSecretKey(source) : publicKey(source);
  if (key === null) return { faults: ['the public key in it can not be read'] };
  if (!secret && !fits(key, algorithms)) return { faults: [`the key in it is none for ${algorithms.join(', ')}`] };
  return { value: async () => key };
}

function publicKey(source: string | JsonWebKey): KeyObject | null {
  try {
    return createPublicKey(typeof source === 'string' ? source : { key: source, format: 'jwk' });
  } catch {
    return null;
  }
}

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };

/** Whether a key is one for any of the algorithms. */
function fits(key: KeyObject | null, algorithms: readonly string[]): boolean {
  if (key?.asymmetricKeyType === 'rsa') return algorithms.some((each) => /^[RP]S/.test(each));
  if (key?.asymmetricKeyType === 'ed25519') return algorithms.some((each) => each.startsWith('Ed'));
  return (
    key?.asymmetricKeyType === 'ec' && algorithms.includes(CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? '')
  );
}

function isSet(value: unknown): boolean {
  const keys = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys) || keys.length > SET_KEYS_MAX) return false;
  return keys.every(
    (key) => typeof key === 'object' && key !== null && typeof (key as { kty?: unknown }).kty === 'string',
  );
}

function jsonOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
