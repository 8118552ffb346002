// Holds `tickwire doctor` to the real machine: limits of a shell, ports that are taken, gateways that run, files with their modes,
// certificates that have ended, settings that can't work; what it prints, and what it ends with. Redis is in doctor-redis.test.ts.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { CHECK_IDS, CHECKS, type CheckId, GROUPS, groupOf } from '../../src/cli/doctor-catalogue.ts';
import { explainUnloadable } from '../../src/cli/doctor-rescue.ts';
import type { Finding } from '../../src/cli/doctor-verdict.ts';
import { packageVersion } from '../../src/settings/settings.ts';
import { run } from './command.ts';
import { startDemo } from './gateway.ts';
import { ensureBuilt, start } from './process.ts';

const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js');
const FIXTURES = resolve(import.meta.dirname, '../gateway/fixtures');
const ANY_PORT = ['--port', '0', '--admin-port', '0'];
/** A build, and processes on a machine that may be busy. */
const SLOW_MS = 120_000;

beforeAll(() => ensureBuilt(), SLOW_MS);

type Environment = Readonly<Record<string, string>>;

/** Runs it in this process. @returns exit code and findings. */
async function examined(args: readonly string[], environment: Environment = {}) {
  const { code, stdout, stderr } = await run(['doctor', '--json', ...args], environment);
  expect(stderr).toBe('');
  return { code, findings: JSON.parse(stdout) as (Finding & { about: string })[] };
}

/** The only finding of a check. */
function of(findings: readonly Finding[], id: CheckId): Finding {
  const found = findings.filter((each) => each.id === id);
  expect(found).toHaveLength(1);
  return found[0]!;
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'tickwire-doctor-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder(), name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

describe('the doctor', () => {
  test('looks at everything in the catalogue, in its order, each with a sentence', async () => {
    const { code, findings } = await examined(ANY_PORT);
    expect(findings.map(({ id }) => id)).toEqual(CHECK_IDS);
    for (const { id, about, verdict, found, remedy } of findings) {
      expect(about).toBe(CHECKS[id]);
      expect(found).toMatch(/^\S[^\n]+[.]$/);
      expect(remedy === null, id).toBe(verdict === 'ok' || verdict === 'skipped');
    }
    expect(findings.filter(({ verdict }) => verdict === 'failure')).toEqual([]);
    expect(code).toBe(0);
    for (const id of ['node.binary', 'clock.date', 'ports.public', 'settings.valid'] as const) {
      expect(of(findings, id).verdict).toBe('ok');
    }
  });

  test('looks at the groups alone that it is asked for, and refuses others', async () => {
    const { findings } = await examined(['--only', 'clock,settings', ...ANY_PORT]);
    expect([...new Set(findings.map(({ id }) => groupOf(id)))]).toEqual(['clock', 'settings']);
    const { code, stderr } = await run(['doctor', '--only', 'clock,moon']);
    expect(code).toBe(2);
    expect(stderr).toContain(`Give some of ${GROUPS.join(',')}`);
  });

  test('prints a line a group, then what is not right with its remedy, the worst last, and a sum', async () => {
    const { code, stdout } = await run(['doctor', '--only', 'ports,settings', '--port', '9', '--admin-port', '9'], {
      TICKWIRE_HOST: '0.0.0.0',
      TICKWIRE_DRAIN_MS: '60000',
    });
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^ {2}ports {5}\d ok, /);
    expect(lines[1]).toMatch(/^ {2}settings {2}\d ok, /);
    const grades = lines.flatMap((line) => /^ {2}(advice|warning|failure) +[a-z]+\.[a-z-]+ +\S/.exec(line)?.[1] ?? []);
    const order = ['advice', 'warning', 'failure'];
    expect([...new Set(grades)]).toEqual(order);
    expect(grades).toEqual(order.flatMap((grade) => grades.filter((each) => each === grade)));
    expect(stdout).toMatch(
      / {2}failure {2}ports\.admin +The public and the admin port are both 9\.\n +Give another with --admin-port/,
    );
    expect(stdout).toMatch(/warning {2}settings\.tls /);
    expect(stdout).toMatch(/advice {3}settings\.drain /);
    expect(lines.at(-1)).toMatch(/^\d+ findings: \d+ ok, .*failure/);
    expect(stdout).not.toContain('settings.valid');
    expect(stdout).not.toContain('\x1b');
    expect(code).toBe(1);
  });

  test('shows what is right and what was skipped when it is asked to', async () => {
    const { stdout } = await run(['doctor', '--only', 'settings,files', '--verbose']);
    expect(stdout).toMatch(/ {2}ok {7}settings\.valid +They can work\./);
    expect(stdout).toMatch(/ {2}skipped {2}files\.access +No access document is set\./);
  });

  test('fails for warnings when it is strict', async () => {
    const args = ['doctor', '--only', 'settings'];
    const open = { TICKWIRE_HOST: '0.0.0.0', TICKWIRE_ANONYMOUS: 'on' };
    expect((await run(args, open)).code).toBe(0);
    expect((await run([...args, '--strict'], open)).code).toBe(1);
    expect((await run([...args, '--strict'])).code).toBe(0);
  });

  test('tells every fault of the settings by itself, and looks at what does not need them', async () => {
    const faulty = { TICKWIRE_DRAIN_MS: '-1', TICKWIRE_LOG_LEVEL: 'loud', TICKWIRE_TLS_CERT: 'x' };
    const { code, findings } = await examined([], faulty);
    const faults = findings.filter(({ id }) => id === 'settings.valid');
    expect(faults.map(({ verdict }) => verdict)).toEqual(['failure', 'failure', 'failure']);
    expect(faults.map(({ found }) => found).join(' ')).toMatch(/logLevel.*drainMs.*tlsCert/);
    expect(of(findings, 'node.version').verdict).toBe('ok');
    expect(of(findings, 'ports.public')).toMatchObject({
      verdict: 'skipped',
      found: expect.stringContaining('mend them'),
    });
    expect(code).toBe(1);
  });

  test('warns of a variable that is nearly a setting', async () => {
    const { findings } = await examined(['--only', 'settings'], { TICKWIRE_DRIAN_MS: '5' });
    expect(of(findings, 'settings.valid')).toMatchObject({
      verdict: 'warning',
      found: expect.stringContaining('TICKWIRE_DRAIN_MS'),
    });
  });
});

