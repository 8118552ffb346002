// Holds that every file under deploy/ is checked by something: each belongs to one test, which reads it. Invariant: a new file that
// nobody checks fails here, and so does an entry for a file that is gone.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const DEPLOY = resolve(import.meta.dirname, '../../deploy');

/** What a path begins with, and the test that reads it. */
const CHECKED: Readonly<Record<string, string>> = {
  'README.md': 'files.test.ts',
  'compose/': 'compose.test.ts',
  'grafana/': 'dashboards.test.ts',
  'haproxy/': 'haproxy-files.test.ts',
  'image/': 'image.test.ts',
  'kubernetes/': 'kubernetes.test.ts',
  'prometheus/': 'alerts.test.ts',
  'sysctl/90-tickwire.conf': 'sysctl.test.ts',
  'systemd/': 'systemd.test.ts',
};
/** Those of a folder that its test must name, since it does not list the folder. */
const NAMED = ['compose/', 'haproxy/', 'image/', 'systemd/'];

const files = readdirSync(DEPLOY, { recursive: true, encoding: 'utf8', withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(DEPLOY.length + 1))
  // Made by who runs compose; never in the repository.
  .filter((file) => !file.startsWith('compose/secrets/'));

function unchecked(all: readonly string[]): string[] {
  return all.filter((file) => {
    const place = Object.keys(CHECKED).find((start) => file.startsWith(start));
    if (place === undefined) return true;
    const source = readFileSync(join(import.meta.dirname, CHECKED[place]!), 'utf8');
    return NAMED.includes(place) && !source.includes(file.slice(place.length));
  });
}

test('every file is read by a test, and a new one is not overlooked', () => {
  expect(unchecked(files)).toEqual([]);
  const added = ['nginx/nginx.conf', 'sysctl/91-more.conf', 'systemd/other.service', 'compose/more.yaml'];
  expect(unchecked(added)).toEqual(added);
});

test('every entry is for something that is there', () => {
  expect(Object.keys(CHECKED).filter((start) => !files.some((file) => file.startsWith(start)))).toEqual([]);
});

test('the page of deploy/ names every folder, and no path or command that is not there', () => {
  const page = readFileSync(join(DEPLOY, 'README.md'), 'utf8');
  const folders = readdirSync(DEPLOY, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of folders) expect(page).toContain(`[${name}](${name})`);
  const links = [...page.matchAll(/\]\((?!http)([^)#]+)/g)].map(([, path]) => path!);
  const paths = [...page.matchAll(/\bdeploy\/[\w./-]+/g)].map(([path]) => join('..', path));
  // Made by the command before them.
  const made = [...links, ...paths].filter((path) => !path.includes('compose/secrets'));
  expect(made.filter((path) => !existsSync(join(DEPLOY, path)))).toEqual([]);
  const { scripts } = JSON.parse(readFileSync(join(DEPLOY, '../package.json'), 'utf8')) as { scripts: object };
  for (const [, script] of page.matchAll(/npm run ([\w:]+)/g)) expect(scripts).toHaveProperty([script!]);
});
