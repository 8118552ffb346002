// Holds every check of the doctor to its threshold: the judgements are pure functions of readings, so each is asked on both sides
// of the line. What reads the system is held by doctor.test.ts and doctor-redis.test.ts.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as clock from '../../src/cli/doctor-clock.ts';
import * as files from '../../src/cli/doctor-files.ts';
import * as limits from '../../src/cli/doctor-limits.ts';
import { quotaOf } from '../../src/cli/doctor-machine.ts';
import * as node from '../../src/cli/doctor-node.ts';
import * as ports from '../../src/cli/doctor-ports.ts';
import * as redis from '../../src/cli/doctor-redis.ts';
import * as settings from '../../src/cli/doctor-settings.ts';
import type { Grade, Judged } from '../../src/cli/doctor-verdict.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';

const DAY_MS = 86_400_000;
const DEFAULTS = readSettings({}, {});
const LARGE = { connectionsMax: 100_000 };
const with_ = (some: Partial<Settings>): Settings => ({ ...DEFAULTS, ...some });
const info = (fields: Record<string, string>) => ({ info: new Map(Object.entries(fields)) });

/** Verdicts, each with what was judged, so that a failing line says which. */
function holds(cases: readonly (readonly [Judged, Grade, RegExp?])[]): void {
  for (const [judged, grade, sentence] of cases) {
    for (const each of [judged].flat()) {
      expect(each).toMatchObject({ verdict: grade, found: expect.stringMatching(/^\S/) });
      if (sentence !== undefined) expect(`${each.found} ${each.remedy}`).toMatch(sentence);
      expect(each.remedy === null).toBe(grade === 'ok' || grade === 'skipped');
    }
  }
}

describe('Node', () => {
  test('is one of the versions that package.json names, and no other', () => {
    const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
    const ranges = [...node.NODE_VERSIONS].map(([major, minor]) => `^${major}.${minor}.0`);
    expect(ranges.join(' || ')).toBe(engines.node);
    holds([
      [node.judgeVersion({ version: '20.19.0' }), 'ok'],
      [node.judgeVersion({ version: '20.18.9' }), 'failure', /20\.19 or later.*npm install/],
      [node.judgeVersion({ version: '22.12.0' }), 'ok'],
      [node.judgeVersion({ version: '22.11.0' }), 'failure'],
      [node.judgeVersion({ version: '24.1.0' }), 'failure', /not made/],
    ]);
  });
  test('runs on a system that there is a binary for, with glibc', () => {
    holds([
      [node.judgePlatform({ platform: 'linux', arch: 'arm64' }), 'ok'],
      [node.judgePlatform({ platform: 'linux', arch: 'arm' }), 'warning', /64 bits/],
      [node.judgePlatform({ platform: 'freebsd', arch: 'x64' }), 'failure'],
      [node.judgeLibc({ platform: 'linux', glibc: '2.28' }), 'ok'],
      [node.judgeLibc({ platform: 'linux', glibc: '2.27' }), 'failure', /older than 2\.28/],
      [node.judgeLibc({ platform: 'linux', glibc: null }), 'failure', /musl.*bookworm/],
      [node.judgeLibc({ platform: 'darwin', glibc: null }), 'skipped'],
    ]);
    const reading = { version: '20.20.0', platform: 'linux', arch: 'x64', glibc: '2.36' };
    holds([
      [node.judgeBinary(null, reading), 'ok'],
      [node.judgeBinary('no such file\nmore', reading), 'failure', /linux-x64: no such file.*npm install/],
      [node.judgeExtraction(false), 'ok'],
      [node.judgeExtraction(true), 'ok'],
    ]);
  });
});

