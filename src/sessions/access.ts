// Owns who a client is and what it may: API keys, JWTs, the publish token, those who say nothing. The gateway asks for every
// connection and request, and again after a change. Invariant: a credential is never kept, logged or repeated, and what an
// identity may follows the access document as it is now.

import type { Clock, Timer, Timers } from '../ports/clock.ts';
import type { Log } from '../ports/log-events.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import { algorithmsOf, isLoopbackHost } from '../settings/access-settings.ts';
import { SETTINGS, type Settings, SettingsError } from '../settings/settings.ts';
import {
  type AccessDocument,
  DOCUMENT_BYTES_MAX,
  type KeyEntry,
  NO_DOCUMENT,
  parseDocument,
} from './access-document.ts';
import { isKey, isSameText, keyIdOf } from './api-keys.ts';
import { type Basis, FULL_GRANT, type Grant, grantOf, type Identity, READ_GRANT, type Role } from './grant.ts';
import { FileKeys, type IssuerKeys, RemoteKeys } from './issuer-keys.ts';
import { FileFaults, KeptFile } from './kept-file.ts';
import { isWebToken, WEB_TOKEN_BYTES_MAX, type WebTokenBearer, WebTokens } from './web-tokens.ts';

export type { Identity } from './grant.ts';

interface RoleGrant {
  /** What the role says: roles that say the same have the same grant, so that a new document changes only what is another. */
  readonly text: string;
  readonly grant: Grant;
}

export interface AccessOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** How often the files are looked at: one call of the system each. */
const POLL_MS = 1_000;
/** The role of JWTs that name none. */
const DEFAULT_ROLE = 'default';

export class Access {
  private readonly file: KeptFile<AccessDocument> | null;
  private readonly keys: IssuerKeys | null;
  private readonly webTokens: WebTokens | null;
  private readonly listeners: (() => void)[] = [];
  /** By the name of the role. */
  private grants: ReadonlyMap<string, RoleGrant> = new Map();
  /** Of roles that stand in JWTs themselves. */
  private readonly inlineGrants = new WeakMap<Role, Grant>();
  /** Of keys: one object for all who bring the same, until there is another document. */
  private readonly ofEntries = new WeakMap<KeyEntry, Identity>();
  /** One object each, so that those who come share it. */
  private readonly nobodies = new Map<boolean, Identity | Fault>();
  /** Of whoever brought the publish token as it is now. */
  private publisher: Identity;
  private publishToken: string;
  private tokenGeneration = 1;
  private poll: Timer | null = null;
  /** What was logged last of what is wrong. */
  private complaint: string | null = null;

  /** @throws SettingsError naming all that is wrong with the files. */
  constructor(private readonly options: AccessOptions) {
    const { settings, clock } = options;
    const faults: string[] = [];
    this.file = openFile(settings, faults);
    this.keys = openKeys(settings, clock, faults);
    if (faults.length > 0) throw new SettingsError(faults);
    this.webTokens = this.keys === null ? null : new WebTokens(settings, this.keys, clock);
    this.publishToken = settings.publishToken;
    this.publisher = publisherOf(this.tokenGeneration);
    this.settle();
  }

  private get document(): AccessDocument {
    return this.file?.value ?? NO_DOCUMENT;
  }

  /**
   * Who it is that nobody said.
   * @param local a program on this machine. It may do everything while there is no other way to say who one is.
   */
  anonymous(local: boolean): Identity | Fault {
    return this.nobodies.get(local)!;
  }

  /** Who brings an API key, a JWT or the publish token, whichever it is, or why it is not taken. Never rejects. */
  async authenticate(credential: string): Promise<Identity | Fault> {
    const known = this.known(credential);
    if (known !== null) return known;
    const bearer = await this.webTokens!.verify(credential);
    return 'code' in bearer ? bearer : this.byWebToken(bearer);
  }

  /** The same, where it is found out at once; null for a JWT that has to be verified first. */
  known(credential: string): Identity | Fault | null {
    if (credential.length > WEB_TOKEN_BYTES_MAX) return fault('bad-credential', `at most ${WEB_TOKEN_BYTES_MAX} bytes`);
    const { publishToken } = this;
    if (publishToken !== '' && isSameText(credential, publishToken)) return this.publisher;
    const id = keyIdOf(credential);
    if (id !== null) return this.byKey(credential, this.document.keys.get(id));
    if (!isWebToken(credential)) return fault('bad-credential', 'it has the shape of neither');
    if (this.webTokens === null) return fault('bad-credential', 'this gateway takes no JWTs');
    const bearer = this.webTokens.known(credential);
    return bearer === null ? null : this.byWebToken(bearer);
  }

