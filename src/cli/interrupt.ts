// Owns Ctrl-C and SIGTERM: the first one asks a command to end, the second one ends the process. Commands that run for long
// listen with it. Invariant: after `stop` the signals do again what they do by default.

import { ExitCode } from './complaint.ts';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** What to exit with after the signal came. */
  readonly exitCode: number;
  stop(): void;
}

export function onInterrupt(): Interrupt {
  const controller = new AbortController();
  let exitCode: number = ExitCode.interrupted;
  const listenerOf = (code: number) => () => {
    if (controller.signal.aborted) process.exit(code);
    exitCode = code;
    controller.abort();
  };
  const listeners = [
    ['SIGINT', listenerOf(ExitCode.interrupted)],
    ['SIGTERM', listenerOf(ExitCode.terminated)],
  ] as const;
  for (const [name, listener] of listeners) process.on(name, listener);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    stop: () => {
      for (const [name, listener] of listeners) process.off(name, listener);
    },
  };
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
