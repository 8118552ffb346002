// Owns how the benchmarks' commands read what they are told. Invariant: what can't be meant is refused by name.

import { SUBJECTS, type SubjectName } from './messages.ts';

export function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name} ${text}: it must be a whole number of 1 or more`);
  return value;
}

/** Of time, whole or not. */
export function positiveSeconds(name: string, text: string): number {
  const value = Number(text);
  if (!(value >= 0.1 && value <= 3_600)) throw new Error(`--${name} ${text}: it must be 0.1 to 3600 seconds`);
  return value;
}

export function subjectNamed(name: string): SubjectName {
  const found = SUBJECTS.find((subject) => subject === name);
  if (found === undefined) throw new Error(`no subject "${name}"; there are ${SUBJECTS.join(', ')}`);
  return found;
}
