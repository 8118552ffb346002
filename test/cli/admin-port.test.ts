// Holds the commands that ask an admin port to bringing its token, from wherever the settings have it, and to saying what is wrong
// where it is missing or another.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freshFolder } from '../sessions/access-scene.ts';
import { run } from './command.ts';
import { startDemo } from './gateway.ts';

const TOKEN = 'an-admin-token-of-some-length';

describe('where the gateway has an admin token', () => {
  test.each(['TICKWIRE_ADMIN_TOKEN', 'TICKWIRE_ADMIN_TOKEN_FILE'])('top brings the one of %s', async (name) => {
    const { gateway } = await startDemo({ adminToken: TOKEN });
    const file = join(freshFolder(), 'token');
    writeFileSync(file, `${TOKEN}\n`);
    const environment = { [name]: name.endsWith('_FILE') ? file : TOKEN };
    const { code, stdout, stderr } = await run(['top', '--json', '--admin', gateway.adminUrl], environment);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ total: 0 });
  });

  test('drain brings it, and the gateway drains', async () => {
    const { gateway } = await startDemo({ adminToken: TOKEN, drainMs: 0 });
    const args = ['drain', '--no-wait', '--admin', gateway.adminUrl];
    expect((await run(args)).code).toBe(1);
    expect(gateway.readiness().ready).toBe(true);
    const { code, stdout } = await run(args, { TICKWIRE_ADMIN_TOKEN: TOKEN });
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${gateway.adminUrl} drains: 0 clients to go\n` });
    await gateway.drained;
  });

  test.each([
    [
      'none',
      {},
      /^tickwire: \S+ does not answer everybody: set TICKWIRE_ADMIN_TOKEN to the token that the gateway has\n$/,
    ],
    [
      'another',
      { TICKWIRE_ADMIN_TOKEN: `${TOKEN}x` },
      /: TICKWIRE_ADMIN_TOKEN is not the token that the gateway has\n$/,
    ],
  ])('who brings %s is told so, and the token is not repeated', async (_, environment, sentence) => {
    const { gateway } = await startDemo({ adminToken: TOKEN });
    const { code, stdout, stderr } = await run(['top', '--once', '--admin', gateway.adminUrl], environment);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toContain(TOKEN);
  });
});

test('the earlier flag --url does the same', async () => {
  const { gateway } = await startDemo();
  const { code, stdout } = await run(['top', '--json', '--url', gateway.adminUrl]);
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { total: 0 }]);
});
