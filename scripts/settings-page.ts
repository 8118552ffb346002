// Owns docs/settings.md: `npx tsx scripts/settings-page.ts` writes it from the table in the code, and a test holds that it
// is up to date. Invariant: the page says nothing of a setting that the table does not say.

import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { Setting } from '../src/settings/setting.ts';
import { SETTINGS } from '../src/settings/settings.ts';

const BEFORE = `# Settings

What the gateway can be told. Four places are looked at, each before the next: flags, variables of the environment, a settings
file, the defaults. All of them are read and checked at the start: with a value that can't work, in whichever place, it
does not start, and says everything that is wrong at once, each with its flag, its variable, or its file and line.

This page is made from the tables in \`src/settings/\` by \`npx tsx scripts/settings-page.ts\`.

## The settings file

\`tickwire serve --config gateway.yaml\`, or \`TICKWIRE_CONFIG=gateway.yaml\`: YAML 1.2 or JSON, the settings' names with their values.

\`\`\`yaml
# yaml-language-server: $schema=settings.schema.json
host: 0.0.0.0
connectionsMax: 50000
origins: # or as text, with commas
  - https://desk.example.com
  - https://ops.example.com
accessFile: /etc/tickwire/access.json
logLevel: warn
\`\`\`

A number is written in digits, text that looks like a number in quotes. Settings that are lists are YAML lists, or text with
commas. A name that is no setting, one that is there twice and a value of another kind are faults. Anchors and aliases are not
taken; a file has at most 1 MiB and 50,000 words and signs. Paths in it are from where the gateway was started.

- \`tickwire config check [file]\`: whether it can work, with the environment as it is: one sentence and exit code 0, or all faults and 2.
- \`tickwire config print\`: the settings in force as YAML, each with where it is from. \`--changed\`: those that differ from
  the default; \`--json\`; \`--defaults\`: a file to begin with. Secrets are \`***\`.
- \`tickwire config schema\`: the JSON Schema (2020-12) of the file, for editors: the first line of the example names it.

## Variables

A number is written in digits alone; an empty one is none. A variable that begins with \`TICKWIRE_\` and is nearly one of these is told in
a warning. For a setting that is marked as a secret there is a second variable, its name with \`_FILE\` behind it
(\`TICKWIRE_ADMIN_TOKEN_FILE\`, \`REDIS_URL_FILE\`): the path of a file that holds the value, as Docker and Kubernetes give secrets to a
container. Blanks around the value are left out; both variables at once are a fault. No secret is printed or logged.

## While it runs

On SIGHUP \`tickwire serve\` reads the file, the files of secrets, the access document and the certificate again and checks everything.
With any fault in the settings none of them changes, and all faults are logged (\`settings.kept\`). Else those that
are marked as live hold at once, and are logged with their old and new values (\`settings.reloaded\`); those that changed and hold
from the next start on are named in a warning (\`settings.restart\`). Flags and variables stay as they were at the start, and go before the file as ever.

A lower limit of connections, subscriptions or instruments ends none that there are: it holds for what is asked for from then on, and
clients learn of it with their next welcome.
A publish token that becomes another ends the connections that were opened with the one before. Tokens for sessions are
given at the new pace from the next one on.

## All settings

| Setting | Variable | Default | From | To | Live | Secret | What it is for |
|---|---|---|---|---|---|---|---|
`;

const AFTER = `
\`TICKWIRE_CONTROL_BYTES_MAX\` is at least 1024 bytes for each symbol that a request may name: one answer always fits.

## Beside the gateway

- \`TICKWIRE_CONFIG\`: the settings file; the flag \`--config\` goes before it.
- \`TICKWIRE_URL\`: where \`tickwire watch\`, \`tickwire publish\` and \`tickwire instruments\` look for a gateway; else on this
  machine, at \`TICKWIRE_PORT\`.
- \`TICKWIRE_CREDENTIAL\`: an API key or a JWT that \`tickwire publish\` shows the gateway; else \`TICKWIRE_PUBLISH_TOKEN\`, where that is set.
- \`TICKWIRE_CAPTURES\`: where the tests look for captures of real exchange traffic; else \`../shared/captures\`.
- \`NO_COLOR\`: where it is set, the command line prints no colours.
- \`TERM\`: where it is \`dumb\`, the command line prints no colours and does not move the cursor.
`;

/** The whole page. */
export function settingsPage(): string {
  const rows = Object.entries<Setting>(SETTINGS).map(([name, setting]) => {
    const { env, default: preset, min, max, live, secret, about } = setting;
    const numbers = [shown(preset), shown(min), shown(max)];
    const cells = [`\`${name}\``, `\`${env}\``, ...numbers, marked(live), marked(secret), about];
    return `| ${cells.join(' | ')} |\n`;
  });
  return BEFORE + rows.join('') + AFTER;
}

function marked(is: true | undefined): string {
  return is === true ? 'yes' : '';
}

function shown(value: number | string | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  return value === '' ? 'none' : `\`${value}\``;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(new URL('../docs/settings.md', import.meta.url), settingsPage());
}
