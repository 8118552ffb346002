// Owns the tests of deploy/grafana: the files are what their script writes, Grafana gets the fields that it needs, and each query asks
// for what there is. Invariant: each check is shown to find a fault that was put in.

import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { dashboardFiles } from '../../scripts/dashboards.ts';
import { METRICS } from '../../src/insight/catalogue.ts';
import { debianTool } from '../debian.ts';
import { faultsOf, namesIn, seriesOf } from './alerts-promql.ts';
import { checkExpressions } from './alerts-promtool.ts';
import { recordings } from './alerts-rules.ts';
import { type Board, boardFaults, queriesOf } from './dashboards-form.ts';

/** promtool may have to be installed. */
const FETCH_MS_MAX = 300_000;

const GRAFANA = new URL('../../deploy/grafana/', import.meta.url);
const FOLDER = new URL('dashboards/', GRAFANA);
const files = readdirSync(FOLDER);
const boards = files.map((file) => JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Board);
const series = await seriesOf(recordings().map(({ record }) => record));
const queries = boards.flatMap(queriesOf);

beforeAll(() => debianTool('promtool'), FETCH_MS_MAX);

describe('the dashboards', () => {
  test('are what the script writes, and nothing else is there', () => {
    const written = dashboardFiles();
    expect(files.sort()).toEqual([...written.keys()].sort());
    for (const [file, text] of written) {
      expect(readFileSync(new URL(file, FOLDER), 'utf8'), 'run npx tsx scripts/dashboards.ts').toBe(text);
    }
  });

  test('have what Grafana needs: fixed ids, panels that do not overlap, a query, a unit and a description each', () => {
    expect(boards.flatMap(boardFaults)).toEqual([]);
    expect(new Set(boards.map(({ uid }) => uid)).size).toBe(boards.length);
  });

  test('ask in a syntax that Prometheus knows', async () => {
    expect(await checkExpressions(queries)).toMatchObject({ ok: true });
    expect(await checkExpressions([...queries, 'sum(rate(tickwire_updates_total[1m])'])).toMatchObject({ ok: false });
  });

  test('name metrics, labels and values that the gateway has', () => {
    expect(queries.flatMap((query) => faultsOf(query, series))).toEqual([]);
  });

  test('show every metric of the catalogue', () => {
    const shown = queries
      .flatMap((query) => namesIn(query, series))
      .map((name) => name.replace(/_(bucket|sum|count)$/, ''));
    expect(Object.keys(METRICS).filter((name) => !shown.includes(name))).toEqual([]);
  });

  test('ask only for the gateways that were chosen', () => {
    const texts = boards.flatMap(({ panels }) => panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)));
    const everywhere = /ALERTS|^max\(tickwire:memory_limit_bytes\)$/;
    const unbound = texts.filter((expr) => !expr.includes('job="tickwire",instance=~"$instance"'));
    expect(unbound.filter((expr) => !everywhere.test(expr))).toEqual([]);
  });

  test.each<[string, (board: Board) => unknown, RegExp]>([
    [
      'an id that is used twice',
      ({ panels }) => Object.assign(panels[2]!, { id: panels[1]!.id }),
      /id 2 is used twice/,
    ],
    ['an overlap', ({ panels }) => Object.assign(panels[2]!.gridPos, panels[1]!.gridPos), / overlap/],
    ['a panel wider than the page', ({ panels }) => Object.assign(panels[1]!.gridPos, { w: 25 }), /24 columns/],
    ['a panel without a query', ({ panels }) => Object.assign(panels[1]!, { targets: [] }), /asks nothing/],
    ['a panel without a description', ({ panels }) => Object.assign(panels[1]!, { description: '' }), /no description/],
    ['a strange unit', ({ panels }) => Object.assign(panels[1]!.fieldConfig!.defaults, { unit: 'secs' }), /unit secs/],
    [
      'a data source of one installation',
      ({ panels }) => Object.assign(panels[1]!.datasource!, { uid: 'P8' }),
      /source/,
    ],
    ['a uid that Grafana would make up', (board) => Object.assign(board, { uid: '' }), /the uid ""/],
    ['an old schema', (board) => Object.assign(board, { schemaVersion: 16 }), /schemaVersion 16/],
    ['a variable that is not there', (board) => Object.assign(board.templating, { list: [] }), /variables/],
  ])('%s is found', (_, spoil, fault) => {
    const board = structuredClone(boards[0]!);
    spoil(board);
    expect(boardFaults(board).join('\n')).toMatch(fault);
  });
});

test('Grafana is told where Prometheus and the dashboards are', () => {
  const read = (file: string) => parse(readFileSync(new URL(`provisioning/${file}`, GRAFANA), 'utf8'));
  const { datasources } = read('datasources/prometheus.yml');
  expect(datasources).toMatchObject([{ type: 'prometheus', isDefault: true, url: expect.stringMatching(/^http:/) }]);
  const { providers } = read('dashboards/tickwire.yml');
  expect(providers).toMatchObject([{ type: 'file', options: { path: expect.stringMatching(/^\//) } }]);
});
