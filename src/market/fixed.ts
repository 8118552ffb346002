// Moved: see src/protocol/decimal.ts. Kept while the feeds move over.
export * from '../protocol/decimal.ts';
