// Holds the whole process to its silence: with recognisable secrets of every kind, brought, refused, changed and mistaken, at the most
// talkative level, none of them is in anything that it prints.

import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { newKey } from '../../src/sessions/api-keys.ts';
import { freshFolder } from '../sessions/access-scene.ts';
import { run } from './command.ts';
import { ensureBuilt, startIn } from './process.ts';

beforeAll(ensureBuilt);

const FIXTURES = join(import.meta.dirname, '../gateway/fixtures');
const MARK = 'SesameOfThisTest';
/** The secret ends a key; it may hold the underscores that stand before it. */
const SECRET_CHARS = 43;
const SECRETS = {
  TICKWIRE_PUBLISH_TOKEN: `publish-${MARK}`,
  TICKWIRE_ADMIN_TOKEN: `admin-${MARK}-0123456789`,
  TICKWIRE_RESUME_KEYS: `k1:${MARK}${'r'.repeat(43)}`,
};
const JWT_SECRET = `${MARK}-of-the-issuer-0123456789abcdef`;
const PASSPHRASE = `passphrase-${MARK}`;

function files(folder: string) {
  const at = (name: string): string => join(folder, name);
  const key = createPrivateKey(readFileSync(join(FIXTURES, 'first-key.pem')));
  const locked = key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE });
  copyFileSync(join(FIXTURES, 'first-cert.pem'), at('cert.pem'));
  writeFileSync(at('key.pem'), locked);
  writeFileSync(at('passphrase'), PASSPHRASE);
  writeFileSync(at('jwt.secret'), JWT_SECRET);
  return {
    TICKWIRE_TLS_CERT: at('cert.pem'),
    TICKWIRE_TLS_KEY: at('key.pem'),
    TICKWIRE_TLS_PASSPHRASE_FILE: at('passphrase'),
    TICKWIRE_JWT_KEY_FILE: at('jwt.secret'),
    TICKWIRE_JWT_ALGORITHMS: 'HS256',
    TICKWIRE_JWT_ISSUER: 'https://issuer.example',
    TICKWIRE_JWT_AUDIENCE: 'market-data',
    TICKWIRE_ACCESS: at('access.json'),
  };
}

function jwt(secret: string): Promise<string> {
  const claims = { tickwire: { subscribe: [{ channels: ['*'], symbols: ['*'] }] } };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('https://issuer.example')
    .setAudience('market-data')
    .setSubject('desk-b')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret));
}

interface Told {
  readonly frames: string;
  readonly socket: WebSocket;
}

/** Connects, says this, and hears the answer to it, or how it is refused. */
async function heard(
  stream: string,
  headers: Record<string, string>,
  protocols: string[],
  ...said: object[]
): Promise<Told> {
  const socket = new WebSocket(stream, protocols, { headers, rejectUnauthorized: false });
  let frames = '';
  const enough = new Promise<void>((resolve) => {
    socket.on('message', (bytes: Buffer) => {
      const text = bytes.toString();
      frames += text;
      if (text.includes('"welcome"')) for (const each of said) socket.send(JSON.stringify(each));
      if (frames.includes(said.length > 0 ? '"pong"' : '"welcome"')) resolve();
    });
    socket.on('close', () => resolve());
    socket.on('error', () => resolve());
  });
  await enough;
  return { frames, socket };
}

/** The status of an answer of the public port. */
async function asked(url: string, path: string, authorization: string, body?: string): Promise<number> {
  const asking = request(`${url}${path}`, {
    ...{ method: body === undefined ? 'GET' : 'POST', rejectUnauthorized: false, agent: false },
    headers: { Authorization: authorization },
  });
  asking.end(body);
  const [response] = (await once(asking, 'response')) as [import('node:http').IncomingMessage];
  response.resume();
  return response.statusCode!;
}

