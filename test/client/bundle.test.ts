// Holds what a browser loads: the client as one file, without anything of Node, small, and with all that it promises.

import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const GZIPPED_BYTES_MAX = 15 * 1024;

async function bundled() {
  const entry = new URL('../../src/client/index.ts', import.meta.url).pathname;
  return await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    metafile: true,
  });
}

test('the client bundled for browsers is at most 15 KB, gzipped at level 9', async () => {
  const { outputFiles } = await bundled();
  expect(gzipSync(outputFiles[0]!.contents, { level: 9 }).length).toBeLessThanOrEqual(GZIPPED_BYTES_MAX);
});

test('the bundle holds nothing but the project’s own files', async () => {
  const { metafile, warnings } = await bundled();
  expect(warnings).toEqual([]);
  const foreign = Object.keys(metafile.inputs).filter((path) => !/^src\/(client|protocol|market|ports)\//.test(path));
  expect(foreign).toEqual([]);
});

test('the bundle is loaded on its own, and can connect', async () => {
  const { outputFiles } = await bundled();
  const address = `data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString('base64')}`;
  const { connect } = (await import(/* @vite-ignore */ address)) as typeof import('../../src/client/index.ts');
  const dialled: string[] = [];
  class Recorder {
    binaryType = '';
    onopen = null;
    onmessage = null;
    onclose = null;
    onerror = null;
    constructor(url: string, protocols: string[]) {
      dialled.push(url, ...protocols);
    }
    send() {}
    close() {}
  }
  const client = connect('ws://gateway/v1/stream', { WebSocket: Recorder });
  await new Promise((resolve) => client.on('state', resolve));
  await new Promise(setImmediate);
  expect(dialled).toEqual(['ws://gateway/v1/stream', 'tickwire.v1.msgpack']);
  client.close();
  expect(() => connect('ws://gateway/v1/stream', { WebSocket: Recorder, codec: 'json' })).toThrow(/in Node json/);
});
