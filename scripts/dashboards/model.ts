// Owns the form of Grafana's dashboards: what is said of each panel becomes the JSON that Grafana 11 reads. scripts/dashboards.ts
// writes it, the tests compare. Invariant: ids count up, panels fill a grid of 24 columns without overlap, and every query goes to
// the data source that the viewer chose.

export interface Panel {
  readonly title: string;
  /** What it shows, and when to worry. */
  readonly about: string;
  /** One of Grafana's unit ids. */
  readonly unit: string;
  /** Expressions by legend. `$on` in them stands for the labels of the chosen gateways. */
  readonly queries: Readonly<Record<string, string>>;
  /** Default `lines`. */
  readonly kind?: 'lines' | 'stacked' | 'figure' | 'table';
  /** Of 24 columns; a third by default, a sixth for a figure. */
  readonly width?: number;
  /** Of the axis; left to Grafana by default. */
  readonly max?: number;
  /** Figures turn red from here, or below it where `good` is `high`. */
  readonly bad?: number;
  readonly good?: 'high' | 'low';
}

export interface Section {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  /** Part of the file's name, and of the fixed uid. */
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly sections: readonly Section[];
}

const COLUMNS = 24;
/** Grafana 11. */
const SCHEMA_VERSION = 39;
const DATASOURCE = { type: 'prometheus', uid: '$datasource' };
const CHOSEN = 'job="tickwire",instance=~"$instance"';
const TYPES = { lines: 'timeseries', stacked: 'timeseries', figure: 'stat', table: 'table' } as const;
const WIDTHS = { lines: 8, stacked: 8, figure: 4, table: 12 } as const;
const HEIGHTS = { lines: 8, stacked: 8, figure: 4, table: 8 } as const;

/** The file's content. */
export function renderDashboard({ name, title, about, sections }: Dashboard): string {
  return `${JSON.stringify(
    {
      id: null,
      uid: uidOf(name),
      title,
      description: about,
      tags: ['tickwire'],
      schemaVersion: SCHEMA_VERSION,
      version: 1,
      editable: true,
      graphTooltip: 1,
      timezone: 'browser',
      time: { from: 'now-1h', to: 'now' },
      refresh: '15s',
      annotations: { list: [starts()] },
      templating: { list: [datasourceVariable(), instanceVariable()] },
      links: [
        {
          type: 'dashboards',
          title: 'Tickwire',
          tags: ['tickwire'],
          asDropdown: true,
          includeVars: true,
          keepTime: true,
        },
      ],
      panels: laidOut(sections),
    },
    null,
    2,
  )}\n`;
}

function uidOf(name: string): string {
  return `tickwire-${name}`;
}

function starts() {
  return {
    name: 'Starts',
    datasource: DATASOURCE,
    enable: true,
    iconColor: 'orange',
    expr: expressionOf('changes(process_start_time_seconds{$on}[1m]) > 0'),
    step: '15s',
    titleFormat: 'started anew',
    tagKeys: 'instance',
  };
}

function datasourceVariable() {
  return { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', hide: 0 };
}

function instanceVariable() {
  const query = 'label_values(tickwire_build_info{job="tickwire"}, instance)';
  return {
    name: 'instance',
    label: 'Gateway',
    type: 'query',
    datasource: DATASOURCE,
    definition: query,
    query: { query, refId: 'instances' },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { selected: true, text: ['All'], value: ['$__all'] },
  };
}

function laidOut(sections: readonly Section[]): object[] {
  const made: object[] = [];
  let y = 0;
  for (const { title, panels } of sections) {
    made.push({
      id: made.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { h: 1, w: COLUMNS, x: 0, y },
      panels: [],
    });
    y += 1;
    let x = 0;
    let heightMost = 0;
    for (const panel of panels) {
      const kind = panel.kind ?? 'lines';
      const w = panel.width ?? WIDTHS[kind];
      if (x + w > COLUMNS) {
        x = 0;
        y += heightMost;
        heightMost = 0;
      }
      made.push(rendered(panel, made.length + 1, { h: HEIGHTS[kind], w, x, y }));
      x += w;
      heightMost = Math.max(heightMost, HEIGHTS[kind]);
    }
    y += heightMost;
  }
  return made;
}

function rendered(panel: Panel, id: number, gridPos: object): object {
  const { title, about, unit, queries, kind = 'lines', max } = panel;
  const now = kind === 'figure' || kind === 'table';
  return {
    id,
    type: TYPES[kind],
    title,
    description: about,
    gridPos,
    datasource: DATASOURCE,
    targets: Object.entries(queries).map(([legend, query], i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      editorMode: 'code',
      expr: expressionOf(query),
      legendFormat: legend,
      instant: now,
      range: !now,
      ...(kind === 'table' && { format: 'table' }),
    })),
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(max !== undefined && { max }),
        ...(kind === 'figure' && { thresholds: thresholdsOf(panel) }),
        ...(!now && { custom: lineStyle(kind === 'stacked') }),
      },
      overrides: [],
    },
    options: optionsOf(kind),
  };
}

function expressionOf(query: string): string {
  return query.replaceAll('$on', CHOSEN);
}

function thresholdsOf({ bad, good = 'low' }: Panel) {
  const [below, above] = good === 'low' ? ['green', 'red'] : ['red', 'green'];
  const steps =
    bad === undefined
      ? [{ color: 'text', value: null }]
      : [
          { color: below, value: null },
          { color: above, value: bad },
        ];
  return { mode: 'absolute', steps };
}

function lineStyle(stacked: boolean) {
  return {
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: stacked ? 30 : 5,
    showPoints: 'never',
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
  };
}

function optionsOf(kind: keyof typeof TYPES): object {
  if (kind === 'table') return { showHeader: true };
  if (kind === 'figure')
    return {
      colorMode: 'value',
      graphMode: 'none',
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    };
  return {
    legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
    tooltip: { mode: 'multi', sort: 'desc' },
  };
}