describe('limits', () => {
  test('are those of the shell that it is run from', () => {
    const command = `ulimit -n 256; exec "${process.execPath}" "${MAIN}" doctor --only limits --json`;
    const { status, stdout } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
    expect(of(JSON.parse(stdout) as Finding[], 'limits.files')).toEqual({
      id: 'limits.files',
      about: CHECKS['limits.files'],
      verdict: 'warning',
      found: 'Open files: 256 at most (hard limit 256), room for 156 of the 100,000 clients of connectionsMax.',
      remedy: expect.stringContaining('`ulimit -n 100100`'),
    });
    expect(status).toBe(0);
  });
});

describe('ports', () => {
  test('that another program holds are failures', async () => {
    const other = createServer((socket) => socket.end('what?\r\n')).listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, findings } = await examined(['--only', 'ports', '--port', `${port}`, '--admin-port', '0']);
    const { verdict, found, remedy } = of(findings, 'ports.public');
    expect({ verdict, found }).toEqual({ verdict: 'failure', found: `127.0.0.1:${port} is taken by another program.` });
    expect(remedy).toContain(`sport = :${port}`);
    expect(code).toBe(1);
  });

  test('that a gateway holds are right with --running, and failures without', async () => {
    const { gateway } = await startDemo();
    const portIn = (url: string): string => new URL(url).port;
    const args = ['--only', 'ports', '--port', portIn(gateway.url), '--admin-port', portIn(gateway.adminUrl)];
    const expected = await examined([...args, '--running']);
    expect(of(expected.findings, 'ports.public')).toMatchObject({
      verdict: 'ok',
      found: `A gateway runs at ${new URL(gateway.url).host}.`,
    });
    expect(of(expected.findings, 'ports.admin')).toMatchObject({
      verdict: 'ok',
      found: expect.stringMatching(/^A gateway .*runs at/),
    });
    expect(expected.code).toBe(0);
    const unexpected = await examined(args);
    expect(of(unexpected.findings, 'ports.admin')).toMatchObject({
      verdict: 'failure',
      remedy: expect.stringContaining('--running'),
    });
    expect(unexpected.code).toBe(1);
  });

  test('with TLS are asked over TLS', async () => {
    const tls = { tlsCert: join(FIXTURES, 'first-cert.pem'), tlsKey: join(FIXTURES, 'first-key.pem') };
    const { gateway } = await startDemo(tls);
    const args = ['--only', 'ports', '--running', '--port', new URL(gateway.url).port, '--admin-port', '0'];
    const { findings } = await examined(args, { TICKWIRE_TLS_CERT: tls.tlsCert, TICKWIRE_TLS_KEY: tls.tlsKey });
    expect(of(findings, 'ports.public')).toMatchObject({ verdict: 'ok' });
  });

  test('that nobody holds where a gateway should run are failures', async () => {
    const { findings } = await examined(['--only', 'ports', '--running', '--port', '1', '--admin-port', '1']);
    expect(of(findings, 'ports.public').verdict).toBe('failure');
  });

  test('need an address of this machine', async () => {
    const { code, findings } = await examined(['--only', 'ports', '--host', '203.0.113.1', ...ANY_PORT]);
    expect(of(findings, 'ports.host')).toMatchObject({
      verdict: 'failure',
      found: expect.stringContaining('no address of this machine'),
    });
    expect(code).toBe(1);
  });
});

