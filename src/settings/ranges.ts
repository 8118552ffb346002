// Owns how a list of addresses and ranges is written in a setting, such as `10.0.0.0/8, ::1`.
// The settings check theirs with it and the gateway reads them. Invariant: what is not wholly an address or a range is a fault
// in words, never a range that is wider than what was meant.

import { BlockList, isIP } from 'node:net';

/** Every request is compared with all of them. */
const RANGES_MAX = 256;

/** @returns the ranges, none for an empty text, or what is wrong with it. */
export function readRanges(text: string): BlockList | string {
  const ranges = new BlockList();
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length > RANGES_MAX) return `${parts.length} ranges, at most ${RANGES_MAX}`;
  for (const part of parts) {
    if (part === '' && parts.length === 1) return ranges;
    if (!addRange(ranges, part)) {
      return `${JSON.stringify(part.slice(0, 60))} is neither an address nor a range such as 10.0.0.0/8 or fd00::/8`;
    }
  }
  return ranges;
}

function addRange(ranges: BlockList, part: string): boolean {
  const [, address, prefix] = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(part) ?? [];
  const version = address === undefined ? 0 : isIP(address);
  if (address === undefined || version === 0) return false;
  const bitsMax = version === 4 ? 32 : 128;
  const bits = prefix === undefined ? bitsMax : Number(prefix);
  if (bits > bitsMax) return false;
  ranges.addSubnet(address, bits, version === 4 ? 'ipv4' : 'ipv6');
  return true;
}
