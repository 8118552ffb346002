// Holds the settings: defaults below the environment below flags, every fault reported together, nothing that is read by
// nobody, and a page that says what the table in the code says.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { settingsPage } from '../../scripts/settings-page.ts';
import { packageVersion, readSettings, SETTINGS, type Settings, SettingsError } from '../../src/settings/settings.ts';

const names = Object.keys(SETTINGS) as (keyof Settings)[];
const numbers = names.filter((name) => typeof SETTINGS[name].default === 'number');

/** Makes room for any number of symbols per request. */
const ROOMY = { symbolsPerRequestMax: 1, controlBytesMax: SETTINGS.controlBytesMax.max };

/** The faults of a configuration. */
function faultsOf(overrides: Partial<Settings>, environment: Record<string, string> = {}): readonly string[] {
  try {
    readSettings(overrides, environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

describe('where a setting comes from', () => {
  test('the defaults hold where nothing is said', () => {
    const presets = Object.fromEntries(names.map((name) => [name, SETTINGS[name].default]));
    expect(readSettings({}, {})).toEqual(presets);
  });
  test('the environment goes before the defaults, and flags before both', () => {
    const environment = { TICKWIRE_PORT: '9101', TICKWIRE_HOST: '::', TICKWIRE_LOG_LEVEL: 'debug' };
    expect(readSettings({}, environment)).toMatchObject({
      port: 9_101,
      host: '::',
      logLevel: 'debug',
      adminPort: 9_002,
    });
    expect(readSettings({ port: 0 }, environment)).toMatchObject({ port: 0, host: '::' });
  });
  test('each has an environment variable of its own, and all are read', () => {
    const variables = names.map((name) => SETTINGS[name].env);
    expect(new Set(variables).size).toBe(names.length);
    for (const name of numbers) {
      const { env, max } = SETTINGS[name] as { env: string; max: number };
      const { [name]: _, ...others } = { ...ROOMY, controlBytesMax: 67_108_864 } as Partial<Settings>;
      expect(readSettings(others, { [env]: String(max) })[name], env).toBe(max);
    }
  });
  test('an empty number in the environment is none', () => {
    expect(readSettings({}, { TICKWIRE_PORT: '' }).port).toBe(SETTINGS.port.default);
  });
  test('what is in the environment beside them does not matter', () => {
    expect(readSettings({}, { PORT: '1', TICKWIRE_NOTHING: 'x' })).toEqual(readSettings({}, {}));
  });
  test('they can not be changed afterwards', () => {
    const settings = readSettings({}, {}) as { port: number };
    expect(() => {
      settings.port = 1;
    }).toThrow(TypeError);
  });
});

describe('what can not work', () => {
  test('is reported all at once, with the variable, the value and what it may be', () => {
    const environment = {
      TICKWIRE_PORT: '65536',
      TICKWIRE_ADMIN_PORT: 'ninety',
      TICKWIRE_STALE_AFTER_MS: '1.5',
      TICKWIRE_LOG_LEVEL: 'loud',
    };
    const faults = faultsOf({ subscriptionsMax: 0 }, environment);
    expect(faults).toEqual([
      'port (TICKWIRE_PORT) is 65536, not an integer from 0 to 65535',
      'TICKWIRE_ADMIN_PORT is "ninety", not a whole number',
      'logLevel (TICKWIRE_LOG_LEVEL) is "loud", not one of fatal, error, warn, info, debug, trace, silent',
      'subscriptionsMax (TICKWIRE_SUBSCRIPTIONS_MAX) is 0, not an integer from 1 to 1000000',
      'TICKWIRE_STALE_AFTER_MS is "1.5", not a whole number',
    ]);
    expect(new SettingsError(faults).message.split('\n')).toHaveLength(6);
  });
  test.each(numbers)('%s outside its range', (name) => {
    const { min, max } = SETTINGS[name] as { min: number; max: number };
    for (const bad of [min - 1, max + 1, min + 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(faultsOf({ ...ROOMY, [name]: bad })[0], String(bad)).toMatch(`${name} (`);
    }
    for (const good of [min, max]) expect(faultsOf({ ...ROOMY, [name]: good })).toEqual([]);
  });
  test.each(['9001x', 'NaN', 'Infinity', '0x2329', '1e3', ' ', '9 001', '-1', '9001.0', '+9001', '9'.repeat(400)])(
    'a number in the environment that is not plainly one: %j',
    (text) => {
      expect(faultsOf({}, { TICKWIRE_PORT: text })).toHaveLength(1);
    },
  );
  test('a token that no header can carry, without repeating it', () => {
    for (const token of ['with space', 'line\nbreak', 'ümlaut', '\u0000']) {
      const faults = faultsOf({}, { TICKWIRE_PUBLISH_TOKEN: token });
      expect(faults).toHaveLength(1);
      expect(faults[0]).toContain('TICKWIRE_PUBLISH_TOKEN');
      expect(faults[0]).not.toContain(token);
    }
    expect(faultsOf({ publishToken: 'abc-DEF_123.~+/=' })).toEqual([]);
  });
  test('an answer to one request that would not fit the lane of answers', () => {
    expect(faultsOf({ symbolsPerRequestMax: 1_024 })).toEqual([]);
    const [complaint, ...others] = faultsOf({ symbolsPerRequestMax: 1_025 });
    expect(others).toEqual([]);
    expect(complaint).toContain('controlBytesMax (TICKWIRE_CONTROL_BYTES_MAX) is 1048576, less than');
  });
  test('no host', () => {
    expect(faultsOf({ host: '' })).toEqual(['host (--host) is empty']);
    expect(faultsOf({}, { TICKWIRE_HOST: '' })).toEqual(['host (TICKWIRE_HOST) is empty']);
  });
});

describe('the table', () => {
  test('has a unit or a kind in each name, and a reason in each line', () => {
    for (const name of numbers) expect(name).toMatch(/(Max|Ms|Sec|[pP]ort|Topics|^plainPublish)$/);
    for (const name of names) expect(SETTINGS[name].about).toMatch(/^[A-Z].{20,}\.$/);
  });
  test('has defaults that are valid', () => {
    for (const name of numbers) expect(faultsOf({ [name]: SETTINGS[name].default })).toEqual([]);
  });
  test('has nothing that nobody reads', () => {
    const root = new URL('../../src/', import.meta.url);
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
    const code = files
      .filter((path) => path.endsWith('.ts') && !path.endsWith('settings.ts'))
      .map((path) => readFileSync(new URL(path.replaceAll('\\', '/'), root), 'utf8'))
      .join('\n');
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(code))).toEqual([]);
  });
  test('is what docs/settings.md says (else: npx tsx scripts/settings-page.ts)', () => {
    expect(readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8')).toBe(settingsPage());
  });
});

test('the page also names what else is read from the environment', () => {
  const code = readFileSync(new URL('../../src/settings/settings.ts', import.meta.url), 'utf8');
  const others = [...code.matchAll(/\benvironment(?:\.|\[')([A-Z_]+)/g)].map(([, name]) => name!);
  const section = settingsPage().split('## Beside the gateway')[1] ?? '';
  const documented = [...section.matchAll(/^- `([A-Z_]+)`/gm)].map(([, name]) => name!);
  expect(documented.sort()).toEqual([...new Set(others)].sort());
});

test('the version is that of the package', () => {
  expect(packageVersion()).toMatch(/^\d+\.\d+\.\d+$/);
});
