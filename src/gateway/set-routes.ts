// Owns the HTTP endpoints of named sets: list, look at, put and delete. The HTTP API routes to it.
// Invariant: a set is put whole or not at all.

import Type from 'typebox';
import { Compile } from 'typebox/compile';
import type { SymbolSet, SymbolSets } from '../market/sets.ts';
import { type Fault, fault } from '../protocol/errors.ts';

const SET_BODY = Compile(Type.Object({ symbols: Type.Array(Type.String()) }, { additionalProperties: false }));

/** @returns the set, or why there is none. */
export function getSet(sets: SymbolSets, name: string): SymbolSet | Fault {
  const { symbols } = sets.get(name) ?? {};
  return symbols === undefined ? fault('unknown-set', name.slice(0, 48)) : { name, symbols };
}

/** @returns the set as it is now, or what is wrong with the body. */
export function putSet(sets: SymbolSets, name: string, body: unknown): SymbolSet | Fault {
  if (!SET_BODY.Check(body)) {
    const [first] = SET_BODY.Errors(body);
    return fault('bad-set', `${first?.instancePath.slice(1) || 'body'}: ${first?.message ?? 'not as documented'}`);
  }
  const { symbols } = body as { symbols: string[] };
  const wrong = sets.put({ name, symbols });
  return wrong === null ? { name, symbols } : fault('bad-set', wrong);
}

/** @returns what was done, or why nothing was. */
export function deleteSet(sets: SymbolSets, name: string): { readonly name: string; readonly deleted: true } | Fault {
  return sets.delete(name) ? { name, deleted: true } : fault('unknown-set', name.slice(0, 48));
}
