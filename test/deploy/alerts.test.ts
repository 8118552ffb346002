// Owns the tests of deploy/prometheus and of the runbook: promtool takes the files and their cases, every alert has cases and an entry,
// what they name exists. Invariant: each check is shown to find a fault that was put in.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { dashboardFiles } from '../../scripts/dashboards.ts';
import { METRICS } from '../../src/insight/catalogue.ts';
import { SETTINGS } from '../../src/settings/settings.ts';
import { debianTool } from '../debian.ts';
import { defaultNames, faultsOf, namesIn, seriesOf } from './alerts-promql.ts';
import { checkExpressions, promtool, withCopy } from './alerts-promtool.ts';
import {
  alertsOf,
  caseFiles,
  caseSeries,
  cases,
  entriesOf,
  loosened,
  PROMETHEUS,
  recordings,
  runbookFaults,
  textOf,
  uncovered,
} from './alerts-rules.ts';

/** A few seconds on a machine that does nothing else. */
const CASES_MS_MAX = 120_000;
/** It may have to be installed. */
const FETCH_MS_MAX = 300_000;

const FOLDER = fileURLToPath(PROMETHEUS);
const page = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
const alerts = alertsOf();
const series = await seriesOf(recordings().map(({ record }) => record));

beforeAll(() => debianTool('promtool'), FETCH_MS_MAX);

describe('what promtool says', () => {
  test('the rules and the configuration are valid, once the token is where it is looked for', async () => {
    const rules = await promtool(FOLDER, 'check', 'rules', 'alerts.yml', 'recording.yml');
    expect(rules).toMatchObject({ ok: true, said: expect.stringContaining(`SUCCESS: ${alerts.length} rules found`) });
    expect(rules.said).not.toMatch(/duplicate|warn|FAILED/i);
    await withCopy(async (folder) => {
      const text = textOf('prometheus.yml').replace(/(credentials_file: ).*/, '$1token');
      writeFileSync(join(folder, 'prometheus.yml'), text);
      expect((await promtool(folder, 'check', 'config', 'prometheus.yml')).said).toMatch(/stat .*token/);
      writeFileSync(join(folder, 'token'), 'a token of the test');
      const config = await promtool(folder, 'check', 'config', 'prometheus.yml');
      expect(config).toMatchObject({ ok: true, said: expect.stringContaining('SUCCESS') });
      writeFileSync(join(folder, 'prometheus.yml'), text.replace('scrape_interval', 'scrape_intervall'));
      expect((await promtool(folder, 'check', 'config', 'prometheus.yml')).ok).toBe(false);
    });
  });

  test(
    'every case of the unit tests turns out as it says',
    async () => {
      expect(await promtool(FOLDER, 'test', 'rules', ...caseFiles())).toMatchObject({ ok: true });
    },
    CASES_MS_MAX,
  );

  test(
    'the cases find each alert that would fire a little too early or too easily',
    async () => {
      const eager = alerts.map(loosened);
      const changed = alerts.filter((alert, i) => JSON.stringify(alert) !== JSON.stringify(eager[i]));
      // Those of a threshold of zero without a wait have nothing to loosen.
      expect(alerts.length - changed.length).toBeLessThanOrEqual(1);
      const said = await withCopy(async (folder) => {
        writeFileSync(join(folder, 'alerts.yml'), stringify({ groups: [{ name: 'eager', rules: eager }] }));
        return (await promtool(folder, 'test', 'rules', ...caseFiles())).said;
      });
      const found = new Set([...said.matchAll(/alertname: (\w+), time:/g)].map(([, name]) => name));
      expect(changed.map(({ alert }) => alert).filter((name) => !found.has(name))).toEqual([]);
    },
    CASES_MS_MAX,
  );
});

