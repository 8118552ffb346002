// Owns the page at `/`: which built files it consists of and the headers that they are served with. The HTTP endpoints ask it
// first. Invariant: only the files of its table are ever read, whatever a request names, and nothing it serves may load
// or run what is not from this gateway.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { HttpRequest, HttpResponse } from './uws.ts';

/** From the sources as well as from what was built of them. */
const BUILT = new URL('../../dist/page/', import.meta.url);

const HTML = 'text/html; charset=utf-8';
const FILES: ReadonlyMap<string, { readonly name: string; readonly contentType: string }> = new Map([
  ['/', { name: 'index.html', contentType: HTML }],
  ['/page/page.js', { name: 'page.js', contentType: 'text/javascript; charset=utf-8' }],
  ['/page/style.css', { name: 'style.css', contentType: 'text/css; charset=utf-8' }],
  ['/page/icon.svg', { name: 'icon.svg', contentType: 'image/svg+xml' }],
]);

const SAFETY = {
  // Sockets are named by scheme: not every browser counts them as the same origin.
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

const NOT_BUILT = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tickwire</title>
<p>The page has not been built yet: run <code>npm run build</code> and load this again.</p></html>
`;

interface Asset {
  readonly body: string;
  readonly contentType: string;
  readonly etag: string;
}

export class Page {
  private readonly assets = new Map<string, Asset>();

  /** @param folder where the built files are, ending in a slash. */
  constructor(private readonly folder: URL = BUILT) {}

  /** Null for what is not the page's. */
  answer({ method, path, headers }: Pick<HttpRequest, 'method' | 'path' | 'headers'>): HttpResponse | null {
    if (method !== 'GET' || !FILES.has(path)) return null;
    const asset = this.assets.get(path) ?? this.load(path);
    if (asset === undefined) {
      const [status, contentType] = [503, HTML];
      return path === '/' ? { status, contentType, body: NOT_BUILT, headers: SAFETY } : null;
    }
    const { body, contentType, etag } = asset;
    // Kept by browsers, but asked for each time: a page never meets a script of another version.
    const kept = { ...SAFETY, ETag: etag, 'Cache-Control': 'no-cache' };
    return holds(headers.get('if-none-match'), etag)
      ? { status: 304, contentType, body: '', headers: kept }
      : { status: 200, contentType, body, headers: kept };
  }

  /** Undefined where it was not built; it is looked for again with the next request. */
  private load(path: string): Asset | undefined {
    const { name, contentType } = FILES.get(path)!;
    try {
      const body = readFileSync(new URL(name, this.folder), 'utf8');
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
      const asset = { body, contentType, etag };
      this.assets.set(path, asset);
      return asset;
    } catch {
      return undefined;
    }
  }
}

/** RFC 9110 section 13.1.2: a list, compared weakly. */
function holds(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((each) => ['*', etag].includes(each.trim().replace(/^W\//, '')));
}
