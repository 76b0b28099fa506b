/**
 * Which rows play which part. *Fit* rows make the moments; *check* rows are seen once, by the gate. Fit rows are divided into folds, of which
 * one serves as validation rows while widths are chosen. Everything is deterministic: a unit (a row, a block of neighbours, or all rows of one
 * key) is placed by its rank in a fixed pseudo-random order.
 */
import { shuffled } from './random.js';

/** Rows that must stay on one side together. */
export type Grouping =
  | { readonly kind: 'rows' }
  | { readonly kind: 'blocks' }
  | { readonly kind: 'key'; readonly values: ArrayLike<number | string | bigint> };

export interface Split {
  readonly fit: Int32Array;
  readonly check: Int32Array;
}

/** Folds of the fit rows. */
export const FOLDS = 4;
/** With `blocks`, the data is cut into this many runs of neighbouring rows. */
const BLOCKS = 40;

/**
 * @param holdout share of the rows that only the check sees, 0 … 1
 * @returns ascending row numbers; at least one unit on each side where there are two
 */
export function splitRows(rows: number, holdout: number, grouping: Grouping = { kind: 'rows' }): Split {
  if (holdout <= 0) return { fit: Int32Array.from({ length: rows }, (_, i) => i), check: new Int32Array(0) };
  const unit = units(rows, grouping);
  const count = unit.count;
  const order = shuffled(count, 2);
  const wanted = Math.min(count - 1, Math.max(1, Math.round(count * holdout)));
  const checked = new Set(order.slice(0, wanted));
  const fit: number[] = [];
  const check: number[] = [];
  for (let row = 0; row < rows; row++) (checked.has(unit.of[row]!) ? check : fit).push(row);
  return { fit: Int32Array.from(fit), check: Int32Array.from(check) };
}

/** The fold of each fit row, 0 … folds − 1, groups kept whole; as even as the groups allow. */
export function assignFolds(
  rows: number,
  fit: Int32Array,
  folds: number,
  grouping: Grouping = { kind: 'rows' },
): Int32Array {
  const unit = units(rows, grouping);
  const order = shuffled(unit.count, 3);
  const rank = new Int32Array(unit.count);
  order.forEach((u, i) => (rank[u] = i));
  const present = [...new Set([...fit].map((row) => unit.of[row]!))].sort((a, b) => rank[a]! - rank[b]!);
  const foldOf = new Map(present.map((u, i) => [u, i % folds]));
  return Int32Array.from(fit, (row) => foldOf.get(unit.of[row]!)!);
}

function units(rows: number, grouping: Grouping): { readonly of: Int32Array; readonly count: number } {
  switch (grouping.kind) {
    case 'rows':
      return { of: Int32Array.from({ length: rows }, (_, i) => i), count: rows };
    case 'blocks': {
      const count = Math.min(BLOCKS, rows);
      return { of: Int32Array.from({ length: rows }, (_, i) => Math.floor((i * count) / rows)), count };
    }
    case 'key': {
      const ids = new Map<number | string | bigint, number>();
      const of = Int32Array.from({ length: rows }, (_, i) => {
        const value = grouping.values[i]!;
        const id = ids.get(value) ?? ids.size;
        ids.set(value, id);
        return id;
      });
      return { of, count: ids.size };
    }
  }
}
