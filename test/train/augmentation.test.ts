import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/calibration/dataset.js';
import { TrainingRows, type Augmentation } from '../../src/train/augmentation.js';
import { normals } from '../matrices.js';

const dataset = (name: string, dims: readonly number[], data: Float32Array): Dataset => ({
  rows: dims[0]!,
  inputs: [{ name, array: { dtype: 'float32', dims, data }, rowAxis: 0, unbatched: false }],
  extras: new Map(),
  fixedBatch: undefined,
  notes: [],
});
const all = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i);
const rowsOf = (data: Dataset, augmentation: Augmentation | undefined, seed = 1): TrainingRows =>
  new TrainingRows(data, all(data.rows), augmentation, seed);
const valuesOf = (rows: TrainingRows, name: string, at: Int32Array, variant: number): number[] => [
  ...(rows.feeds(at, variant).get(name)!.data as Float32Array),
];

describe('rows of numbers', () => {
  const next = normals(3);
  const data = dataset(
    'x',
    [200, 3],
    Float32Array.from({ length: 600 }, (_, i) => [1, 10, 0][i % 3]! * next()),
  );

  it('are as they are in variant 0, and have no other without an augmentation', () => {
    expect(rowsOf(data, undefined).variants).toBe(1);
    const noisy = rowsOf(data, { noise: 0.1 });
    expect(noisy.variants).toBeGreaterThan(1);
    expect(valuesOf(noisy, 'x', all(200), 0)).toEqual([...(data.inputs[0]!.array.data as Float32Array)]);
  });

  it('get noise in proportion to the spread of each column', () => {
    const noisy = valuesOf(rowsOf(data, { noise: 0.1 }), 'x', all(200), 2);
    const original = data.inputs[0]!.array.data as Float32Array;
    const spread = [0, 1, 2].map((j) =>
      Math.sqrt(noisy.reduce((sum, v, i) => sum + (i % 3 === j ? (v - original[i]!) ** 2 : 0), 0) / 200),
    );
    expect(spread[0]).toBeGreaterThan(0.08);
    expect(spread[0]).toBeLessThan(0.12);
    expect(spread[1]! / spread[0]!).toBeGreaterThan(8);
    expect(spread[2]).toBe(0);
  });

  it('depend on the row, the variant and the seed, not on the batch', () => {
    const rows = rowsOf(data, { noise: 0.1, mix: 8 });
    expect(valuesOf(rows, 'x', Int32Array.of(7), 3)).toEqual(valuesOf(rows, 'x', Int32Array.of(1, 7), 3).slice(3));
    expect(valuesOf(rows, 'x', Int32Array.of(7), 3)).not.toEqual(valuesOf(rows, 'x', Int32Array.of(7), 4));
    expect(valuesOf(rows, 'x', Int32Array.of(7), 3)).not.toEqual(
      valuesOf(rowsOf(data, { noise: 0.1, mix: 8 }, 2), 'x', Int32Array.of(7), 3),
    );
  });

  it('are mixed along the line to a row nearby', () => {
    const line = dataset(
      'x',
      [100, 2],
      Float32Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? Math.floor(i / 2) : 3 * Math.floor(i / 2))),
    );
    const mixed = valuesOf(rowsOf(line, { mix: 50 }), 'x', all(100), 1);
    for (let r = 0; r < 100; r++) {
      expect(mixed[2 * r + 1]).toBeCloseTo(3 * mixed[2 * r]!, 3);
      expect(Math.abs(mixed[2 * r]! - r)).toBeLessThan(20);
    }
  });
});

it('leaves images alone that vectors are changed beside, and the other way round', () => {
  const both: Dataset = {
    ...dataset(
      'x',
      [8, 3],
      Float32Array.from({ length: 24 }, (_, i) => i),
    ),
    inputs: [
      ...dataset(
        'x',
        [8, 3],
        Float32Array.from({ length: 24 }, (_, i) => i),
      ).inputs,
      ...dataset(
        'image',
        [8, 1, 2, 2],
        Float32Array.from({ length: 32 }, (_, i) => i),
      ).inputs,
    ],
  };
  const changed = (augmentation: Augmentation): boolean[] =>
    both.inputs.map(
      ({ name, array }) =>
        valuesOf(rowsOf(both, augmentation), name, all(8), 1).join() !== (array.data as Float32Array).join(),
    );
  expect(changed({ noise: 0.1 })).toEqual([true, false]);
  expect(changed({ light: 0.1 })).toEqual([false, true]);
  expect(changed({ mix: 4 })).toEqual([true, true]);
});
