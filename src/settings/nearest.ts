// Owns the guess what somebody meant: of the names that there are the one that is hardly different. What reads names that people have
// written asks it. Invariant: its time is bounded, whatever was written.

const NAME_LENGTH_MAX = 100;

/** The known name that is nearest; null where none is near. Upper case, `_` and `-` make no difference. */
export function nearest(name: string, known: Iterable<string>): string | null {
  const written = plain(name.slice(0, NAME_LENGTH_MAX));
  let best: string | null = null;
  let leastEdits = Math.min(3, Math.max(1, Math.floor(written.length / 4))) + 1;
  for (const each of known) {
    const edits = editsBetween(written, plain(each));
    if (edits >= leastEdits) continue;
    leastEdits = edits;
    best = each;
  }
  return best;
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, '');
}

/** Letters to insert, remove, replace, or swap with the next one. */
function editsBetween(one: string, other: string): number {
  let before: number[] = [];
  let row = Array.from({ length: other.length + 1 }, (_, j) => j);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1;
      let edits = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same);
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) {
        edits = Math.min(edits, before[j - 2]! + 1);
      }
      next.push(edits);
    }
    before = row;
    row = next;
  }
  return row[other.length]!;
}
