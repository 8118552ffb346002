// Owns the access document: roles by name, who has which, and the hashes of API keys. Access reads it, `tickwire key` adds to it.
// Invariant: what comes out is whole and consistent, every role that is named is there; else all that is wrong is named with
// its path, and nothing of a key's hash.

import Type, { type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { isSymbol } from '../market/instrument.ts';
import { isWildcard } from '../market/sets.ts';
import { CHANNELS, DEPTHS } from '../protocol/frames.ts';
import { KEY_ID } from './api-keys.ts';
import type { Role, SubscribeRule, TopicRule } from './grant.ts';

/** An API key, as far as the gateway knows it. */
export interface KeyEntry {
  readonly id: string;
  /** Of the whole key, in hex. */
  readonly sha256: string;
  readonly principal: string;
  /** A name among the roles. */
  readonly role: string;
  /** Wall clock, milliseconds since 1970; null: for ever. */
  readonly untilMs: number | null;
}

export interface AccessDocument {
  readonly roles: ReadonlyMap<string, Role>;
  /** The role of those who do not say who they are; null: all reading, no publishing. */
  readonly anonymous: string | null;
  /** By id. */
  readonly keys: ReadonlyMap<string, KeyEntry>;
}

/** What holds where there is no document. */
export const NO_DOCUMENT: AccessDocument = { roles: new Map(), anonymous: null, keys: new Map() };

/** Room for some 50,000 keys. */
export const DOCUMENT_BYTES_MAX = 16_777_216;
const ROLES_MAX = 1_000;
const RULES_MAX = 256;
const RULE_SYMBOLS_MAX = 10_000;
/** They are tried one by one where a symbol is new: some 30 µs. */
const WILDCARDS_MAX = 256;
/** More are counted: somebody who sees this many knows what to do. */
const FAULTS_SHOWN = 100;
const ROLE_NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** Printable ASCII: it stands in logs and in metrics. */
const PRINCIPAL = '^[ -~]{1,128}$';
/** Those who have shown nothing are told from all others by their names. */
const RESERVED = ['anonymous', 'local', 'publish-token'];

const whole = (maximum: number): TSchema => Type.Optional(Type.Integer({ minimum: 0, maximum }));
const topicRule = {
  channels: Type.Array(Type.Enum(['*', ...CHANNELS]), { minItems: 1 }),
  symbols: Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: RULE_SYMBOLS_MAX }),
};
const exact = { additionalProperties: false };

// Each piece has a check of its own: one check of the whole names eight faults at most.
const DOCUMENT = Compile(
  Type.Object(
    {
      $schema: Type.Optional(Type.String()),
      roles: Type.Record(Type.String({ pattern: '^[^]*$' }), Type.Unknown(), { maxProperties: ROLES_MAX }),
      anonymous: Type.Optional(Type.String()),
      keys: Type.Optional(Type.Array(Type.Unknown())),
    },
    exact,
  ),
);
const ROLE = Compile(
  Type.Object(
    {
      subscribe: Type.Optional(Type.Array(Type.Unknown(), { maxItems: RULES_MAX })),
      publish: Type.Optional(Type.Array(Type.Unknown(), { maxItems: RULES_MAX })),
      defines: Type.Optional(Type.Boolean()),
      bytesPerSec: whole(1_000_000_000),
      connections: whole(1_000_000),
      publishPerSec: whole(1_000_000),
    },
    exact,
  ),
);
const SUBSCRIBE_RULE = Compile(
  Type.Object(
    {
      ...topicRule,
      depth: Type.Optional(Type.Enum([...DEPTHS])),
      intervalMs: whole(60_000),
      raw: Type.Optional(Type.Boolean()),
    },
    exact,
  ),
);
const PUBLISH_RULE = Compile(Type.Object(topicRule, exact));
const KEY = Compile(
  Type.Object(
    {
      id: Type.String({ pattern: KEY_ID }),
      sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
      principal: Type.String({ pattern: PRINCIPAL }),
      role: Type.String(),
      expires: Type.Optional(Type.String()),
    },
    exact,
  ),
);

/** Whether somebody may have that name. */
export function isPrincipal(name: string): boolean {
  return new RegExp(PRINCIPAL).test(name) && !RESERVED.includes(name);
}

/** Whether a role may have that name. */
export function isRoleName(name: string): boolean {
  return ROLE_NAME.test(name);
}

/** @returns the document, or all that is wrong with it, each with its path. */
export function parseDocument(text: string): AccessDocument | readonly string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return [`it is not JSON: ${error instanceof SyntaxError ? placeOf(error, text) : 'it can not be read'}`];
  }
  return readDocument(value);
}

/** The same of what was parsed already. */
export function readDocument(value: unknown): AccessDocument | readonly string[] {
  const faults = schemaFaults(DOCUMENT, value, '');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return faults;
  const { roles: rolesGiven, anonymous, keys: keysGiven } = value as Readonly<Record<string, unknown>>;
  const roles = new Map(typeof rolesGiven === 'object' && rolesGiven !== null ? Object.entries(rolesGiven) : []);
  for (const [name, role] of roles) {
    if (!isRoleName(name)) faults.push(`roles: the name ${shown(name)} is not 1 to 64 of A-Za-z0-9._-`);
    else faults.push(...faultsOfRole(role, `roles.${name}`));
  }
  if (typeof anonymous === 'string') checkRoleName(anonymous, roles, 'anonymous', faults);
  const keys = readKeys(Array.isArray(keysGiven) ? keysGiven : [], roles, faults);
  if (faults.length > 0) return shortened(faults);
  return {
    roles: roles as ReadonlyMap<string, Role>,
    anonymous: typeof anonymous === 'string' ? anonymous : null,
    keys,
  };
}

