// How the gateway serves the page: types, caching, and what a browser is told never to do. Real HTTP, files of the test's own.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Page } from '../../src/gateway/page.ts';
import { createServer, type Server } from '../../src/gateway/uws.ts';
import { ask, startGateway, stopAll } from './harness.ts';

const FILES = { 'index.html': '<!doctype html>', 'page.js': 'export {};', 'style.css': 'b{}', 'icon.svg': '<svg/>' };

let folder: string;
let server: Server;
let url: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tickwire-page-'));
  const page = new Page(pathToFileURL(`${folder}/`));
  const nothing = { status: 404, body: '{}' };
  server = createServer({ streams: [], http: async (request) => page.answer(request) ?? nothing, bodyBytesMax: 0 });
  url = `http://127.0.0.1:${server.listen('127.0.0.1', 0)}`;
});

afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true });
  stopAll();
});

function build(): void {
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
}

describe('the built page', () => {
  beforeEach(build);

  test.each([
    ['/', 'text/html; charset=utf-8', FILES['index.html']],
    ['/page/page.js', 'text/javascript; charset=utf-8', FILES['page.js']],
    ['/page/style.css', 'text/css; charset=utf-8', FILES['style.css']],
    ['/page/icon.svg', 'image/svg+xml', FILES['icon.svg']],
  ])('%s is served as %s', async (path, contentType, text) => {
    const answer = await fetch(url + path);
    expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([200, contentType, text]);
  });

  test('lets a browser load and run nothing but itself, and guess no types', async () => {
    const { headers } = await fetch(url);
    const policy = headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("connect-src 'self' ws: wss:");
    expect(policy).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('is asked for each time, and sent again only when it has changed', async () => {
    const first = await fetch(url);
    const etag = first.headers.get('etag')!;
    expect(first.headers.get('cache-control')).toBe('no-cache');
    for (const value of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await fetch(url, { headers: { 'If-None-Match': value } });
      expect([value, again.status, await again.text(), again.headers.get('etag')]).toEqual([value, 304, '', etag]);
    }
    const other = await fetch(url, { headers: { 'If-None-Match': '"other"' } });
    expect([other.status, await other.text()]).toEqual([200, FILES['index.html']]);
  });

  test('answers HEAD with the length and no body', async () => {
    const answer = await fetch(`${url}/page/page.js`, { method: 'HEAD' });
    expect([answer.status, answer.headers.get('content-length'), await answer.text()]).toEqual([
      200,
      String(FILES['page.js'].length),
      '',
    ]);
  });

  test.each(['/page/', '/page/secret', '/page/page.ts', '/page//page.js', '/index.html'])(
    '%s is not of the page',
    async (path) => {
      writeFileSync(join(folder, 'secret'), 'secret');
      expect((await fetch(url + path)).status).toBe(404);
    },
  );

  test('is only read, never written to', async () => {
    expect((await fetch(url, { method: 'POST', body: '' })).status).toBe(404);
  });
});

test('a page that was not built says how to build it, and is there once it was', async () => {
  const before = await fetch(url);
  expect([before.status, await before.text()]).toEqual([503, expect.stringContaining('npm run build')]);
  expect((await fetch(`${url}/page/page.js`)).status).toBe(404);
  build();
  expect((await fetch(url)).status).toBe(200);
});

test('a gateway answers what it does not know with JSON, beside its page', async () => {
  const gateway = startGateway();
  for (const path of ['/nothing', '/page/nothing', '/page/%2e%2e/package.json']) {
    const { status, code } = await ask(gateway, path);
    expect([path, status, code]).toEqual([path, 404, 'not-found']);
  }
  const { headers } = await ask(gateway, '/');
  expect(headers['content-type']).toBe('text/html; charset=utf-8');
});
