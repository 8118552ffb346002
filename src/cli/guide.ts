// Owns the parts of --help that commander has no form for: examples and environment variables. Commands append them.
// Invariant: an example that is shown works, and a variable is described where it is defined.

/** One row per example: the command line, and what it is good for. */
export function examplesHelp(examples: readonly (readonly [line: string, about: string])[]): string {
  return `\nExamples:\n${rows(examples)}`;
}

/** One row per variable: its name, and what it is for. */
export function environmentHelp(variables: readonly (readonly [name: string, about: string])[]): string {
  return `\nEnvironment (flags come first):\n${rows(variables)}`;
}

function rows(entries: readonly (readonly [term: string, about: string])[]): string {
  const width = Math.max(...entries.map(([term]) => term.length));
  return entries.map(([term, about]) => `  ${term.padEnd(width)}  ${about}`).join('\n');
}
