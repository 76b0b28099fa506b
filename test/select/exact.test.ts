import { describe, expect, it } from 'vitest';
import { fromRows, zeros } from '../../src/linalg/matrix.js';
import { duplicateRows, type RowFate } from '../../src/select/exact.js';
import { normals, randomMatrix } from '../matrices.js';

const own = (leader: number): RowFate => ({ leader, factor: 1 });

describe('duplicate rows', () => {
  const rows = fromRows([
    [1, -2, 3],
    [2, -4, 6],
    [0, 0, 0],
    [-1, 2, -3],
    [1, -2, 3],
    [1, -2, 3.1],
  ]);

  it('of equal rows only', () => {
    expect(duplicateRows(rows, { scale: 'none', tolerance: 1e-6 })).toEqual([
      own(0),
      own(1),
      { leader: -1, factor: 0 },
      own(3),
      own(0),
      own(5),
    ]);
  });

  it('up to a positive factor', () => {
    const fates = duplicateRows(rows, { scale: 'positive', tolerance: 1e-6 });
    expect(fates.map((f) => f.leader)).toEqual([0, 0, -1, 3, 0, 5]);
    expect(fates[1]!.factor).toBeCloseTo(2, 12);
  });

  it('up to any factor', () => {
    const fates = duplicateRows(rows, { scale: 'any', tolerance: 1e-6 });
    expect(fates.map((f) => f.leader)).toEqual([0, 0, -1, 0, 0, 5]);
    expect(fates[3]!.factor).toBeCloseTo(-1, 12);
  });

  it.each([
    ['within', 0.9e-4, true],
    ['beyond', 1.1e-4, false],
  ])('a difference %s the tolerance, against the row’s largest entry', (_, difference, found) => {
    // The small entry may differ by far more than its own size; the largest one sets the scale.
    const [a, b] = [
      [1000, 0.001, -500],
      [1000, 0.001 + 1000 * difference, -500],
    ];
    const fate = duplicateRows(fromRows([a!, b!]), { scale: 'none', tolerance: 1e-4 })[1]!;
    expect(fate.leader).toBe(found ? 0 : 1);
  });

  it.each([1, 7, 300])('finds every duplicate that is off by up to the tolerance in all %i columns', (cols) => {
    const tolerance = 1e-6;
    const originals = randomMatrix(40, cols, cols);
    const next = normals(5);
    const data: number[][] = [];
    for (let r = 0; r < 40; r++) {
      const row = [...originals.data.subarray(r * cols, (r + 1) * cols)];
      const factor = (0.1 + Math.abs(next())) * (r % 2 === 0 ? 1 : -1);
      const largest = Math.max(...row.map((v) => Math.abs(v * factor)));
      data.push(
        row,
        row.map((v) => v * factor + Math.sign(next()) * 0.3 * tolerance * largest),
      );
    }
    const fates = duplicateRows(fromRows(data), { scale: 'any', tolerance });
    // Rows of one column are all multiples of the first.
    for (let r = 0; r < 40; r++) expect(fates[2 * r + 1]!.leader).toBe(cols === 1 ? 0 : 2 * r);
  });

  it('rows of one direction but of wildly different size are duplicates, tiny ones too', () => {
    const fates = duplicateRows(
      fromRows([
        [1e30, -2e30],
        [1e-30, -2e-30],
      ]),
      { scale: 'positive', tolerance: 1e-6 },
    );
    expect(fates[1]!.leader).toBe(0);
    expect(fates[1]!.factor / 1e-60).toBeCloseTo(1, 9);
  });

  it('NaN and infinite rows are nobody’s duplicates', () => {
    const fates = duplicateRows(
      fromRows([
        [NaN, 1],
        [NaN, 1],
        [Infinity, 1],
        [Infinity, 1],
      ]),
      { scale: 'any', tolerance: 1e-6 },
    );
    expect(fates.map((f) => f.leader)).toEqual([0, 1, 2, 3]);
  });

  it('leaders are rows that stand for themselves', () => {
    const fates = duplicateRows(fromRows(Array.from({ length: 50 }, (_, i) => [1 + (i % 5), 1])), {
      scale: 'none',
      tolerance: 1e-6,
    });
    for (const { leader } of fates) expect(fates[leader]!.leader).toBe(leader);
    expect(new Set(fates.map((f) => f.leader)).size).toBe(5);
  });

  it('no rows, or rows of no columns', () => {
    expect(duplicateRows(zeros(0, 3), { scale: 'any', tolerance: 1e-6 })).toEqual([]);
    expect(duplicateRows(zeros(2, 0), { scale: 'any', tolerance: 1e-6 }).map((f) => f.leader)).toEqual([-1, -1]);
  });

  it('stays fast for thousands of rows: 4000 of 200 columns, half of them duplicates', () => {
    const half = randomMatrix(2000, 200, 9);
    const data = new Float64Array(2 * half.data.length);
    data.set(half.data);
    data.set(
      half.data.map((v) => 3 * v),
      half.data.length,
    );
    const start = performance.now();
    const fates = duplicateRows({ rows: 4000, cols: 200, data }, { scale: 'positive', tolerance: 1e-6 });
    // All pairs would take some 16 s.
    expect(performance.now() - start).toBeLessThan(2000);
    expect(fates.slice(2000).every((f, i) => f.leader === i)).toBe(true);
    expect(fates.slice(0, 2000).every((f, i) => f.leader === i)).toBe(true);
  });
});
