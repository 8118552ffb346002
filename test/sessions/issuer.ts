// Owns an issuer of JWTs for the tests: keys that rotate, a real HTTP server that publishes them, counts who asks, breaks and goes
// down. Ended with the test.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { onTestFinished } from 'vitest';

/** The start of `VirtualTime`, in seconds. */
export const NOW_SEC = 1_700_000_001;

export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** What a JWK set holds of it. */
  readonly jwk: JWK;
}

export async function signingKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

export const CLAIMS = { iss: 'https://issuer.example', aud: 'market-data', sub: 'desk-a', exp: NOW_SEC + 600 };

/** Settings of a gateway that takes the tokens of this issuer. */
export const PINNED = { jwtIssuer: CLAIMS.iss, jwtAudience: CLAIMS.aud };

/** A part of a token. */
export function base64(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** A token with these claims instead; undefined leaves one out. */
export function sign(
  key: SigningKey,
  claims: Readonly<Record<string, unknown>> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT({ ...CLAIMS, ...claims })
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
    .sign(key.privateKey);
}

export class Issuer {
  keys: readonly SigningKey[] = [];
  /** Answers this instead of the keys. */
  broken: { readonly status: number; readonly body: string } | null = null;
  asked = 0;
  private server: Server | null = null;
  private port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}/keys`;
  }

  async up(): Promise<this> {
    this.server = createServer((_, response) => {
      this.asked += 1;
      const { status, body } = this.broken ?? {
        status: 200,
        body: JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) }),
      };
      response.writeHead(status, { 'content-type': 'application/json', location: this.url });
      response.end(body);
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  async down(): Promise<void> {
    const { server } = this;
    this.server = null;
    if (server === null) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
}

/** An issuer that is there, with its keys. */
export async function startIssuer(...keys: readonly SigningKey[]): Promise<Issuer> {
  const issuer = new Issuer();
  issuer.keys = keys;
  await issuer.up();
  onTestFinished(() => issuer.down());
  return issuer;
}
