// Owns reading a Dockerfile and its .dockerignore: instructions by stage, and which files of the repository reach the build. The test of
// deploy/image calls it, and the rehearsal, which carries the steps out. Invariant: what it does not understand is an error.

import { posix } from 'node:path';

export interface Instruction {
  readonly name: string;
  /** Without its flags. */
  readonly text: string;
  /** `--from=build` is `from: 'build'`. */
  readonly flags: Readonly<Record<string, string>>;
}

export interface Stage {
  readonly base: string;
  /** Empty where it has none. */
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

export interface Copy {
  /** The stage that it copies from; null: the repository. */
  readonly from: string | null;
  readonly sources: readonly string[];
  readonly target: string;
}

const KNOWN = ['FROM', 'WORKDIR', 'COPY', 'RUN', 'LABEL', 'ENV', 'USER', 'EXPOSE', 'HEALTHCHECK', 'CMD'];

/** @throws Error naming the line that can't be read. */
export function readDockerfile(text: string): Stage[] {
  const stages: { base: string; name: string; instructions: Instruction[] }[] = [];
  const lines = text.replace(/^#.*\n/gm, '').replace(/\\\n\s*/g, '');
  for (const line of lines.split('\n').filter((each) => each.trim() !== '')) {
    const [, name = '', rest = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    if (!KNOWN.includes(name)) throw new Error(`not understood: ${line}`);
    const flags: Record<string, string> = {};
    const said = rest.replace(/^(?:--[\w-]+=\S+ +)+/, (all) => {
      for (const [, flag, value] of all.matchAll(/--([\w-]+)=(\S+)/g)) flags[flag!] = value!;
      return '';
    });
    if (name === 'FROM') {
      const [, base, stage = ''] = /^(\S+)(?: AS (\S+))?$/.exec(said) ?? [];
      if (base === undefined) throw new Error(`not understood: ${line}`);
      stages.push({ base, name: stage, instructions: [] });
    } else {
      const stage = stages.at(-1);
      if (stage === undefined) throw new Error(`before the first FROM: ${line}`);
      stage.instructions.push({ name, text: said, flags });
    }
  }
  return stages;
}

export function copyOf({ text, flags }: Instruction): Copy {
  const words = text.split(/\s+/);
  return { from: flags.from ?? null, sources: words.slice(0, -1), target: words.at(-1)! };
}

/** The text of a stage's last instruction of that name; null where it has none. */
export function lastOf({ instructions }: Stage, name: string): string | null {
  return instructions.findLast((each) => each.name === name)?.text ?? null;
}

/** NAME=value pairs of ENV and LABEL, quoted or not. */
export function pairsOf({ instructions }: Stage, name: string): Record<string, string> {
  const texts = instructions.filter((each) => each.name === name).map(({ text }) => text);
  return Object.fromEntries(
    texts.flatMap((text) =>
      [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)].map(([, key, a, b]) => [key!, a ?? b!]),
    ),
  );
}

/** The command of an instruction in JSON form, as CMD has it; a HEALTHCHECK's behind its own word. */
export function commandOf(text: string): string[] {
  return JSON.parse(text.replace(/^CMD /, '')) as string[];
}

/**
 * Whether a path of the repository reaches the build: the last line that fits it decides.
 * @throws Error naming a line that is neither `*` nor a plain path.
 */
export function reaches(ignoreFile: string, path: string): boolean {
  let reached = true;
  for (const line of ignoreFile.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    const [, not = '', pattern = ''] = /^(!?)(\*|[\w./-]+)$/.exec(line) ?? [];
    if (pattern === '') throw new Error(`not understood: ${line}`);
    const fits =
      pattern === '*' || path === posix.normalize(pattern) || path.startsWith(`${posix.normalize(pattern)}/`);
    if (fits) reached = not === '!';
  }
  return reached;
}
