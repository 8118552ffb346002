// Holds access to who comes in by an API key, the publish token or nothing, and to what changes while they are connected: keys
// revoked, roles that say something else, documents that are broken.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hashKey, isKey, keyIdOf, newKey } from '../../src/sessions/api-keys.ts';
import { SettingsError } from '../../src/settings/settings.ts';
import {
  documentFile,
  EVERYTHING,
  freshFolder,
  identityOf,
  keyFor,
  outcomeOf,
  put,
  startAccess,
} from './access-scene.ts';

const ROLES = {
  all: { subscribe: EVERYTHING },
  top: { subscribe: [{ channels: ['book'], symbols: ['*'], depth: 1 }] },
};

describe('who does not say who he is', () => {
  test('may read where the gateway is for this machine alone; programs on it may publish too, while nobody can say who he is', () => {
    for (const host of ['127.0.0.1', 'localhost', '::1', '127.1.2.3']) {
      const { access } = startAccess({ host });
      const stranger = identityOf(access.anonymous(false));
      expect(stranger).toMatchObject({ principal: 'anonymous', via: 'anonymous', untilMs: null });
      expect(stranger.grant.subscribe('book', 'X')).toEqual({ depth: 0, intervalMs: 0, raw: true });
      expect(stranger.grant).toMatchObject({ publishes: false, defines: false });
      expect(identityOf(access.anonymous(true))).toMatchObject({
        principal: 'local',
        via: 'local',
        grant: { publishes: true, defines: true },
      });
    }
  });

  test('does not come in from elsewhere unless that is said; this machine still does, and the log says how to open it', () => {
    const { access, log } = startAccess({ host: '0.0.0.0' });
    expect(outcomeOf(access.anonymous(false))).toBe('unauthenticated');
    expect(outcomeOf(access.anonymous(true))).toBe('local');
    expect(log.join()).toContain('TICKWIRE_ANONYMOUS=on');
    const open = startAccess({ host: '0.0.0.0', anonymous: 'on' });
    expect(outcomeOf(open.access.anonymous(false))).toBe('anonymous');
    expect(open.log).toEqual([]);
  });

  test('does not come in at all where it is off', () => {
    const { access } = startAccess({ anonymous: 'off', publishToken: 't' });
    expect(outcomeOf(access.anonymous(false))).toBe('unauthenticated');
    expect(outcomeOf(access.anonymous(true))).toBe('unauthenticated');
  });

  test('may not publish from this machine once there is a token, a key or an issuer', () => {
    const { entry } = keyFor('k', 'desk', 'all');
    for (const settings of [
      { publishToken: 'secret' },
      { accessFile: documentFile({ roles: ROLES, keys: [entry] }) },
      { jwksUrl: 'https://issuer.example/keys', jwtIssuer: 'i', jwtAudience: 'a' },
    ]) {
      const { access } = startAccess(settings);
      expect(identityOf(access.anonymous(true))).toMatchObject({ via: 'anonymous', grant: { publishes: false } });
    }
    const { access } = startAccess({ accessFile: documentFile({ roles: ROLES }) });
    expect(identityOf(access.anonymous(true))).toMatchObject({ via: 'local', grant: { publishes: true } });
  });

  test('has the role that the document gives', () => {
    const { access } = startAccess({ accessFile: documentFile({ roles: ROLES, anonymous: 'top' }) });
    const { grant } = identityOf(access.anonymous(false));
    expect(grant.subscribe('book', 'X')).toEqual({ depth: 1, intervalMs: 0, raw: false });
    expect(grant.subscribe('trade', 'X')).toBeNull();
  });
});

describe('the publish token', () => {
  test('may do everything, and is compared to the letter', async () => {
    const { access } = startAccess({ publishToken: 'correct-horse' });
    const identity = identityOf(await access.authenticate('correct-horse'));
    expect(identity).toMatchObject({ via: 'token', untilMs: null, grant: { publishes: true, defines: true } });
    expect(identity.grant.publish('book', 'X')).toBe(true);
    expect(identity.grant.subscribe('book', 'X')).not.toBeNull();
    expect(access.refresh(identity)).toBe(identity);
    for (const wrong of ['correct-hors', 'correct-horse ', 'Correct-horse', '']) {
      expect(outcomeOf(await access.authenticate(wrong))).toBe('bad-credential');
    }
  });

  test('may have the shape of a key', async () => {
    const { key } = newKey('x');
    const { access } = startAccess({ publishToken: key });
    expect(identityOf(await access.authenticate(key)).via).toBe('token');
  });

  test('that is not set is not the empty one', async () => {
    const { access } = startAccess();
    expect(outcomeOf(await access.authenticate(''))).toBe('bad-credential');
  });
});