describe('limits', () => {
  test('of open files leave room for connectionsMax and some', () => {
    const needed = LARGE.connectionsMax + limits.FILES_APART;
    const at = (soft: number) => limits.judgeFiles({ files: { soft, hard: soft } }, LARGE);
    holds([
      [at(needed), 'ok'],
      [at(Number.POSITIVE_INFINITY), 'ok'],
      [at(needed - 1), 'warning', /room for 99,999 .*ulimit -n 100100/],
      [at(50), 'warning', /CONNECTIONS_MAX=1\b/],
      [limits.judgeFiles({ files: null }, LARGE), 'skipped'],
      [limits.judgeFileMax({ fileMax: 200_000 }, LARGE), 'ok'],
      [limits.judgeFileMax({ fileMax: 199_999 }, LARGE), 'warning', /sysctl -w fs\.file-max=200000/],
      [limits.judgeFileMax({ fileMax: null }, LARGE), 'skipped'],
      [limits.judgeNrOpen({ nrOpen: needed }, LARGE), 'ok'],
      [limits.judgeNrOpen({ nrOpen: needed - 1 }, LARGE), 'warning', /fs\.nr_open=100100/],
      [limits.judgeNrOpen({ nrOpen: null }, LARGE), 'skipped'],
    ]);
  });
  test('of the kernel suffice when clients come back at once', () => {
    holds([
      [limits.judgeBacklog({ somaxconn: limits.BACKLOG }), 'ok'],
      [limits.judgeBacklog({ somaxconn: limits.BACKLOG - 1 }), 'advice', /somaxconn=4096/],
      [limits.judgeBacklog({ somaxconn: null }), 'skipped'],
      [limits.judgeHandshakes({ synBacklog: limits.HANDSHAKES_MIN }), 'ok'],
      [limits.judgeHandshakes({ synBacklog: limits.HANDSHAKES_MIN - 1 }), 'advice'],
      [limits.judgeHandshakes({ synBacklog: null }), 'skipped'],
      [limits.judgeSockets({ tcpBytesMax: 100_000 * limits.SOCKET_BYTES }, LARGE), 'ok'],
      [
        limits.judgeSockets({ tcpBytesMax: 100_000 * limits.SOCKET_BYTES - 1 }, LARGE),
        'advice',
        /tcp_mem="50000 75000 100000"/,
      ],
      [limits.judgeSockets({ tcpBytesMax: null }, LARGE), 'skipped'],
    ]);
  });
  test('of local ports keep ours out, and suffice for a proxy of this machine', () => {
    const at = (first: number, last: number, some: Partial<Settings> = {}) =>
      limits.judgePorts({ localPorts: { first, last } }, with_(some));
    holds([
      [at(32_768, 60_999), 'ok'],
      [at(9_000, 60_999), 'advice', /9001 and 9002 .*reserved_ports=9001,9002/],
      [at(50_000, 50_000 + limits.LOCAL_PORTS_MIN - 1), 'ok'],
      [at(50_000, 50_000 + limits.LOCAL_PORTS_MIN - 2), 'advice', /only 9,999 ports/],
      [at(32_768, 60_999, { trustedProxies: '127.0.0.0/8' }), 'warning', /28,232 connections/],
      [at(32_768, 60_999, { trustedProxies: '10.0.0.0/8' }), 'ok'],
      [at(32_768, 60_999, { trustedProxies: '::1', connectionsMax: 20_000 }), 'ok'],
      [limits.judgePorts({ localPorts: null }, DEFAULTS), 'skipped'],
    ]);
  });
  test('for a Redis of this machine matter where there is one', () => {
    holds([
      [limits.judgeOvercommit({ overcommit: 0 }, false), 'skipped'],
      [limits.judgeOvercommit({ overcommit: 0 }, true), 'advice', /overcommit_memory=1/],
      [limits.judgeOvercommit({ overcommit: 1 }, true), 'ok'],
      [limits.judgeOvercommit({ overcommit: null }, true), 'skipped'],
      [limits.judgeHugePages({ hugePages: 'always' }, false), 'skipped'],
      [limits.judgeHugePages({ hugePages: 'always' }, true), 'advice', /echo madvise/],
      [limits.judgeHugePages({ hugePages: 'madvise' }, true), 'ok'],
      [limits.judgeHugePages({ hugePages: null }, true), 'skipped'],
    ]);
  });
  test('of memory hold all clients, before the start in what is free, later in the whole', () => {
    const needed = limits.PROCESS_BYTES + 100_000 * limits.CONNECTION_BYTES;
    const room = (memoryBytes: number, availableBytes: number, running = false) =>
      limits.judgeRoom({ memoryBytes, availableBytes }, LARGE, running);
    holds([
      [room(needed, needed), 'ok'],
      [room(needed, needed - 1), 'warning', /TICKWIRE_CONNECTIONS_MAX=99999/],
      [room(needed, needed - 1, true), 'ok'],
      [room(needed - 1, needed - 1, true), 'warning'],
      [room(1, 1), 'warning', /CONNECTIONS_MAX=1\b/],
    ]);
  });
  test('of the heap fit the clients, and the container', () => {
    const needed = limits.PROCESS_HEAP_BYTES + 100_000 * limits.CONNECTION_HEAP_BYTES;
    const heap = (heapBytesMax: number, containerBytes: number | null = null) =>
      limits.judgeHeap({ heapBytesMax, containerBytes }, LARGE);
    const fits = Math.ceil(needed / limits.HEAP_SHARE_MAX);
    holds([
      [heap(needed), 'ok'],
      [heap(needed - 1), 'warning', /--max-old-space-size=807/],
      [heap(needed, fits), 'ok'],
      [heap(needed, fits - 2), 'warning', /container's .*--max-old-space-size=/],
    ]);
  });
  test('of the processor leave a whole one', () => {
    expect(quotaOf('max 100000\n')).toBe(null);
    expect(quotaOf('150000 100000\n')).toBe(1.5);
    expect(quotaOf('-1 100000')).toBe(null);
    expect(quotaOf('5 0')).toBe(null);
    holds([
      [limits.judgeProcessor({ processorsMax: null }), 'ok'],
      [limits.judgeProcessor({ processorsMax: 1 }), 'ok'],
      [limits.judgeProcessor({ processorsMax: 0.5 }), 'warning', /0\.5 processors/],
    ]);
  });
});

describe('Redis', () => {
  test('is reached step by step, and each failure says what to mend', () => {
    const stopped = (at: 'address' | 'connect' | 'tls' | 'auth', reason = 'why') => ({ stopped: { at, reason } });
    const there = { place: 'h:1', stopped: null };
    holds([
      [redis.judgeAddress({ ...there, addresses: ['10.0.0.1'] }), 'ok', /h:1 is 10\.0\.0\.1/],
      [redis.judgeAddress({ ...there, addresses: [], ...stopped('address') }), 'failure', /REDIS_URL/],
      [redis.judgeConnect(there), 'ok'],
      [redis.judgeConnect({ ...there, ...stopped('connect') }), 'failure', /Start Redis/],
      [redis.judgeTls({ ...there, tls: null }), 'skipped'],
      [redis.judgeTls({ ...there, tls: 'TLSv1.3' }), 'ok'],
      [redis.judgeTls({ ...there, tls: null, ...stopped('tls') }), 'failure', /NODE_EXTRA_CA_CERTS/],
      [redis.judgeAuth({ stopped: null, needless: false }), 'ok'],
      [redis.judgeAuth({ stopped: null, needless: true }), 'warning', /requirepass/],
      [redis.judgeAuth({ needless: false, ...stopped('auth', 'WRONGPASS no') }), 'failure', /redis:\/\/user:password/],
      [redis.judgeAuth({ needless: false, ...stopped('auth', 'LOADING it') }), 'failure', /log/],
    ]);
  });
  test('is new enough, takes writes, and is no cluster', () => {
    holds([
      [redis.judgeVersion(info({ redis_version: '6.2.0' })), 'ok'],
      [redis.judgeVersion(info({ redis_version: '6.0.20' })), 'failure', /6\.2/],
      [redis.judgeVersion(info({ redis_version: '7.2.4', valkey_version: '9.1.2' })), 'ok', /Valkey 9\.1\.2/],
      [redis.judgeVersion(info({})), 'skipped'],
      [redis.judgeRole(info({ role: 'master' })), 'ok'],
      [redis.judgeRole(info({ role: 'slave', master_host: 'p', master_port: '7' })), 'failure', /p:7/],
      [redis.judgeRole(info({})), 'skipped'],
      [redis.judgeCluster(info({ cluster_enabled: '0' })), 'ok'],
      [redis.judgeCluster(info({ cluster_enabled: '1' })), 'failure'],
      [redis.judgeCluster(info({})), 'skipped'],
    ]);
  });
  test('keeps what it holds, with room', () => {
    const memory = (used: number) => redis.judgeMemory(info({ used_memory: `${used}`, maxmemory: '1000' }));
    holds([
      [redis.judgeEviction(info({ maxmemory_policy: 'noeviction', maxmemory: '1' })), 'ok'],
      [redis.judgeEviction(info({ maxmemory_policy: 'allkeys-lru', maxmemory: '0' })), 'warning', /CONFIG SET/],
      [redis.judgeEviction(info({ maxmemory_policy: 'volatile-lru', maxmemory: '1' })), 'failure'],
      [redis.judgeEviction(info({})), 'skipped'],
      [memory(1_000 * redis.MEMORY_SHARE_MAX), 'ok'],
      [memory(1_000 * redis.MEMORY_SHARE_MAX + 1), 'warning', /maxmemory/],
      [redis.judgeMemory(info({ used_memory: '5', maxmemory: '0' })), 'ok'],
      [redis.judgeMemory(info({})), 'skipped'],
      [redis.judgePersistence(info({ aof_enabled: '1' })), 'ok', /appendonly yes/],
      [redis.judgePersistence(info({ aof_enabled: '0' })), 'ok', /appendonly no/],
      [redis.judgePersistence(info({})), 'skipped'],
    ]);
  });
  test('is near, and its clock is ours', () => {
    const pings = (ms: number) => redis.judgeLatency({ pingsMs: [0, 1_000, ms, ms, ms] });
    holds([
      [pings(redis.LATENCY_MS_GOOD), 'ok'],
      [pings(redis.LATENCY_MS_GOOD + 0.1), 'advice'],
      [pings(redis.LATENCY_MS_MAX), 'advice'],
      [pings(redis.LATENCY_MS_MAX + 0.1), 'warning', /redis-cli --latency/],
      [redis.judgeClock({ aheadMs: -redis.CLOCK_MS_GOOD }), 'ok', /100 ms behind/],
      [redis.judgeClock({ aheadMs: redis.CLOCK_MS_GOOD + 1 }), 'advice', /101 ms ahead/],
      [redis.judgeClock({ aheadMs: redis.CLOCK_MS_MAX }), 'advice'],
      [redis.judgeClock({ aheadMs: -redis.CLOCK_MS_MAX - 1 }), 'warning', /1,001 ms behind/],
      [redis.judgeClock({ aheadMs: null }), 'skipped'],
    ]);
  });
  test('lets the gateway do its work, and hears it', () => {
    const buffers = (hard: number, soft: number) =>
      redis.judgeBuffers({ bufferLimits: `normal 0 0 0 slave 1 1 1 pubsub ${hard} ${soft} 60` });
    const least = redis.BUFFER_BYTES_MIN;
    holds([
      [redis.judgeRights({ forbidden: [] }, 'tickwire'), 'ok'],
      [
        redis.judgeRights({ forbidden: ['XADD', 'PUBLISH'] }, 'tickwire'),
        'failure',
        /XADD, PUBLISH.*~tickwire:\* &tickwire:\* &tickwire:in:\*/,
      ],
      [buffers(4 * least, least), 'ok'],
      [buffers(0, 0), 'ok'],
      [buffers(4 * least, least - 1), 'warning', /pubsub 33554432/],
      [buffers(least - 1, 0), 'warning'],
      [redis.judgeBuffers({ bufferLimits: null }), 'skipped'],
      [redis.judgeGateways({ gateways: 0 }, 'tickwire', false), 'ok'],
      [redis.judgeGateways({ gateways: 1 }, 'tickwire', true), 'ok', /1 gateway is/],
      [redis.judgeGateways({ gateways: 0 }, 'tickwire', true), 'failure', /TICKWIRE_REDIS_PREFIX/],
      [redis.judgeGateways({ gateways: null }, 'tickwire', true), 'skipped'],
    ]);
  });
});

test('a clock has a possible date, is kept, and runs on without steps', () => {
  holds([
    [clock.judgeDate(clock.DATE_MIN_MS), 'ok'],
    [clock.judgeDate(clock.DATE_MIN_MS - 1), 'failure', /2024-12-31/],
    [clock.judgeKeeping(null), 'skipped'],
    [clock.judgeKeeping({ by: 'chrony', kept: true }), 'ok', /chrony/],
    [clock.judgeKeeping({ by: 'timedatectl', kept: false }), 'warning', /set-ntp/],
    [clock.judgeSteps(-clock.STEP_MS_MAX), 'ok'],
    [clock.judgeSteps(clock.STEP_MS_MAX + 1), 'warning', /251 ms/],
  ]);
});

describe('a port', () => {
  const names = { host: 'host', variable: 'TICKWIRE_PORT', flag: '--port' } as const;
  const gateway = { gateway: true, version: '0.1.0', unready: null };
  const at = (state: string, holder: ports.Holder | null = null, running = false, port = 9_001) =>
    ports.judgePort({ host: '127.0.0.1', port, state, holder }, names, running);

  test('is free, or says who holds it', () => {
    holds([
      [at('free'), 'ok'],
      [at('free', null, false, 0), 'ok', /Any free port/],
      [at('EADDRINUSE', { ...gateway, gateway: false }), 'failure', /another program.*ss -ltnp/],
      [at('EADDRINUSE', gateway), 'failure', /version 0\.1\.0.*--running/],
      [at('EACCES', null, false, 443), 'failure', /CAP_NET_BIND_SERVICE/],
      [at('EACCES'), 'failure', /--port/],
      [at('EADDRNOTAVAIL'), 'skipped'],
      [at('EINVAL'), 'failure', /EINVAL/],
    ]);
  });
  test('is held by a gateway that is ready where one is expected', () => {
    holds([
      [at('free', null, true), 'failure', /Nothing listens/],
      [at('EADDRINUSE', gateway, true), 'ok', /A gateway of version 0\.1\.0 runs at 127\.0\.0\.1:9001/],
      [at('EADDRINUSE', { ...gateway, version: null }, true), 'ok', /A gateway runs/],
      [at('EADDRINUSE', { ...gateway, unready: 'draining' }, true), 'warning', /not ready: draining/],
      [at('EADDRINUSE', { ...gateway, gateway: false }, true), 'failure', /another program/],
    ]);
  });
  test('has an address of this machine', () => {
    const own = ['127.0.0.1', '10.0.0.7'];
    holds([
      [ports.judgeHost('0.0.0.0', names, { addresses: ['0.0.0.0'], own }), 'ok'],
      [ports.judgeHost('10.0.0.7', names, { addresses: ['10.0.0.7'], own }), 'ok'],
      [ports.judgeHost('127.0.0.9', names, { addresses: ['127.0.0.9'], own }), 'ok'],
      [
        ports.judgeHost('10.0.0.8', names, { addresses: ['10.0.0.8'], own }),
        'failure',
        /TICKWIRE_HOST to one of 127\.0\.0\.1, 10\.0\.0\.7/,
      ],
      [ports.judgeHost('nowhere', names, { addresses: 'ENOTFOUND', own }), 'failure', /ENOTFOUND/],
    ]);
  });
});

describe('files', () => {
  test('with secrets are not for everybody', () => {
    const config = { path: 'g.yaml', secrets: ['adminToken'] };
    holds([
      [files.judgeConfig(null, 0), 'skipped'],
      [files.judgeConfig(config, 0o640), 'ok'],
      [files.judgeConfig(config, 0o644), 'warning', /adminToken.*chmod 640 g\.yaml/],
      [files.judgeConfig({ ...config, secrets: [] }, 0o644), 'ok'],
      [files.judgeConfig({ ...config, secrets: [] }, 0o642), 'warning', /changed by everybody/],
      [files.judgeSecrets([]), 'skipped'],
      [files.judgeSecrets([{ path: 'k', mode: 0o640 }]), 'ok'],
      [files.judgeSecrets([{ path: 'k', mode: 0o604 }]), 'warning', /chmod 600 k/],
    ]);
  });
  test('with keys tell of those that end', () => {
    const nowMs = 1_000 * DAY_MS;
    const keys = (untilMs: number | null, mode = 0o644) =>
      files.judgeKeys('a.json', [{ id: 'desk', untilMs }], { nowMs, mode });
    holds([
      [keys(null), 'ok'],
      [keys(null, 0o646), 'warning', /can change it/],
      [keys(nowMs + files.EXPIRY_MS_MIN), 'ok'],
      [keys(nowMs + files.EXPIRY_MS_MIN - 1), 'warning', /desk.*key new/],
      [keys(nowMs), 'advice', /desk/],
    ]);
  });
  test('with a certificate are good for 30 days and more, and have names', () => {
    const untilMs = 1_000 * DAY_MS;
    const seen = (nowMs: number, some: Partial<files.CertificateReading> = {}) =>
      files.judgeCertificate({ subject: 'CN=x', names: 'DNS:x', fromMs: 0, untilMs, ...some }, nowMs);
    holds([
      [seen(untilMs - files.EXPIRY_MS_GOOD), 'ok', /DNS:x/],
      [seen(untilMs - files.EXPIRY_MS_GOOD + 1), 'advice', /in 29 days/],
      [seen(untilMs - files.EXPIRY_MS_MIN), 'advice'],
      [seen(untilMs - files.EXPIRY_MS_MIN + 1), 'warning', /in 6 days/],
      [seen(untilMs - 1), 'warning'],
      [seen(untilMs), 'failure', /ended on 1972-09-27/],
      [seen(-1), 'failure', /not valid before 1970-01-01/],
      [seen(0, { names: '' }), 'warning', /subjectAltName/],
    ]);
  });
});

describe('settings that work and are hardly meant', () => {
  test('who may read and publish', () => {
    const open = { host: '0.0.0.0' };
    holds([
      [settings.judgeReaders(DEFAULTS), 'ok'],
      [settings.judgeReaders(with_({ ...open, anonymous: 'on' })), 'warning', /Anybody/],
      [settings.judgeReaders(with_(open)), 'warning', /Nobody can read.*ANONYMOUS=on/],
      [settings.judgeReaders(with_({ ...open, accessFile: 'a' })), 'ok'],
      [settings.judgeReaders(with_({ ...open, accessFile: 'a', anonymous: 'on' })), 'ok', /anonymous/],
      [settings.judgePublishers(DEFAULTS), 'ok'],
      [settings.judgePublishers(with_(open)), 'warning', /TRUSTED_PROXIES/],
      [settings.judgePublishers(with_({ origins: 'https://x.example' })), 'warning'],
      [settings.judgePublishers(with_({ ...open, trustedProxies: '10.0.0.0/8' })), 'ok'],
      [settings.judgePublishers(with_({ ...open, publishToken: 'x' })), 'ok'],
    ]);
  });
  test('what others reach', () => {
    const open = { host: '::' };
    holds([
      [settings.judgeTls(DEFAULTS), 'ok'],
      [settings.judgeTls(with_(open)), 'warning', /TICKWIRE_TLS_CERT/],
      [settings.judgeTls(with_({ ...open, tlsCert: 'c' })), 'ok'],
      [settings.judgeTls(with_({ ...open, trustedProxies: '10.0.0.1' })), 'ok'],
      [settings.judgeStalls(DEFAULTS), 'ok'],
      [settings.judgeStalls(with_({ stallMsMax: 1 })), 'ok'],
      [settings.judgeStalls(with_({ ...open, stallMsMax: 1 })), 'warning', /STALL_MS_MAX=0/],
      [settings.judgeAdmin(DEFAULTS), 'ok'],
      [settings.judgeAdmin(with_({ adminHost: '0.0.0.0', adminToken: 'x' })), 'advice', /firewall/],
    ]);
  });
  test('times that contradict each other', () => {
    holds([
      [settings.judgeTokens({ resumeLifeMs: 2, resumeRenewMs: 1 }), 'ok'],
      [settings.judgeTokens({ resumeLifeMs: 1, resumeRenewMs: 1 }), 'warning', /RESUME_LIFE_MS/],
      [settings.judgeSilence({ ageMsMax: 10, heartbeatMs: 5 }), 'ok'],
      [settings.judgeSilence({ ageMsMax: 9, heartbeatMs: 5 }), 'warning', /AGE_MS_MAX=15/],
      [settings.judgeStaleness({ staleAfterMs: 1, sourceDownAfterMs: 2 }), 'ok'],
      [settings.judgeStaleness({ staleAfterMs: 2, sourceDownAfterMs: 2 }), 'warning'],
      [settings.judgeDrain({ drainMs: settings.DRAIN_MS_USUAL }), 'ok'],
      [settings.judgeDrain({ drainMs: settings.DRAIN_MS_USUAL + 1 }), 'advice', /TimeoutStopSec=31/],
    ]);
  });
  test('the log, and faults one by one', () => {
    holds([
      [settings.judgeLog({ logLevel: 'info' }), 'ok'],
      [settings.judgeLog({ logLevel: 'silent' }), 'advice'],
      [settings.judgeLog({ logLevel: 'trace' }), 'advice'],
      [settings.judgeValid([], []), 'ok'],
      [settings.judgeValid(['port is a', 'host is b'], []), 'failure', /settings\.md/],
      [settings.judgeValid([], ['X is no setting']), 'warning'],
    ]);
    expect(settings.judgeValid(['a', 'b'], [])).toHaveLength(2);
  });
});
