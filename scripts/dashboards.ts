// Writes the dashboards under deploy/grafana/dashboards. Run it after a change of what is in scripts/dashboards; a test holds the
// files against it. Invariant: the files are what `dashboardFiles` says and nothing else.

import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BUS } from './dashboards/bus.ts';
import { CLIENTS } from './dashboards/clients.ts';
import { DELIVERY } from './dashboards/delivery.ts';
import { renderDashboard } from './dashboards/model.ts';
import { OVERVIEW } from './dashboards/overview.ts';
import { PROCESS } from './dashboards/process.ts';

const FOLDER = new URL('../deploy/grafana/dashboards/', import.meta.url);

/** Contents by file name. */
export function dashboardFiles(): Map<string, string> {
  return new Map(
    [OVERVIEW, DELIVERY, CLIENTS, BUS, PROCESS].map((dashboard) => [
      `${dashboard.name}.json`,
      renderDashboard(dashboard),
    ]),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const file of readdirSync(FOLDER)) rmSync(new URL(file, FOLDER));
  for (const [file, text] of dashboardFiles()) writeFileSync(new URL(file, FOLDER), text);
}