describe('an API key', () => {
  test('says who its holder is, and what that one may', async () => {
    const { key, entry } = keyFor('desk-a-1', 'desk-a', 'top', { expires: '2023-12-01' });
    const { access } = startAccess({ accessFile: documentFile({ roles: ROLES, keys: [entry] }) });
    const identity = identityOf(await access.authenticate(key));
    expect(identity).toMatchObject({ principal: 'desk-a', via: 'key', untilMs: Date.UTC(2023, 11, 1) });
    expect(identity.grant.subscribe('book', 'X')?.depth).toBe(1);
    expect(JSON.stringify(identity)).not.toContain(key.slice(-43));
  });

  test('with another secret, another id or another shape is refused, in the same words, and nothing of it is told', async () => {
    const { key, entry } = keyFor('k', 'desk', 'all');
    const { access, log } = startAccess({ accessFile: documentFile({ roles: ROLES, keys: [entry] }) });
    const secret = key.slice(-43);
    const wrong = [newKey('k').key, newKey('other').key, `tw_other_${secret}`];
    const answers = await Promise.all(wrong.map((each) => access.authenticate(each)));
    expect(new Set(answers.map((each) => JSON.stringify(each))).size).toBe(1);
    for (const bad of [
      ...wrong,
      `${key}x`,
      key.slice(0, -1),
      ` ${key}`,
      secret,
      `tw_k_${secret}\n`,
      'x'.repeat(5_000),
    ]) {
      const answer = await access.authenticate(bad);
      expect(outcomeOf(answer)).toBe('bad-credential');
      expect(JSON.stringify(answer)).not.toContain(bad.slice(3, 40));
    }
    expect(log).toEqual([]);
  });

  test('is good until it expires, also for those who are in', async () => {
    const { key, entry } = keyFor('k', 'desk', 'all', { expires: '2023-11-14T22:13:31Z' });
    const { access, time } = startAccess({ accessFile: documentFile({ roles: ROLES, keys: [entry] }) });
    const identity = identityOf(await access.authenticate(key));
    await time.advance(9_999);
    expect(access.refresh(identity)).toBe(identity);
    await time.advance(1);
    expect(outcomeOf(access.refresh(identity))).toBe('expired-credential');
    expect(outcomeOf(await access.authenticate(key))).toBe('expired-credential');
  });

  test('has a secret of 32 random bytes, is found by its id and known by its hash alone', () => {
    const made = newKey('desk-a-1');
    expect(made.key).toMatch(/^tw_desk-a-1_[A-Za-z0-9_-]{43}$/);
    expect(keyIdOf(made.key)).toBe('desk-a-1');
    expect(made.sha256).toBe(hashKey(made.key));
    expect(isKey(made.key, made.sha256)).toBe(true);
    expect(isKey(made.key, hashKey('another'))).toBe(false);
    expect(isKey(made.key, undefined)).toBe(false);
    expect(newKey('desk-a-1').key).not.toBe(made.key);
    for (const odd of ['tw__x', `tw_a_b_${'c'.repeat(41)}d`, 'tw_a', `tw_${'a'.repeat(33)}_${'s'.repeat(43)}`]) {
      expect(keyIdOf(odd)).toBeNull();
    }
  });
});

