// Holds the JSON Schema of settings files against what reads them: both take a file that has everything, and whatever the schema
// refuses the reader refuses.

import { writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { settingsPage } from '../../scripts/settings-page.ts';
import { settingsSchema } from '../../src/settings/schema.ts';
import type { Setting } from '../../src/settings/setting.ts';
import { readConfiguration, SETTINGS, SettingsError } from '../../src/settings/settings.ts';
import { fileWith } from './folder.ts';

const conforms = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true }).compile(settingsSchema());
const table = Object.entries<Setting>(SETTINGS);

/** What the reader says of a file; empty where it takes it. */
function faultsOf(content: string, file = fileWith(content)): readonly string[] {
  try {
    writeFileSync(file, content);
    readConfiguration({ environment: {}, file });
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
}

describe('a file that has everything', () => {
  test('is taken by both, as it is printed', () => {
    const all = Object.fromEntries(table.map(([name, { default: preset }]) => [name, preset]));
    expect(conforms(all), JSON.stringify(conforms.errors)).toBe(true);
    expect(faultsOf(JSON.stringify(all))).toEqual([]);
  });
  test('is taken by both with other values than the defaults', () => {
    const key = 'k'.repeat(43);
    const all = {
      $schema: 'settings.schema.json',
      ...Object.fromEntries(table.flatMap(([name, { min }]) => (min === undefined ? [] : [[name, min]]))),
      symbolsPerRequestMax: 1,
      origins: ['https://a.example', 'http://b.example:8080'],
      trustedProxies: ['10.0.0.0/8', '::1'],
      jwtAlgorithms: ['ES256'],
      resumeKeys: [`a:${key}`],
      adminHost: '0.0.0.0',
      adminToken: 'x'.repeat(16),
      logLevel: 'debug',
      anonymous: 'on',
    };
    expect(conforms(all), JSON.stringify(conforms.errors)).toBe(true);
    expect(faultsOf(JSON.stringify(all))).toEqual([]);
  });
  test('the example of docs/settings.md is one that works', () => {
    const [, example = ''] = /```yaml\n([^`]+)```/.exec(settingsPage()) ?? [];
    expect(conforms(parse(example)), JSON.stringify(conforms.errors)).toBe(true);
    expect(faultsOf(example)).toEqual([]);
  });
});

describe('the schema', () => {
  const texts = ' x 9001 info on redis://host http://host ::1 https://a.example tick:wire * ES256'.split(' ');
  const values: readonly unknown[] = [
    ...[-1, 0, 1, 1.5, 65_535, 65_536, 1e9, 1e300, true, null, 'a b', 'ü', 'x'.repeat(65)],
    ...texts,
    ...[[], ['x'], ['a', 'b'], ['a,b'], [1], [['x']], {}, { a: 1 }],
  ];
  test.each(table)('%s: what it refuses the reader refuses', (name) => {
    const path = fileWith('');
    let refused = 0;
    for (const value of values) {
      const file = { [name]: value };
      if (conforms(file)) continue;
      refused += 1;
      expect(faultsOf(JSON.stringify(file), path).join('\n'), JSON.stringify(file)).toMatch(`${name} (`);
    }
    expect(refused).toBeGreaterThan(5);
  });
  test.each(table.filter(([, { min }]) => min !== undefined))(
    '%s: it takes exactly the range that the reader takes',
    (name, setting) => {
      const { min, max } = setting as { min: number; max: number };
      // Others may not go with it; this one is never complained of.
      const complaint = `${name} (`;
      for (const value of [min - 1, min, max, max + 1, min + 0.5]) {
        const isTaken = !faultsOf(JSON.stringify({ [name]: value })).some(
          (each) => each.startsWith(complaint) && each.includes('an integer'),
        );
        expect(conforms({ [name]: value }), `${value}`).toBe(isTaken);
      }
    },
  );
  test.each(['conectionsMax', 'toString', '__proto__', 'PORT', ''])(
    'refuses the name %j, as the reader does',
    (name) => {
      const file = `{${JSON.stringify(name)}: 1}`;
      expect(conforms(JSON.parse(file))).toBe(false);
      expect(faultsOf(file)).toHaveLength(1);
    },
  );
  test('says of each setting what it is for, its default, and whether it changes live', () => {
    const { properties } = settingsSchema() as {
      properties: Record<string, { description: string; default: unknown }>;
    };
    for (const [name, { about, env, live, default: preset }] of table) {
      const { description, default: stated } = properties[name]!;
      expect(description).toContain(about);
      expect(description).toContain(env);
      expect(description.includes('Changes live')).toBe(live === true);
      expect(stated).toBe(preset);
    }
  });
});
