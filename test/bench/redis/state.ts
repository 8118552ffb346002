export async function* stateLines(_o: unknown, _s: AbortSignal): AsyncGenerator<string> {}