describe('a document that changes', () => {
  async function running(document: object) {
    const path = documentFile(document);
    return { path, ...startAccess({ accessFile: path }) };
  }

  test('takes effect within a second: who is in gets another grant, others keep the same object', async () => {
    const a = keyFor('a', 'desk-a', 'all');
    const b = keyFor('b', 'desk-b', 'top');
    const { path, access, time, changes, log } = await running({ roles: ROLES, keys: [a.entry, b.entry] });
    const [one, other] = [identityOf(await access.authenticate(a.key)), identityOf(await access.authenticate(b.key))];
    const nobody = identityOf(access.anonymous(false));
    put(path, { keys: [a.entry, b.entry], roles: { ...ROLES, all: { subscribe: [] } } });
    expect(access.refresh(one)).toBe(one);
    await time.advance(1_000);
    expect(changes()).toBe(1);
    const now = identityOf(access.refresh(one));
    expect(now).toMatchObject({ principal: 'desk-a', via: 'key' });
    expect(now.grant.subscribe('book', 'X')).toBeNull();
    expect(access.refresh(other)).toBe(other);
    expect(access.refresh(nobody)).toBe(nobody);
    expect(access.refresh(now)).toBe(now);
    expect(log.join()).toContain('took over the access document');
    await time.advance(10_000);
    expect(changes()).toBe(1);
  });

  test('revokes a key that is no longer in it, or that has another secret, and nothing else', async () => {
    const a = keyFor('a', 'desk-a', 'all');
    const b = keyFor('b', 'desk-b', 'all');
    const c = keyFor('c', 'desk-c', 'all');
    const { path, access, time } = await running({ roles: ROLES, keys: [a.entry, b.entry, c.entry] });
    const identities = await Promise.all([a, b, c].map(async ({ key }) => identityOf(await access.authenticate(key))));
    put(path, { roles: ROLES, keys: [keyFor('b', 'desk-b', 'all').entry, c.entry] });
    await time.advance(1_000);
    expect(identities.map((each) => outcomeOf(access.refresh(each)))).toEqual([
      'bad-credential',
      'bad-credential',
      'desk-c',
    ]);
    expect(outcomeOf(await access.authenticate(a.key))).toBe('bad-credential');
    expect(access.refresh(identities[2]!)).toBe(identities[2]);
  });

  test('moves a key to another role, principal or end', async () => {
    const a = keyFor('a', 'desk-a', 'all');
    const { path, access, time } = await running({ roles: ROLES, keys: [a.entry] });
    const before = identityOf(await access.authenticate(a.key));
    put(path, { roles: ROLES, keys: [{ ...a.entry, principal: 'desk-z', role: 'top', expires: '2030-01-01' }] });
    await time.advance(1_000);
    const after = identityOf(access.refresh(before));
    expect(after).toMatchObject({ principal: 'desk-z', untilMs: Date.UTC(2030, 0, 1) });
    expect(after.grant.subscribe('book', 'X')?.depth).toBe(1);
  });

  test('with faults is refused: the old one stays, the log and `trouble` say why, once, until it is mended', async () => {
    const a = keyFor('a', 'desk-a', 'all');
    const { path, access, time, changes, log } = await running({ roles: ROLES, keys: [a.entry] });
    const identity = identityOf(await access.authenticate(a.key));
    expect(access.trouble()).toBeNull();
    put(path, { roles: ROLES, keys: [{ ...a.entry, role: 'nope' }] });
    await time.advance(5_000);
    expect(access.refresh(identity)).toBe(identity);
    expect(outcomeOf(await access.authenticate(a.key))).toBe('desk-a');
    expect(access.trouble()).toMatch(/access document is not taken: keys\.0\.role: there is no role "nope"/);
    expect(log.filter((line) => line.includes('nope'))).toHaveLength(1);
    rmSync(path);
    await time.advance(1_000);
    expect(access.trouble()).toMatch(/it can't be read: ENOENT/);
    expect(outcomeOf(await access.authenticate(a.key))).toBe('desk-a');
    expect(changes()).toBe(0);
    put(path, { roles: ROLES, keys: [] });
    await time.advance(1_000);
    expect(access.trouble()).toBeNull();
    expect(outcomeOf(access.refresh(identity))).toBe('bad-credential');
  });

  test('is read at once when that is asked for, and the answer says what is wrong with it', async () => {
    const a = keyFor('a', 'desk-a', 'all');
    const { path, access, changes } = await running({ roles: ROLES, keys: [a.entry] });
    const identity = identityOf(await access.authenticate(a.key));
    put(path, '{');
    expect(access.reload()).toMatch(/it is not JSON/);
    expect(access.refresh(identity)).toBe(identity);
    put(path, { roles: ROLES });
    expect(access.reload()).toBeNull();
    expect(outcomeOf(access.refresh(identity))).toBe('bad-credential');
    expect(changes()).toBe(1);
  });

  test('with a first key ends the trust in programs on this machine, and with none it is back', async () => {
    const { path, access } = await running({ roles: ROLES });
    const local = identityOf(access.anonymous(true));
    expect(local.via).toBe('local');
    put(path, { roles: ROLES, keys: [keyFor('a', 'desk', 'all').entry] });
    expect(access.reload()).toBeNull();
    expect(identityOf(access.refresh(local))).toMatchObject({ via: 'anonymous', grant: { publishes: false } });
    put(path, { roles: ROLES });
    expect(access.reload()).toBeNull();
    expect(identityOf(access.refresh(local)).via).toBe('local');
  });

  test('is looked at no more once access has stopped', async () => {
    const { path, access, time, changes } = await running({ roles: ROLES });
    access.stop();
    put(path, { roles: {} });
    await time.advance(10_000);
    expect(changes()).toBe(0);
    expect(time.pending).toBe(0);
  });
});

test('files that can not work are named before anything starts, all of them', () => {
  const folder = freshFolder();
  const accessFile = join(folder, 'access.json');
  const jwtKeyFile = join(folder, 'key.pem');
  writeFileSync(accessFile, '{"roles": {"a": {"defines": 1}}, "anonymous": "b"}');
  writeFileSync(jwtKeyFile, 'neither');
  const start = () => startAccess({ accessFile, jwtKeyFile, jwtIssuer: 'i', jwtAudience: 'a' });
  expect(start).toThrow(SettingsError);
  expect(start).toThrow(
    /access\.json: roles\.a\.defines: .*\n.*access\.json: anonymous: .*\n.*key\.pem: it is no public key/,
  );
  expect(() => startAccess({ accessFile: join(folder, 'absent') })).toThrow(/absent: it can't be read: ENOENT/);
  expect(() => startAccess({ accessFile: folder })).toThrow(/it is not a file/);
});
