// Owns the question who asks, over HTTP and on the publishers' WebSocket, and what is said to those who may not. HttpApi and
// PublishStream ask it. Invariant: a request that a browser sends for a foreign page, or that a proxy passes on, is never trusted
// for coming from loopback.

import { type Fault, fault } from '../protocol/errors.ts';
import type { Access, Identity } from '../sessions/access.ts';
import type { Settings } from '../settings/settings.ts';
import { bearerOf } from './handshake.ts';
import type { HttpRequest, Peer } from './uws.ts';

type Request = Pick<HttpRequest, 'headers' | 'address' | 'forwarded'>;
/** Who somebody is, or why that is not known; at once where there is no credential to be looked at. */
export type Asked = Identity | Fault | Promise<Identity | Fault>;

const LOOPBACK = /^127\.\d+\.\d+\.\d+$/;
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

export interface TrustOptions {
  readonly access: Pick<Access, 'anonymous' | 'authenticate' | 'known'>;
  readonly settings: Pick<Settings, 'publishToken' | 'accessFile' | 'jwksUrl' | 'jwtKeyFile'>;
}

export class Trust {
  /** API keys or JWTs are known here. */
  private readonly knowsOthers: boolean;

  constructor(private readonly options: TrustOptions) {
    const { accessFile, jwksUrl, jwtKeyFile } = options.settings;
    this.knowsOthers = accessFile !== '' || jwksUrl !== '' || jwtKeyFile !== '';
  }

  /** There is something to compare a credential with; where not, one that is brought is not looked at. */
  private get knowsAny(): boolean {
    return this.knowsOthers || this.options.settings.publishToken !== '';
  }

  /** Who asks to read. */
  reader(request: Request): Asked {
    return this.identify(bearerOf(request.headers.get('authorization')), () => isLocalProgram(request));
  }

  /** Who asks to write; `unauthorized` where nobody says who he is, and may write nothing. */
  writer(request: Request): Asked {
    return this.writing(this.reader(request));
  }

  /** Who opens a subscribers' WebSocket. */
  subscriber(peer: Peer): Asked {
    const { access } = this.options;
    const { credential } = peer;
    if (credential === null || !this.knowsAny) return access.anonymous(isLocal(peer));
    return access.known(credential) ?? access.authenticate(credential);
  }

  /** Whose credential it is; null where there is nothing to compare it with, and none is looked at. */
  bearer(credential: string): Promise<Identity | Fault> | null {
    return this.knowsAny ? this.options.access.authenticate(credential) : null;
  }

  /** Who opens a publishers' WebSocket: the same. */
  publisher(peer: Peer): Asked {
    return this.writing(this.identify(peer.credential, () => isLocal(peer)));
  }

  /** Why a publishers' WebSocket is not opened at all; null: it is, if only to be told what is wrong with the credential. */
  turnedAway(peer: Peer): Fault | null {
    if (peer.credential !== null && this.knowsAny) return null;
    const asked = this.publisher(peer);
    return 'code' in asked ? asked : null;
  }

  private identify(credential: string | null, local: () => boolean): Asked {
    const { access } = this.options;
    return credential === null || !this.knowsAny ? access.anonymous(local()) : access.authenticate(credential);
  }

  private writing(asked: Asked): Asked {
    if (asked instanceof Promise) return asked.then((known) => this.wrongToken(known));
    return 'code' in asked || !(asked.grant.publishes || asked.grant.defines) ? fault('unauthorized') : asked;
  }

  /** Where the publish token is all that is known, a wrong one has a code of its own. */
  private wrongToken(known: Identity | Fault): Identity | Fault {
    return 'code' in known && known.code === 'bad-credential' && !this.knowsOthers ? fault('unauthorized') : known;
  }
}

/** Whether somebody has said who he is. */
export function isNamed({ via }: Identity): boolean {
  return via !== 'anonymous' && via !== 'local';
}

/** What somebody is told who may not do something. */
export function denial(identity: Identity, what: string): Fault {
  return isNamed(identity) ? fault('not-entitled', what) : fault('unauthorized');
}

/** Whether a program on this machine asks, and not a web page or somebody behind a proxy. */
export function isLocalProgram({ headers, address, forwarded }: Request): boolean {
  return isLocal({ address, forwarded, host: headers.get('host') ?? null, origin: headers.get('origin') ?? null });
}

/** The same of who opened a WebSocket. */
function isLocal(peer: Pick<Peer, 'address' | 'forwarded' | 'host' | 'origin'>): boolean {
  const { address, forwarded, host, origin } = peer;
  if (forwarded || !isLoopback(address)) return false;
  // The Host header too: a page whose name was pointed at this machine is its own origin.
  if (host !== null && !LOOPBACK_HOST.test(host)) return false;
  return origin === null || LOOPBACK_HOST.test(origin.replace(/^https?:\/\//i, ''));
}

/** Whether an address in text form, IPv6-mapped or not, is this machine's own. */
export function isLoopback(address: string): boolean {
  // As nearly all come.
  if (!address.includes(':')) return LOOPBACK.test(address);
  const plain = address.toLowerCase().replace(/^(0000:){5}ffff:|^::ffff:/, '');
  if (/^7f[0-9a-f]{2}:[0-9a-f]{4}$/.test(plain)) return true;
  return LOOPBACK.test(plain) || plain === '::1' || plain === '0000:0000:0000:0000:0000:0000:0000:0001';
}