test('no secret is in anything that a gateway prints, whatever becomes of those who bring it', async () => {
  const folder = freshFolder();
  const environment = { ...files(folder), ...SECRETS };
  const desk = newKey('desk-a');
  const other = newKey('desk-x');
  const document = (keys: unknown[]): string =>
    JSON.stringify({ roles: { all: { subscribe: [{ channels: ['*'], symbols: ['*'] }] } }, keys });
  const entry = { id: 'desk-a', sha256: desk.sha256, principal: 'desk-a', role: 'all' };
  writeFileSync(environment.TICKWIRE_ACCESS, document([entry]));
  const [good, bad] = await Promise.all([jwt(JWT_SECRET), jwt(`${JWT_SECRET}-not`)]);
  const flags = ['serve', '--port', '0', '--admin-port', '0', '--json'];
  const gateway = startIn(
    {
      ...environment,
      TICKWIRE_LOG_LEVEL: 'trace',
      TICKWIRE_LOG_LINES_PER_SEC_MAX: '0',
      TICKWIRE_DRAIN_MS: '0',
    },
    ...flags,
  );
  const [line] = await gateway.says(/^\{.*\}$/m);
  const { url, stream, admin } = JSON.parse(line) as { url: string; stream: string; admin: string };

  const bearer = (credential: string) => ({ Authorization: `Bearer ${credential}` });
  const ping = { op: 'ping', id: 1 };
  const resumed: string[] = [];
  for (const credential of [desk.key, other.key, good, bad, SECRETS.TICKWIRE_PUBLISH_TOKEN, `wrong-${MARK}`]) {
    const first = await heard(stream, bearer(credential), [], ping);
    resumed.push(/"token":"([^"]+)"/.exec(first.frames)?.[1] ?? '');
    await heard(stream, {}, ['tickwire.v1.json', `tickwire.bearer.${credential}`], ping);
    const late = await heard(stream, {}, [], { op: 'auth', id: 2, credential }, ping);
    await heard(stream.replace('/v1/stream', '/v1/publish/stream'), bearer(credential), ['tickwire.v1.json']);
    await asked(url, '/v1/instruments', `Bearer ${credential}`);
    await asked(url, `/v1/nothing?token=${credential}`, `Bearer ${credential}`);
    await asked(url, '/v1/publish', `Bearer ${credential}`, '{"symbol":"A","type":"trade","price":"1","size":"1"}');
    await fetch(`${admin}/v1/admin/${credential}`, { headers: bearer(credential) });
    first.socket.terminate();
    late.socket.terminate();
  }
  expect(resumed.filter((token) => token !== '').length).toBeGreaterThanOrEqual(3);
  for (const token of resumed.filter((each) => each !== '')) {
    const resume = { op: 'resume', id: 3, token };
    (await heard(stream, bearer(desk.key), [], resume, resume, ping)).socket.terminate();
    (await heard(stream, bearer(good), [], { ...resume, token: `${token}x` }, ping)).socket.terminate();
  }
  const authorized = { headers: bearer(SECRETS.TICKWIRE_ADMIN_TOKEN) };
  expect((await fetch(`${admin}/v1/admin/stats`, authorized)).status).toBe(200);

  // Files that are broken by what they hold.
  writeFileSync(environment.TICKWIRE_ACCESS, `{"keys": ["${desk.key}"], "${MARK}`);
  writeFileSync(environment.TICKWIRE_TLS_PASSPHRASE_FILE, `wrong-${PASSPHRASE}`);
  writeFileSync(environment.TICKWIRE_JWT_KEY_FILE, MARK);
  gateway.send('SIGHUP');
  await gateway.says(/settings\.kept/, 'stderr');
  const { code, stdout, stderr } = await gateway.signal('SIGTERM');
  expect(code).toBe(0);

  const events = new Set(
    stderr
      .trim()
      .split('\n')
      .map((each) => (JSON.parse(each) as { event: string }).event),
  );
  for (const event of [
    'client.opened',
    'client.refused',
    'publisher.opened',
    'admin.refused',
    'request.refused',
    'certificate.kept',
  ]) {
    expect(events).toContain(event);
  }
  const secrets = [MARK, desk.key, other.key, good, bad, ...resumed.filter((token) => token !== '')];
  for (const secret of [...secrets, good.split('.')[2]!, desk.key.slice(-SECRET_CHARS)]) {
    expect(stdout).not.toContain(secret);
    expect(stderr).not.toContain(secret);
  }
});

test('the password of a Redis that does not answer is in nothing that is said of it', async () => {
  const environment = { REDIS_URL: `redis://gateway:${MARK}%40redis@127.0.0.1:1`, TICKWIRE_LOG_LEVEL: 'trace' };
  const gateway = startIn(environment, 'serve', '--port', '0', '--admin-port', '0');
  await gateway.says(/bus\.trouble/, 'stderr');
  await gateway.says(/Redis at 127\.0\.0\.1:1/);
  const { stdout, stderr } = await gateway.signal('SIGTERM');
  expect(stdout + stderr).not.toContain(MARK);
});

test.each([
  ['an admin token that is too short', { TICKWIRE_ADMIN_TOKEN: 'short-ses' }],
  ['an admin token with a space', { TICKWIRE_ADMIN_TOKEN: `${MARK} and more of it` }],
  ['a publish token with a space', { TICKWIRE_PUBLISH_TOKEN: `${MARK} and more of it` }],
  ['a Redis URL that is none', { REDIS_URL: `http://user:${MARK}@host` }],
  ['resume keys that are none', { TICKWIRE_RESUME_KEYS: `k1:${MARK}` }],
] as const)('it is not repeated in what is said of %s', async (_, environment) => {
  const { code, stdout, stderr } = await run(['serve', '--port', '0', '--admin-port', '0'], environment);
  expect([code === 0, stdout]).toEqual([false, '']);
  expect(stderr).toContain(Object.keys(environment)[0]);
  expect(stderr).not.toMatch(/SesameOfThisTest|short-ses/);
});

test('a log that can not be written ends nothing', async () => {
  const gateway = startIn({ TICKWIRE_LOG_LEVEL: 'trace' }, 'serve', '--port', '0', '--admin-port', '0', '--json');
  gateway.closeStderr();
  const [line] = await gateway.says(/^\{.*\}$/m);
  const { admin } = JSON.parse(line) as { admin: string };
  for (let i = 0; i < 5; i++) expect((await fetch(`${admin}/nothing`)).status).toBe(404);
  expect((await gateway.signal('SIGTERM')).code).toBe(0);
});
