// Holds the settings of the way in: TLS files that go together, and proxies that are addresses.

import { describe, expect, test } from 'vitest';
import { readSettings, type Settings } from '../../src/settings/settings.ts';

const TOGETHER = 'tlsCert (TICKWIRE_TLS_CERT) and tlsKey (TICKWIRE_TLS_KEY) go together: set both or none';
const NO_KEY = 'tlsPassphraseFile (TICKWIRE_TLS_PASSPHRASE_FILE) is set, but no tlsKey (TICKWIRE_TLS_KEY)';

describe('the way in', () => {
  test.each<[string, Partial<Settings>, string[]]>([
    ['a certificate without its key', { tlsCert: 'c' }, [TOGETHER]],
    ['a key without its certificate', { tlsKey: 'k' }, [TOGETHER]],
    ['a passphrase without a key', { tlsPassphraseFile: 'p' }, [NO_KEY]],
    ['a passphrase and half of the rest', { tlsCert: 'c', tlsPassphraseFile: 'p' }, [TOGETHER, NO_KEY]],
    [
      'a proxy by its name',
      { trustedProxies: '::1, proxy' },
      [expect.stringMatching(/^trustedProxies \(TICKWIRE_TRUSTED_PROXIES\): "proxy" is neither/)],
    ],
  ])('%s is a fault', (_, overrides, faults) => {
    expect(() => readSettings(overrides, {})).toThrow(expect.objectContaining({ faults }));
  });
  test('all of it together is none', () => {
    const good = { tlsCert: 'c', tlsKey: 'k', tlsPassphraseFile: 'p', trustedProxies: '10.0.0.0/8, ::1' };
    expect(readSettings(good, {})).toMatchObject(good);
  });
});