/** All that is wrong with what should be a role, each with its path; values are not repeated. */
export function faultsOfRole(value: unknown, path: string): string[] {
  const faults = schemaFaults(ROLE, value, path);
  const { subscribe, publish } = (value ?? {}) as Readonly<Record<string, unknown>>;
  for (const [name, rules, check] of [
    ['subscribe', subscribe, SUBSCRIBE_RULE],
    ['publish', publish, PUBLISH_RULE],
  ] as const) {
    if (!Array.isArray(rules)) continue;
    let wildcards = 0;
    rules.slice(0, RULES_MAX).forEach((rule: unknown, index) => {
      const place = `${path}.${name}.${index}`;
      const wrong = schemaFaults(check, rule, place);
      faults.push(...wrong, ...(wrong.length === 0 ? ruleFaults(rule as SubscribeRule, place) : []));
      if (wrong.length === 0) wildcards += (rule as TopicRule).symbols.filter((each) => each.includes('*')).length;
    });
    if (wildcards > WILDCARDS_MAX) faults.push(`${path}.${name}: ${wildcards} wildcards, at most ${WILDCARDS_MAX}`);
  }
  return faults;
}

function ruleFaults({ symbols, depth = 0, intervalMs = 0, raw }: SubscribeRule, path: string): string[] {
  const faults: string[] = [];
  symbols.forEach((symbol, index) => {
    if (isSymbol(symbol) || isWildcard(symbol)) return;
    faults.push(`${path}.symbols.${index}: must be a symbol or a wildcard such as *-USD; sets are not taken here`);
  });
  if (raw === true && (depth !== 0 || intervalMs !== 0)) {
    faults.push(`${path}: raw is every update of the full book: leave out depth and intervalMs, or raw`);
  }
  return faults;
}

function readKeys(
  entries: readonly unknown[],
  roles: ReadonlyMap<string, unknown>,
  faults: string[],
): Map<string, KeyEntry> {
  const keys = new Map<string, KeyEntry>();
  entries.forEach((value, index) => {
    const path = `keys.${index}`;
    const wrong = schemaFaults(KEY, value, path);
    faults.push(...wrong);
    if (wrong.length > 0) return;
    const { expires, ...entry } = value as Omit<KeyEntry, 'untilMs'> & { readonly expires?: string };
    checkRoleName(entry.role, roles, `${path}.role`, faults);
    if (!isPrincipal(entry.principal)) faults.push(`${path}.principal: the name ${entry.principal} is taken`);
    if (keys.has(entry.id)) faults.push(`${path}.id: there is another key ${entry.id}`);
    const untilMs = expires === undefined ? null : momentOf(expires);
    if (Number.isNaN(untilMs))
      faults.push(`${path}.expires: must be a date such as 2027-01-01 or 2027-01-01T12:00:00Z`);
    keys.set(entry.id, { ...entry, untilMs });
  });
  return keys;
}

/** Wall clock ms of a date (its first moment, UTC) or of a moment with its zone; NaN where it is neither. */
export function momentOf(text: string): number {
  const match = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/.exec(text);
  const day = new Date(match?.[1] ?? '');
  // The 30th of February is read as a day of March.
  if (Number.isNaN(day.getTime()) || day.toISOString().slice(0, 10) !== match?.[1]) return Number.NaN;
  return Date.parse(text);
}

function checkRoleName(name: string, roles: ReadonlyMap<string, unknown>, path: string, faults: string[]): void {
  if (!roles.has(name)) faults.push(`${path}: there is no role ${shown(name)} among the roles`);
}

/** What a schema complains of. */
function schemaFaults(check: ReturnType<typeof Compile>, value: unknown, path: string): string[] {
  if (check.Check(value)) return [];
  return [...check.Errors(value)].flatMap(({ keyword, instancePath, params, message }) => {
    const place = [...(path === '' ? [] : [path]), ...instancePath.split('/').slice(1)].join('.') || 'the document';
    // What is unknown is complained of twice: by its own path, and by that of what it is in.
    if (keyword === 'additionalProperties') return [];
    if (keyword === 'boolean') return [`${place.slice(0, 200)}: is not known here`];
    const allowed = keyword === 'enum' ? `: ${(params as { allowedValues: unknown[] }).allowedValues.join(', ')}` : '';
    return [`${place.slice(0, 200)}: ${message}${allowed}`];
  });
}

function shortened(faults: readonly string[]): readonly string[] {
  if (faults.length <= FAULTS_SHOWN) return faults;
  return [...faults.slice(0, FAULTS_SHOWN), `and ${faults.length - FAULTS_SHOWN} more`];
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}

/** Where JSON breaks off. The engine's own sentence quotes what stands around it: that may be a hash. */
function placeOf({ message }: SyntaxError, text: string): string {
  const offset = /position (\d+)/.exec(message)?.[1];
  if (offset !== undefined) return `it breaks off in line ${text.slice(0, Number(offset)).split('\n').length}`;
  const token = /^Unexpected token '?(.)/u.exec(message)?.[1];
  return token === undefined ? 'it ends too early' : `there is a ${JSON.stringify(token)} that can't be`;
}