describe('the alerts', () => {
  test('have a severity, a summary and a description each, and names of their own', () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
    for (const { alert, labels, annotations } of alerts) {
      expect(alert).toMatch(/^Tickwire[A-Z]\w+$/);
      expect(Object.keys(labels)).toEqual(['severity']);
      expect(['page', 'ticket']).toContain(labels.severity);
      expect(Object.keys(annotations).sort()).toEqual(['description', 'runbook_url', 'summary']);
      for (const text of [annotations.summary, annotations.description]) expect(text).toMatch(/[A-Z{].*\.$/);
    }
  });

  test('have a case in which they fire and one in which they do not, and every case is of an alert', () => {
    expect(uncovered(alerts, cases())).toEqual([]);
  });

  test('a lacking case, and one of no alert, are found', () => {
    const name = alerts[0]!.alert;
    const without = (fires: boolean) =>
      cases().filter(({ alertname, exp_alerts }) => alertname !== name || exp_alerts.length > 0 !== fires);
    expect(uncovered(alerts, without(true))).toEqual([`${name} fires in no case`]);
    expect(uncovered(alerts, without(false))).toEqual([`${name} is quiet in no case`]);
    const stray = [...cases(), { alertname: 'TickwireGone', exp_alerts: [] }];
    expect(uncovered(alerts, stray)).toEqual(['there is no alert TickwireGone']);
  });

  test('and the recordings name metrics, labels and values that the gateway has', () => {
    const faults = [...alerts, ...recordings()].flatMap(({ expr }) => faultsOf(expr, series));
    expect(faults).toEqual([]);
    expect(namesIn(alerts.map(({ expr }) => expr).join(' + '), series).length).toBeGreaterThan(alerts.length);
  });

  test.each([
    ['rate(tickwire_refusal_total[5m])', 'there is no metric tickwire_refusal_total'],
    ['up{job="tickwire"} == 0 and tickwire_redy == 0', 'there is no metric tickwire_redy'],
    ['tickwire_connections{streams="publish"}', 'tickwire_connections has no label streams'],
    ['tickwire_refusals_total{code=~"busy|too-many"}', 'tickwire_refusals_total has no code "too-many"'],
    ['tickwire_resets_total{reason!="horizons"}', 'tickwire_resets_total has no reason "horizons"'],
    ['sum by (pace) (tickwire_connections)', 'no metric here has the label pace'],
    ['sum(tickwire_flush_seconds_bucket) without (lee)', 'no metric here has the label lee'],
    ['rate(tickwire_queued_bytes[5m])', 'rate of tickwire_queued_bytes, which is a gauge'],
    ['avg_over_time(tickwire_updates_total[5m])', 'avg_over_time of tickwire_updates_total, which is a counter'],
    ['tickwire_flush_seconds', 'there is no metric tickwire_flush_seconds'],
    ['nodejs_heap_used', 'there is no metric nodejs_heap_used'],
  ])('a fault in %s is found', (expression, fault) => {
    expect(faultsOf(expression, series)).toEqual([fault]);
  });

  test('are tried on series that the gateway has, and on those of others', () => {
    const faults = caseSeries().flatMap((each) => faultsOf(each, series));
    expect(faults.filter((fault) => !/has no job "(prometheus|shop)"$/.test(fault))).toEqual([]);
    expect(faults).toHaveLength(2);
  });

  test('use every recording, or a dashboard does', () => {
    const used = [...alerts.map(({ expr }) => expr), ...dashboardFiles().values()].join('\n');
    expect(recordings().filter(({ record }) => !used.includes(record))).toEqual([]);
  });

  test('end in the links that the configuration has, whose label leaves with no alert', () => {
    const { global, alerting } = parse(textOf('prometheus.yml'));
    expect(global.external_labels).toEqual({ runbooks: '' });
    expect(alerting.alert_relabel_configs).toEqual([{ regex: 'runbooks', action: 'labeldrop' }]);
  });
});

describe('the runbook', () => {
  test('has an entry for each alert and no other, and each says all that it has to', () => {
    expect(runbookFaults(alerts, entriesOf(page))).toEqual([]);
  });

  test('that lacks an entry, has one too many, or one that leaves something out, is found', () => {
    const [{ alert }] = alerts as [(typeof alerts)[number]];
    const faults = (text: string) => runbookFaults(alerts, entriesOf(text));
    expect(faults(page.replace(`### ${alert}\n`, '### TickwireGone\n'))).toEqual([
      `${alert} has no entry`,
      'TickwireGone is no alert',
    ]);
    expect(faults(page.replace('**Harmless:**', ''))).toEqual([`${alert} lacks Harmless`]);
    expect(faults(page.replace('*page.*', '*ticket.*'))).toEqual([`${alert} is a page`]);
  });

  test('names settings that there are', () => {
    const known = new Set<string>(Object.values(SETTINGS).map(({ env }) => env));
    const named = [...page.matchAll(/\b(?:TICKWIRE_[A-Z_]+|REDIS_URL)\b/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  test('asks Prometheus what it can answer', async () => {
    const all = [...Object.keys(METRICS), ...(await defaultNames()), ...recordings().map(({ record }) => record)];
    const named = (code: string) => all.some((name) => code.includes(name));
    const queries = [...page.matchAll(/`([^`]+)`/g)].map(([, code]) => code!).filter(named);
    expect(queries.length).toBeGreaterThan(alerts.length);
    expect(queries.flatMap((query) => faultsOf(query, series))).toEqual([]);
    expect(await checkExpressions(queries)).toMatchObject({ ok: true });
    expect(await checkExpressions([...queries, 'sum by (tickwire_ready'])).toMatchObject({ ok: false });
  });
});
