// Owns the running of what only one gateway at a time should do: while this one has the office it runs, when it loses it, it is
// stopped, and begins again when it has it again. The command line runs the demo market and feeds in it.
// Invariant: no second run begins before the one before has ended.

/** Asks for an office until it is closed. */
export type OpenOffice = (listener: { begin(): void; end(): void }) => { close(): void };

/** Ends when the signal says so, or with the error of a run. */
export async function whileInOffice(
  open: OpenOffice,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  let term = new AbortController();
  let wake = (): void => {};
  let held = false;
  const office = open({
    begin: () => {
      held = true;
      term = new AbortController();
      wake();
    },
    end: () => {
      held = false;
      term.abort();
    },
  });
  signal.addEventListener('abort', () => wake(), { once: true });
  try {
    while (!signal.aborted) {
      if (held) await run(AbortSignal.any([signal, term.signal]));
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    office.close();
  }
}