describe('files', () => {
  const looks = async (environment: Environment, ...args: string[]) =>
    examined(['--only', 'files', ...args], environment);

  test('with settings that are secret and that everybody can read are told, without the secret', async () => {
    const secret = 'correct-horse-battery';
    const path = file('gateway.yaml', `adminToken: ${secret}\ndrainMs: 5000\n`, 0o644);
    const { findings } = await looks({}, '--config', path);
    expect(of(findings, 'files.config')).toMatchObject({
      verdict: 'warning',
      found: expect.stringContaining('adminToken'),
    });
    expect(JSON.stringify(findings)).not.toContain(secret);
    chmodSync(path, 0o600);
    const { findings: later } = await looks({ TICKWIRE_CONFIG: path });
    expect(of(later, 'files.config')).toMatchObject({ verdict: 'ok', found: expect.stringContaining(path) });
  });

  test('that are not there or broken say so', async () => {
    const { code, findings } = await looks({
      TICKWIRE_INSTRUMENTS: '/no/such/instruments',
      TICKWIRE_ACCESS: file('access.json', '{"roles":{},"keys":[{}],"other":1}'),
      TICKWIRE_TLS_CERT: join(FIXTURES, 'first-cert.pem'),
      TICKWIRE_TLS_KEY: join(FIXTURES, 'second-key.pem'),
    });
    expect(of(findings, 'files.instruments')).toMatchObject({
      verdict: 'failure',
      found: expect.stringContaining('/no/such/instruments'),
    });
    expect(findings.filter(({ id, verdict }) => id === 'files.access' && verdict === 'failure').length).toBeGreaterThan(
      1,
    );
    expect(of(findings, 'files.certificate')).toMatchObject({
      verdict: 'failure',
      found: expect.stringContaining('is not the key of'),
    });
    expect(code).toBe(1);
    const config = await examined(['--only', 'settings', '--config', '/no/such/settings.yaml']);
    expect(of(config.findings, 'settings.valid')).toMatchObject({
      verdict: 'failure',
      found: expect.stringContaining('/no/such/settings.yaml'),
    });
  });

  test('that can be used say what is in them', async () => {
    const { code, findings } = await looks({
      TICKWIRE_INSTRUMENTS: file('instruments.json', '[{"symbol":"A-B","priceScale":2,"sizeScale":0}]'),
      TICKWIRE_ACCESS: file('access.json', '{"roles":{"reader":{}}}'),
      TICKWIRE_TLS_CERT: join(FIXTURES, 'first-cert.pem'),
      TICKWIRE_TLS_KEY: file('key.pem', readFileSync(join(FIXTURES, 'first-key.pem'), 'utf8'), 0o644),
    });
    expect(of(findings, 'files.instruments')).toMatchObject({
      verdict: 'ok',
      found: expect.stringMatching(/1 instrument\.$/),
    });
    expect(of(findings, 'files.access')).toMatchObject({ verdict: 'ok', found: expect.stringMatching(/0 keys\.$/) });
    expect(of(findings, 'files.certificate')).toMatchObject({ verdict: 'ok', found: expect.stringContaining('2120') });
    expect(of(findings, 'files.secrets')).toMatchObject({
      verdict: 'warning',
      remedy: expect.stringMatching(/^chmod 600 .*key\.pem$/),
    });
    expect(code).toBe(0);
  });

  test('with a certificate that has ended say when', async () => {
    const expired = join(import.meta.dirname, 'doctor-fixtures', 'expired');
    const { code, findings } = await looks({
      TICKWIRE_TLS_CERT: `${expired}-cert.pem`,
      TICKWIRE_TLS_KEY: `${expired}-key.pem`,
    });
    expect(of(findings, 'files.certificate')).toMatchObject({
      verdict: 'failure',
      found: 'The certificate of CN=expired.tickwire.test ended on 2021-01-01: clients refuse it.',
    });
    expect(code).toBe(1);
  });
});

