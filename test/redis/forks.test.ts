// Holds gateways in processes of their own to their word: they listen once they are returned, hang, end and die when they are told
// to, and one that cannot start says why.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { type ForkOptions, forkGateway, type GatewayFork } from './forks.ts';

const forks: GatewayFork[] = [];

async function start(options: ForkOptions): Promise<GatewayFork> {
  const fork = await forkGateway(options);
  forks.push(fork);
  return fork;
}

afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(forks.splice(0).map((fork) => fork.kill()));
});

describe('a gateway as a process', () => {
  test('listens on ports of its own; killed it is gone, and another goes on', async () => {
    const [one, two] = await Promise.all([start({}), start({})]);
    for (const { url, adminUrl, streamUrl } of [one, two]) {
      expect((await fetch(`${adminUrl}/readyz`)).status).toBe(200);
      expect(streamUrl).toBe(`${url.replace('http', 'ws')}/v1/stream`);
    }
    expect(await one.kill()).toBeNull();
    await expect(fetch(`${one.adminUrl}/readyz`)).rejects.toThrow();
    expect(() => process.kill(one.pid, 0)).toThrow('ESRCH');
    expect((await fetch(`${two.adminUrl}/readyz`)).status).toBe(200);
  });
  test('paused it answers nothing until it is resumed, and stopped it ends in order', async () => {
    const fork = await start({});
    fork.pause();
    let answered = false;
    const answer = fetch(`${fork.adminUrl}/readyz`).then(({ status }) => {
      answered = true;
      return status;
    });
    const other = await start({});
    expect((await fetch(`${other.adminUrl}/readyz`)).status).toBe(200);
    expect(answered).toBe(false);
    fork.resume();
    expect(await answer).toBe(200);
    fork.pause();
    expect(await fork.stop()).toBe(0);
  });
  test('takes its settings from what it is given, and none of those of the test', async () => {
    vi.stubEnv('TICKWIRE_LOG_LEVEL', 'nonsense');
    const fork = await start({ env: { TICKWIRE_LOG_LEVEL: 'info' } });
    expect(fork.log).toContain('listening');
    await expect(forkGateway({ env: { TICKWIRE_LOG_LEVEL: 'nonsense' } })).rejects.toThrow(
      /the gateway ended before it listened:\n.*TICKWIRE_LOG_LEVEL/s,
    );
  });
});
