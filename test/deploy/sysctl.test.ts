// Holds deploy/sysctl to the kernel: every key exists, has a value of its kind, a reason and a way to check it.

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const FILE = resolve(import.meta.dirname, '../../deploy/sysctl/90-tickwire.conf');
/** Not to be seen in a container: kernels show them in the first network namespace alone. */
const HIDDEN = ['net.core.netdev_max_backlog'];
/** Least and most, where the kernel refuses more or it would harm. */
const BOUNDS: Readonly<Record<string, readonly [number, number]>> = {
  'fs.nr_open': [131_072, 2 ** 30],
  'net.core.somaxconn': [128, 65_535],
  'net.ipv4.tcp_keepalive_probes': [1, 127],
  'net.ipv4.tcp_retries2': [3, 15],
  'vm.swappiness': [0, 200],
};

interface Entry {
  readonly key: string;
  readonly values: readonly string[];
  /** The comment before it. */
  readonly reason: string;
}

function entriesOf(text: string): Entry[] {
  let reason = '';
  return text.split('\n').flatMap((line) => {
    if (line.startsWith('#')) reason += `${line}\n`;
    else if (line === '') reason = '';
    else {
      const [, key, value] = /^([a-z0-9_.-]+) = (\S.*)$/.exec(line) ?? [];
      if (key === undefined) return [{ key: line, values: [], reason: '' }];
      return [{ key, values: value!.split(' '), reason }];
    }
    return [];
  });
}

function faultsOf(text: string): string[] {
  return entriesOf(text).flatMap(({ key, values, reason }) => {
    const file = `/proc/sys/${key.replaceAll('.', '/')}`;
    if (!existsSync(file)) return HIDDEN.includes(key) ? [] : [`${key}: the kernel knows no such key`];
    const count = readFileSync(file, 'utf8').trim().split(/\s+/).length;
    const [least, most] = BOUNDS[key] ?? [0, 2 ** 53];
    const inBounds = values.every((value) => /^\d+$/.test(value) && Number(value) >= least && Number(value) <= most);
    return [
      ...(values.length === count ? [] : [`${key}: ${values.length} values instead of ${count}`]),
      ...(inBounds ? [] : [`${key}: ${values.join(' ')} is out of bounds`]),
      ...(/^# [A-Z]/.test(reason) && /^# Check: \S/m.test(reason) ? [] : [`${key}: no reason, or no way to check it`]),
    ];
  });
}

const text = readFileSync(FILE, 'utf8');

test.runIf(process.platform === 'linux')(
  'the kernel knows every key, its values are of its kind, and each has its reason',
  () => {
    expect(faultsOf(text)).toEqual([]);
    const keys = entriesOf(text).map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.length).toBeGreaterThan(15);
  },
);

test.runIf(process.platform === 'linux')(
  'a misspelt key, a value too many, one out of bounds and a missing reason are found',
  () => {
    const planted = (from: string, to: string): string => faultsOf(text.replace(from, to)).join();
    expect(planted('tcp_syncookies', 'tcp_sincookies')).toMatch(/knows no such key/);
    expect(planted('tcp_retries2 = 7', 'tcp_retries2 = 7 8')).toMatch(/2 values instead of 1/);
    expect(planted('vm.swappiness = 10', 'vm.swappiness = 1000')).toMatch(/out of bounds/);
    expect(planted('# Check: vmstat', '# vmstat')).toMatch(/no way to check/);
    expect(planted('vm.swappiness = 10', 'vm.swappiness:10')).toMatch(/knows no such key/);
  },
);

test('ports of connections from here keep clear of the ports of the gateway', () => {
  const { values } = entriesOf(text).find(({ key }) => key === 'net.ipv4.ip_local_port_range')!;
  expect(Number(values[0])).toBeGreaterThan(9_002);
});