describe('where uWebSockets.js does not load', () => {
  const hooks = `export async function resolve(name, context, next) {
    if (name === 'uWebSockets.js') throw new Error('there is no binary for this machine');
    return next(name, context);
  }`;
  const setup = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});`;
  const without = (...args: string[]) => {
    const flags = ['--import', `data:text/javascript,${encodeURIComponent(setup)}`];
    return spawnSync(process.execPath, [...flags, MAIN, ...args], { encoding: 'utf8' });
  };

  test('every command says so', () => {
    const { status, stdout, stderr } = without('serve', '--demo');
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^tickwire: it can't run here: there is no binary for this machine\n {2}- .*npm install/);
  });

  test('the doctor still looks at Node', async () => {
    const said = async (...args: string[]): Promise<string> => {
      const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
      try {
        expect(await explainUnloadable(new Error('there is no binary'), ['doctor', ...args])).toBe(1);
        return write.mock.calls.map(([text]) => String(text)).join('');
      } finally {
        write.mockRestore();
      }
    };
    const findings = JSON.parse(await said('--json')) as Finding[];
    expect(findings.map(({ id }) => id)).toEqual(CHECK_IDS.filter((id) => groupOf(id) === 'node'));
    expect(of(findings, 'node.binary')).toMatchObject({
      verdict: 'failure',
      found: expect.stringContaining('there is no binary'),
    });
    expect(of(findings, 'node.version').verdict).toBe('ok');
    expect(await said()).toMatch(/failure {2}node\.binary/);
  });
});

test('the bin explains it, its flags complete, and it ends on Ctrl-C', async () => {
  const { code, stdout } = await run(['doctor', '--help']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Usage: tickwire doctor \[options\]\n\n[A-Z].*/);
  for (const flag of ['--only', '--running', '--strict', '--verbose', '--json', '--redis', '--port'])
    expect(stdout).toContain(flag);
  expect((await run(['complete', '--', 'doc'])).stdout).toMatch(/^doctor\t/);
  expect((await run(['complete', '--', 'doctor', '--only', 'redis,po'])).stdout).toBe('redis,ports\t\n:open\n');
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  onTestFinished(() => void silent.close());
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const asked = once(silent, 'connection');
  const waiting = start('doctor', '--only', 'redis', '--redis', `redis://127.0.0.1:${port}`);
  await asked;
  expect((await waiting.signal('SIGINT')).code).toBe(130);
});

test('docs/doctor.md has every check with its question and a remedy, and no other', () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/doctor.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z]+\.[a-z-]+)` \| (.+?) \| (\S.*) \|$/gm)].map(([, id, about]) => [
    id,
    about,
  ]);
  expect(rows).toEqual(Object.entries(CHECKS));
});

test('the version of a gateway that runs is the package’s', async () => {
  const { gateway } = await startDemo();
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const args = [
    '--only',
    'ports',
    '--running',
    '--port',
    new URL(gateway.url).port,
    '--admin-port',
    new URL(gateway.adminUrl).port,
  ];
  const { findings } = await examined(args);
  const told = metrics.includes('tickwire_build_info{')
    ? `A gateway of version ${packageVersion()} runs`
    : 'A gateway runs';
  expect(of(findings, 'ports.admin').found).toContain(told);
});
