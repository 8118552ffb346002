// Owns docs/settings.md: `npx tsx scripts/settings-page.ts` writes it from the table in the code, and a test holds that it
// is up to date. Invariant: the page says nothing of a setting that the table does not say.

import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { SETTINGS } from '../src/settings/settings.ts';

interface Row {
  readonly env: string;
  readonly default: number | string;
  readonly min?: number;
  readonly max?: number;
  readonly about: string;
}

const BEFORE = `# Settings

What the gateway can be told, by environment variables; flags of \`tickwire serve\` go before them. All are read and
checked at the start: with a value that can't work it does not start, and says everything that is wrong at once. A number
is written in digits alone. A change takes effect with the next start.

This page is made from the table in \`src/settings/settings.ts\` by \`npx tsx scripts/settings-page.ts\`.

| Setting | Variable | Default | From | To | What it is for |
|---|---|---|---|---|---|
`;

const AFTER = `
\`TICKWIRE_CONTROL_BYTES_MAX\` is at least 1024 bytes for each symbol that a request may name: one answer always fits.

## Beside the gateway

- \`TICKWIRE_URL\`: where \`tickwire watch\`, \`tickwire publish\` and \`tickwire instruments\` look for a gateway; else on this
  machine, at \`TICKWIRE_PORT\`.
- \`TICKWIRE_CREDENTIAL\`: an API key or a JWT that \`tickwire publish\` shows the gateway; else \`TICKWIRE_PUBLISH_TOKEN\`, where that is set.
- \`TICKWIRE_CAPTURES\`: where the tests look for captures of real exchange traffic; else \`../shared/captures\`.
- \`NO_COLOR\`: where it is set, the command line prints no colours.
- \`TERM\`: where it is \`dumb\`, the command line prints no colours and does not move the cursor.
`;

/** The whole page. */
export function settingsPage(): string {
  const rows = Object.entries<Row>(SETTINGS).map(([name, { env, default: preset, min, max, about }]) => {
    const cells = [`\`${name}\``, `\`${env}\``, shown(preset), shown(min), shown(max), about];
    return `| ${cells.join(' | ')} |\n`;
  });
  return BEFORE + rows.join('') + AFTER;
}

function shown(value: number | string | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  return value === '' ? 'none' : `\`${value}\``;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(new URL('../docs/settings.md', import.meta.url), settingsPage());
}
