// Owns how a command fails: with a sentence that says what to do, and an exit code. Commands throw it, main prints it.
// Invariant: what a person can mend is a Complaint; any other error that reaches main is a bug of ours.

export const ExitCode = {
  done: 0,
  failed: 1,
  /** A flag, a value or a configuration that can't work. */
  misused: 2,
  /** Ctrl-C, as shells count it: 128 and the number of the signal. */
  interrupted: 130,
  terminated: 143,
} as const;

export class Complaint extends Error {
  override readonly name = 'Complaint';

  constructor(
    sentence: string,
    readonly exitCode: number = ExitCode.failed,
  ) {
    super(sentence);
  }
}

/** What an error says, without its class and stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
