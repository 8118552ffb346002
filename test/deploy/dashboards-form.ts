// Owns what Grafana needs of a dashboard's JSON, as far as these have it: fields, ids, the grid, units, variables. The dashboards' tests
// call it. Invariant: an empty list of faults means that Grafana 11 shows every panel.

interface Position {
  readonly h: number;
  readonly w: number;
  readonly x: number;
  readonly y: number;
}

interface Source {
  readonly type: string;
  readonly uid: string;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: Source;
  readonly gridPos: Position;
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
    readonly datasource: Source;
  }[];
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } };
}

export interface Board {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
  readonly panels: readonly Panel[];
}

const COLUMNS = 24;
/** Of Grafana 11.0; older ones it would change when it reads them. */
const SCHEMA_VERSION_MIN = 39;
/** Those of Grafana's units that are in use here. */
const UNITS = new Set(['short', 's', 'bytes', 'Bps', 'cps', 'percentunit']);
const SOURCE_UID = '$datasource';

/** All queries as Prometheus gets them, for any gateway and a minute. */
export function queriesOf({ panels, annotations }: Board): string[] {
  const all = [...panels.flatMap(({ targets = [] }) => targets), ...annotations.list];
  return all.map(({ expr }) => expr.replaceAll(',instance=~"$instance"', '').replaceAll('$__rate_interval', '1m'));
}

/** What is wrong, in sentences. */
export function boardFaults({ uid, title, schemaVersion, templating, panels }: Board): string[] {
  const faults: string[] = [];
  if (!/^tickwire-[a-z-]{1,31}$/.test(uid)) faults.push(`${title} has the uid "${uid}"`);
  if (schemaVersion < SCHEMA_VERSION_MIN) faults.push(`${title} has the schemaVersion ${schemaVersion}`);
  const variables = templating.list.map(({ name, type }) => `${name} ${type}`);
  if (variables.join() !== 'datasource datasource,instance query')
    faults.push(`${title} has the variables ${variables}`);
  const ids = new Set<number>();
  for (const panel of panels) {
    if (ids.has(panel.id)) faults.push(`the id ${panel.id} is used twice`);
    ids.add(panel.id);
    faults.push(...panelFaults(panel));
  }
  for (const [i, one] of panels.entries()) {
    for (const other of panels.slice(i + 1)) {
      if (overlap(one.gridPos, other.gridPos)) faults.push(`${one.title} and ${other.title} overlap`);
    }
  }
  return faults;
}

function panelFaults({ type, title, description, gridPos, datasource, targets = [], fieldConfig }: Panel): string[] {
  const faults: string[] = [];
  if (gridPos.x < 0 || gridPos.x + gridPos.w > COLUMNS) faults.push(`${title} leaves the ${COLUMNS} columns`);
  if (title === '') faults.push('a panel has no title');
  if (type === 'row') return faults;
  if (description === undefined || description === '') faults.push(`${title} has no description`);
  const unit = fieldConfig?.defaults.unit ?? '';
  if (!UNITS.has(unit)) faults.push(`${title} has the unit ${unit}`);
  if (targets.length === 0) faults.push(`${title} asks nothing`);
  if (new Set(targets.map(({ refId }) => refId)).size < targets.length) faults.push(`${title} has a refId twice`);
  for (const { legendFormat } of targets) if (legendFormat === '') faults.push(`${title} has a query without a legend`);
  for (const source of [datasource, ...targets.map((target) => target.datasource)]) {
    if (source?.type !== 'prometheus' || source.uid !== SOURCE_UID)
      faults.push(`${title} has a data source of its own`);
  }
  return faults;
}

function overlap(a: Position, b: Position): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