  /**
   * What the identity may now: the same object where nothing has changed; a fault where it was revoked or has expired.
   * For every connection after a change, and from time to time: `untilMs` passes without one.
   */
  refresh(identity: Identity): Identity | Fault {
    // What was not made here follows nothing.
    if (identity.basis === undefined) return identity;
    const now = this.lookAgain(identity.basis);
    if ('code' in now || !isSame(now, identity)) return now;
    return identity;
  }

  private lookAgain(basis: Basis): Identity | Fault {
    if (basis.kind === 'nobody') return this.anonymous(basis.local);
    if (basis.kind === 'token') {
      const isCurrent = basis.generation === this.tokenGeneration && this.publishToken !== '';
      return isCurrent ? this.publisher : fault('bad-credential', 'the publish token is another now');
    }
    if (basis.kind === 'jwt') return this.byWebToken(basis.bearer);
    const entry = this.document.keys.get(basis.id);
    // Another key under the same id is not the one that was shown.
    if (entry?.sha256 !== basis.sha256) return fault('bad-credential', 'the key was revoked');
    return this.byEntry(entry);
  }

  /** Told after what identities may has changed. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Takes the publish token as the settings have it now; whoever came with another one is told that it is no good any more. */
  settingsChanged(): void {
    const { publishToken } = this.options.settings;
    if (publishToken === this.publishToken) return;
    this.publishToken = publishToken;
    this.tokenGeneration += 1;
    this.publisher = publisherOf(this.tokenGeneration);
    this.settle();
    for (const listener of this.listeners) listener();
  }

  /** Reads the files again. @returns what is wrong; null: nothing, and it holds from now on. */
  reload(): string | null {
    this.look(false);
    return this.trouble();
  }

  /** What is wrong with the files or the issuer's keys, for people; null: nothing. What was read before still holds. */
  trouble(): string | null {
    const faults = this.file?.trouble;
    const document = faults == null ? null : `the access document is not taken: ${faults.join('; ')}`;
    const both = [document, this.keys?.trouble() ?? null].filter((each) => each !== null);
    return both.length === 0 ? null : both.join('; ');
  }

  /** Looks at the files from time to time. */
  start(): void {
    const { settings, timers, log } = this.options;
    if ('code' in this.anonymous(false) && !this.takesCredentials()) {
      const { accessFile, anonymous } = SETTINGS;
      const reason = `set ${accessFile.env}, or ${anonymous.env}=on for all`;
      log.tell('access.shut', { host: settings.host, reason });
    }
    if (this.file === null && this.keys === null) return;
    const again = (): void => {
      this.look(true);
      this.poll = timers.after(POLL_MS, again);
    };
    this.poll = timers.after(POLL_MS, again);
  }

  stop(): void {
    this.poll?.cancel();
    this.poll = null;
  }

  /** JWTs whose signature was worked out, and those that were known already. */
  get counters(): WebTokens['counters'] | null {
    return this.webTokens?.counters ?? null;
  }

  private look(onlyIfChanged: boolean): void {
    this.keys?.reload(onlyIfChanged);
    if (this.file !== null && (!onlyIfChanged || this.file.isChanged()) && this.file.reload()) {
      this.settle();
      const { roles, keys } = this.file.value;
      this.options.log.tell('access.loaded', { roles: roles.size, keys: keys.size });
      for (const listener of this.listeners) listener();
    }
    const trouble = this.trouble();
    if (trouble !== null && trouble !== this.complaint) this.options.log.tell('access.fault', { reason: trouble });
    this.complaint = trouble;
  }

  /** After the document has become another. */
  private settle(): void {
    const before = new Map([...this.grants.values()].map(({ text, grant }) => [text, grant]));
    const named = [...this.document.roles].map(([name, role]): [string, RoleGrant] => {
      const text = JSON.stringify(role);
      return [name, { text, grant: before.get(text) ?? grantOf(role) }];
    });
    this.grants = new Map(named);
    for (const local of [false, true]) this.nobodies.set(local, this.nobody(local));
  }

