// Owns what k6 has as globals and @types/k6 does not name: the protocol's codecs ask for the first two.
// k6/tsconfig.json reads it. Invariant: nothing is named here that k6 2.2 lacks.

declare class TextDecoder {
  constructor(label?: string, options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean });
  decode(bytes?: Uint8Array): string;
}

declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, bytes: Uint8Array): { readonly read: number; readonly written: number };
}

declare const console: { log(text: string): void; warn(text: string): void };
