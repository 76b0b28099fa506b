import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/calibration/dataset.js';
import { farthestRows } from '../../src/verify/farthest.js';
import { randomMatrix } from '../matrices.js';

function dataset(rows: readonly (readonly number[])[]): Dataset {
  const width = rows[0]!.length;
  const array = { dtype: 'float32' as const, dims: [rows.length, width], data: Float32Array.from(rows.flat()) };
  return {
    rows: rows.length,
    inputs: [{ name: 'x', array, rowAxis: 0, unbatched: false }],
    extras: new Map(),
    fixedBatch: undefined,
    notes: [],
  };
}

const all = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i);
const rowsOf = (n: number, width: number, seed: number): number[][] => {
  const { data } = randomMatrix(n, width, seed);
  return Array.from({ length: n }, (_, r) => [...data.subarray(r * width, (r + 1) * width)]);
};

describe('the check rows farthest from the fit rows', () => {
  it('are 5 %, at least one, as positions in ascending order', () => {
    const fit = dataset(rowsOf(50, 3, 1));
    for (const [rows, expected] of [
      [1, 1],
      [10, 1],
      [100, 5],
    ] as const) {
      const far = farthestRows(fit, all(50), dataset(rowsOf(rows, 3, 2)), all(rows));
      expect(far.length).toBe(expected);
      expect([...far]).toEqual([...far].sort((a, b) => a - b));
    }
  });

  it('are those of the largest distance to the nearest fit row, in units of the fit rows’ spread', () => {
    // The second feature spreads a thousand times as wide: 300 there is nearer than 3 in the first.
    const fit = rowsOf(40, 2, 3).map(([a, b]) => [a!, 1000 * b!]);
    const check = rowsOf(60, 2, 4).map(([a, b]) => [0.3 * a!, 300 * b!]);
    check[17] = [6, 0];
    check[42] = [0, 3000];
    check[55] = [0, 5000];
    expect([...farthestRows(dataset(fit), all(40), dataset(check), all(60))]).toEqual([17, 42, 55]);
  });

  it('are positions among the rows that are checked, and only fit rows count as near', () => {
    // Rows 0 … 29 are fitted, 30 … 49 checked; row 40 lies on a row that is neither.
    const rows = rowsOf(60, 2, 5).map((row) => row.map((v) => 0.3 * v));
    rows[40] = [9, 9];
    rows[55] = [9, 9];
    const data = dataset(rows);
    const check = Int32Array.from({ length: 20 }, (_, i) => 30 + i);
    expect([...farthestRows(data, all(30), data, check)]).toEqual([10]);
  });

  it('a value that no fit row ever had is far, where the fit rows never change', () => {
    const fit = dataset(rowsOf(40, 1, 6).map(([a]) => [a!, 7]));
    const check = rowsOf(20, 1, 7).map(([a]) => [0.1 * a!, 7]);
    check[3] = [0, 8];
    expect([...farthestRows(fit, all(40), dataset(check), all(20))]).toEqual([3]);
  });

  it('takes the first of equals', () => {
    const fit = dataset([[0], [1]]);
    expect([...farthestRows(fit, all(2), dataset([[5], [5], [5]]), all(3))]).toEqual([0]);
  });

  it('looks at wide inputs evenly', () => {
    const wide = (at: number, value: number): number[] =>
      Array.from({ length: 1000 }, (_, i) => (i >= at && i < at + 20 ? value : (i % 7) * 0.1));
    const fit = dataset(Array.from({ length: 30 }, (_, r) => wide(0, 0).map((v) => v + Math.sin(r))));
    const check = dataset([
      ...Array.from({ length: 19 }, (_, r) => wide(0, 0).map((v) => v + Math.sin(r + 0.1))),
      wide(900, 50),
    ]);
    expect([...farthestRows(fit, all(30), check, all(20))]).toEqual([19]);
  });
});