  private nobody(local: boolean): Identity | Fault {
    const { anonymous, host } = this.options.settings;
    const basis = { kind: 'nobody', local } as const;
    if (local && anonymous !== 'off' && !this.takesCredentials()) {
      return { principal: 'local', via: 'local', grant: FULL_GRANT, untilMs: null, basis };
    }
    if (anonymous === 'off' || (anonymous === 'auto' && !isLoopbackHost(host))) return fault('unauthenticated');
    const role = this.document.anonymous;
    const grant = role === null ? READ_GRANT : this.grants.get(role)!.grant;
    return { principal: 'anonymous', via: 'anonymous', grant, untilMs: null, basis };
  }

  private takesCredentials(): boolean {
    return this.publishToken !== '' || this.keys !== null || this.document.keys.size > 0;
  }

  private byKey(key: string, entry: KeyEntry | undefined): Identity | Fault {
    return isKey(key, entry?.sha256) ? this.byEntry(entry!) : fault('bad-credential');
  }

  private byEntry(entry: KeyEntry): Identity | Fault {
    const { id, sha256, principal, role, untilMs } = entry;
    if (this.isOver(untilMs)) return fault('expired-credential');
    const known = this.ofEntries.get(entry);
    if (known !== undefined) return known;
    const { grant } = this.grants.get(role)!;
    const identity: Identity = { principal, via: 'key', grant, untilMs, basis: { kind: 'key', id, sha256 } };
    this.ofEntries.set(entry, identity);
    return identity;
  }

  private byWebToken(bearer: WebTokenBearer): Identity | Fault {
    const { principal, role, untilMs } = bearer;
    if (this.isOver(untilMs)) return fault('expired-credential');
    const grant =
      typeof role === 'object' && role !== null ? this.inline(role) : this.grants.get(role ?? DEFAULT_ROLE)?.grant;
    if (grant === undefined) {
      const unnamed = `the JWT names no role, and there is no role ${DEFAULT_ROLE} for those`;
      return fault('not-entitled', role === null ? unnamed : 'the JWT names a role that there is not');
    }
    return { principal, via: 'jwt', grant, untilMs, basis: { kind: 'jwt', bearer } };
  }

  private inline(role: Role): Grant {
    const known = this.inlineGrants.get(role) ?? grantOf(role);
    this.inlineGrants.set(role, known);
    return known;
  }

  private isOver(untilMs: number | null): boolean {
    return untilMs !== null && this.options.clock.nowUs() / 1_000 >= untilMs;
  }
}

function publisherOf(generation: number): Identity {
  return {
    principal: 'publish-token',
    via: 'token',
    grant: FULL_GRANT,
    untilMs: null,
    basis: { kind: 'token', generation },
  };
}

function isSame(one: Identity, other: Identity): boolean {
  const { principal, via, grant, untilMs } = one;
  return principal === other.principal && via === other.via && grant === other.grant && untilMs === other.untilMs;
}

function openFile({ accessFile }: Settings, faults: string[]): KeptFile<AccessDocument> | null {
  if (accessFile === '') return null;
  const read = (text: string) => {
    const parsed = parseDocument(text);
    return 'roles' in parsed ? { value: parsed } : { faults: parsed };
  };
  return orFaults(faults, `accessFile (${SETTINGS.accessFile.env}) ${accessFile}`, () => {
    return new KeptFile({ path: accessFile, bytesMax: DOCUMENT_BYTES_MAX, read });
  });
}

function openKeys(settings: Settings, clock: Clock, faults: string[]): IssuerKeys | null {
  const { jwksUrl, jwtKeyFile } = settings;
  if (jwksUrl !== '') return new RemoteKeys(jwksUrl, clock);
  if (jwtKeyFile === '') return null;
  return orFaults(faults, `jwtKeyFile (${SETTINGS.jwtKeyFile.env}) ${jwtKeyFile}`, () => {
    return new FileKeys(jwtKeyFile, algorithmsOf(settings.jwtAlgorithms));
  });
}

function orFaults<T>(faults: string[], name: string, open: () => T): T | null {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof FileFaults)) throw error;
    faults.push(...error.faults.map((each) => `${name}: ${each}`));
    return null;
  }
}
