// Owns the JSON Schema of a settings file, made from the table of settings. `tickwire config schema` prints it, and editors check files
// with it. Invariant: a file that the schema refuses is one that the reader refuses.

import type { Setting } from './setting.ts';
import { SETTINGS } from './settings.ts';

/** JSON Schema 2020-12 of a whole file. */
export function settingsSchema(): object {
  const properties = Object.entries<Setting>(SETTINGS).map(([name, setting]) => [name, propertyOf(setting)]);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Tickwire settings',
    type: 'object',
    additionalProperties: false,
    // Editors look for the first in JSON files; the reader passes over it.
    properties: { $schema: { type: 'string' }, ...Object.fromEntries(properties) },
  };
}

function propertyOf(setting: Setting): object {
  const { about, env, live, min, max, choices, pattern, list, default: preset } = setting;
  const description = `${about} ${live === true ? 'Changes live with SIGHUP' : 'Holds from the next start on'}. Variable: ${env}.`;
  const shared = { description, default: preset };
  if (typeof preset === 'number') return { ...shared, type: 'integer', minimum: min, maximum: max };
  const text = {
    type: 'string',
    ...(choices !== undefined && { enum: choices }),
    ...(pattern !== undefined && { pattern: pattern.source }),
  };
  if (list !== true) return { ...shared, ...text };
  return { ...shared, anyOf: [text, { type: 'array', items: { type: 'string', pattern: '^[^,]*$' } }] };
}
