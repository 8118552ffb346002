// Owns the verifying of JWTs: signature, algorithm, issuer, audience, times, and what their claims grant. Access calls it.
// Invariant: a token that passes is signed by a key of the issuer, meant for us and not expired; nothing of one that fails is told.

import { hash } from 'node:crypto';
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Clock } from '../ports/clock.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import { algorithmsOf } from '../settings/access-settings.ts';
import type { Settings } from '../settings/settings.ts';
import { faultsOfRole, isPrincipal } from './access-document.ts';
import type { Role } from './grant.ts';
import { type IssuerKeys, IssuerUnreachable } from './issuer-keys.ts';

/** Who brought a token. */
export interface WebTokenBearer {
  readonly principal: string;
  /** What the claim `tickwire` says: the name of a role, or a role; null: there is no such claim. */
  readonly role: string | Role | null;
  /** Wall clock, milliseconds since 1970, with the leeway. */
  readonly untilMs: number;
}

export type WebTokenSettings = Pick<Settings, 'jwtIssuer' | 'jwtAudience' | 'jwtAlgorithms' | 'jwtLeewaySec'>;

export const WEB_TOKEN_BYTES_MAX = 4_096;
/** The claim that says what its bearer may. */
const CLAIM = 'tickwire';
/** Tokens that need not be verified again, some 500 bytes each: the clients of a large gateway, all at once. */
const VERIFIED_MAX = 20_000;
/** Different roles that stand in tokens themselves; those who have the same share one. */
const ROLES_MAX = 256;

/** Three parts of base64url. That the first is a header is for the verifier to find. */
export function isWebToken(text: string): boolean {
  return /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/.test(text);
}

interface Verified {
  readonly bearer: WebTokenBearer;
  readonly generation: number;
}

function digestOf(token: string): string {
  return hash('sha256', token, 'base64');
}

export class WebTokens {
  readonly counters = { verified: 0, remembered: 0 };
  /** By the SHA-256 of their text; the oldest first. */
  private readonly verified = new Map<string, Verified>();
  /** On their way, so that a thousand who bring the same one at once cost one verification. */
  private readonly pending = new Map<string, Promise<WebTokenBearer | Fault>>();
  private readonly roles = new Map<string, Role>();
  private readonly algorithms: string[];

  constructor(
    private readonly settings: WebTokenSettings,
    private readonly keys: IssuerKeys,
    private readonly clock: Clock,
  ) {
    this.algorithms = algorithmsOf(settings.jwtAlgorithms);
  }

  /** Who brought the token, also one that was good and has ended since; or why it is not taken. Never rejects. */
  async verify(token: string): Promise<WebTokenBearer | Fault> {
    if (token.length > WEB_TOKEN_BYTES_MAX)
      return fault('bad-credential', `a JWT has at most ${WEB_TOKEN_BYTES_MAX} bytes`);
    const known = this.known(token);
    if (known !== null) return known;
    const digest = digestOf(token);
    const running = this.pending.get(digest) ?? this.verifyAnew(token, digest);
    this.pending.set(digest, running);
    return running;
  }

  /** Whose a token is that was verified before; null: it has to be verified. */
  known(token: string): WebTokenBearer | null {
    const known = this.verified.get(digestOf(token));
    if (known === undefined || known.generation !== this.keys.generation) return null;
    this.keys.freshen();
    this.counters.remembered += 1;
    return known.bearer;
  }

  private async verifyAnew(token: string, digest: string): Promise<WebTokenBearer | Fault> {
    this.counters.verified += 1;
    const { jwtIssuer: issuer, jwtAudience: audience, jwtLeewaySec: clockTolerance } = this.settings;
    const { algorithms, keys } = this;
    const currentDate = new Date(this.clock.nowUs() / 1_000);
    const required = { algorithms, issuer, audience, clockTolerance, currentDate, requiredClaims: ['exp', 'sub'] };
    let generation = -1;
    const keyOf: JWTVerifyGetKey = async (header, jwt) => {
      const found = await keys.find(header, jwt);
      generation = found.generation;
      return found.key;
    };
    try {
      const { payload } = await jwtVerify(token, keyOf, required);
      const bearer = this.bearerOf(payload);
      if (!('code' in bearer)) this.remember(digest, { bearer, generation });
      return bearer;
    } catch (error) {
      return faultOf(error);
    } finally {
      this.pending.delete(digest);
    }
  }

  private bearerOf({ sub = '', exp = 0, [CLAIM]: claim }: JWTPayload): WebTokenBearer | Fault {
    if (typeof sub !== 'string' || !isPrincipal(sub)) {
      return fault('bad-credential', 'the claim sub is not 1 to 128 printable characters, or a name that is taken');
    }
    const role = this.roleOf(claim);
    if (role !== null && typeof role === 'object' && 'code' in role) return role;
    return { principal: sub, role, untilMs: (exp + this.settings.jwtLeewaySec) * 1_000 };
  }

  private roleOf(claim: unknown): string | Role | null | Fault {
    if (claim === undefined) return null;
    const { role } = (claim ?? {}) as { role?: unknown };
    if (role !== undefined) {
      const only = typeof role === 'string' && Object.keys(claim as object).length === 1;
      return only ? role : fault('bad-credential', `the claim ${CLAIM} has a role that is no name, or more beside it`);
    }
    const text = JSON.stringify(claim);
    const known = this.roles.get(text);
    if (known !== undefined) return known;
    const [wrong] = faultsOfRole(claim, CLAIM);
    if (wrong !== undefined) return fault('bad-credential', `claim ${wrong}`);
    if (this.roles.size >= ROLES_MAX) this.roles.clear();
    this.roles.set(text, claim as Role);
    return claim as Role;
  }

  private remember(digest: string, verified: Verified): void {
    this.verified.delete(digest);
    this.verified.set(digest, verified);
    if (this.verified.size <= VERIFIED_MAX) return;
    const [oldest] = this.verified.keys();
    this.verified.delete(oldest!);
  }
}

/** Only what whoever made the token knows anyway. */
function faultOf(error: unknown): Fault {
  if (error instanceof IssuerUnreachable) return fault('not-ready', "the keys of the JWT's issuer can't be fetched");
  if (error instanceof errors.JWTExpired) return fault('expired-credential');
  if (error instanceof errors.JWTClaimValidationFailed) return fault('bad-credential', claimFault(error));
  if (error instanceof errors.JOSEAlgNotAllowed) return fault('bad-credential', 'its algorithm is not taken here');
  if (error instanceof errors.JWKSNoMatchingKey) return fault('bad-credential', "its key is none of the issuer's");
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return fault('bad-credential', 'it does not say by kid which key');
  if (error instanceof errors.JWSSignatureVerificationFailed) return fault('bad-credential', 'its signature is wrong');
  return fault('bad-credential', 'it is no JWT that can be verified');
}

const CLAIM_FAULTS: Readonly<Record<string, string>> = {
  iss: 'it is of another issuer',
  aud: 'it is meant for another audience',
  nbf: 'it is not valid yet',
  exp: 'it has no exp, the time when it ends',
  sub: 'it has no sub, the name of its bearer',
};

function claimFault({ claim }: errors.JWTClaimValidationFailed): string {
  return CLAIM_FAULTS[claim] ?? 'a claim is not as it should be';
}
