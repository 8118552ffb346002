// Owns docs/logs.md: `npx tsx scripts/logs-page.ts` writes it from the catalogue in the code, and a test holds that it is up to date.
// Invariant: the page says nothing of an event or a field that the catalogue does not say.

import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { LOG_EVENTS, LOG_FIELDS } from '../src/ports/log-events.ts';

interface Row {
  readonly level: string;
  readonly message: string;
  readonly fields: readonly string[];
  readonly about: string;
}

const BEFORE = `# Logs

A gateway logs to stderr, one JSON object a line:

\`\`\`json
{"level":"info","time":"2026-03-02T09:30:00.123Z","service":"tickwire","version":"0.1.0","nodeId":"9f2c41aa","event":"client.closed","connection":"5be1c0d2a9f37e64","address":"192.0.2.7","closeCode":4001,"reason":"too slow","msg":"closed a connection"}
\`\`\`

- \`level\` is a word: trace, debug, info, warn, error or fatal. \`time\` is ISO 8601, UTC, with milliseconds: people and whatever collects logs read it alike.
- \`service\` is always \`tickwire\`; \`version\` is the package's; \`nodeId\` is random and another with each start: it tells processes apart whose lines come together.
- \`event\` is what to filter and count by: its name and its fields keep their meaning. \`msg\` is the same in words, and may be put better some day.
- **No secrets**: tokens, keys, JWTs, passwords in URLs and the gateway's own secrets are \`***\`, wherever they turn up.
- **One line stays one line**: control characters and characters that turn text around become \`\\ufffd\`; texts end after 500 characters, stacks after 3,000.
- **Floods**: of one event at most \`TICKWIRE_LOG_LINES_PER_SEC_MAX\` lines are written a second (20; 0: all); then one line \`log.omitted\` says how many of which were left out.
  Mistakes of the gateway are counted by their message, so that a frequent one hides no other, and those that are left out are said at every level but \`silent\`.
- Where stderr can't be written to, lines are lost and counted (\`tickwire_log_lines_dropped_total\`), and the gateway goes on. It writes at once and waits for it: give it a file, a journal, or a pipe that is read.

How much is logged is \`TICKWIRE_LOG_LEVEL\`, and can be changed while it runs: [operating.md](operating.md#log-level).

This page is made from the catalogue in \`src/ports/log-events.ts\` by \`npx tsx scripts/logs-page.ts\`.

## Events

| Event | Level | \`msg\` | Fields | When, and what to do |
|---|---|---|---|---|
`;

const BETWEEN = `
## Fields

| Field | Meaning |
|---|---|
`;

/** The whole page. */
export function logsPage(): string {
  const events = Object.entries<Row>(LOG_EVENTS).map(([name, { level, message, fields, about }]) => {
    const cells = [`\`${name}\``, level, message, fields.map((field) => `\`${field}\``).join(', '), about];
    return `| ${cells.join(' | ')} |\n`;
  });
  const fields = Object.entries(LOG_FIELDS).map(([name, meaning]) => `| \`${name}\` | ${meaning} |\n`);
  return BEFORE + events.join('') + BETWEEN + fields.join('');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(new URL('../docs/logs.md', import.meta.url), logsPage());
}
