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

describe('images', () => {
  const pixels = Float32Array.from({ length: 20 * 3 * 4 * 6 }, (_, i) => i);
  const first = dataset('x', [20, 3, 4, 6], pixels);

  it('are mirrored every second time', () => {
    const flipped = rowsOf(first, { flip: true });
    let mirrored = 0;
    for (let r = 0; r < 20; r++) {
      const image = valuesOf(flipped, 'x', Int32Array.of(r), 1);
      const [a, b] = [image.slice(0, 6), [...pixels.slice(r * 72, r * 72 + 6)]];
      if (a.join() === b.join()) continue;
      expect(a).toEqual(b.toReversed());
      mirrored++;
    }
    expect(mirrored).toBeGreaterThan(4);
    expect(mirrored).toBeLessThan(16);
  });

  it('are moved by whole pixels, all channels alike, wherever the channels lie', () => {
    const last = dataset(
      'x',
      [20, 4, 6, 3],
      Float32Array.from({ length: pixels.length }, (_, i) => {
        const [n, rest] = [Math.floor(i / 72), i % 72];
        return pixels[n * 72 + (rest % 3) * 24 + Math.floor(rest / 3)]!;
      }),
    );
    const [a, b] = [first, last].map((data) => rowsOf(data, { shift: 0.4 })) as [TrainingRows, TrainingRows];
    let moved = 0;
    for (let r = 0; r < 20; r++) {
      const [x, y] = [a, b].map((rows) => valuesOf(rows, 'x', Int32Array.of(r), 1)) as [number[], number[]];
      expect(y).toEqual(Array.from({ length: 72 }, (_, i) => x[(i % 3) * 24 + Math.floor(i / 3)]));
      // Each channel holds what its neighbour holds, 24 further on.
      for (let i = 0; i < 48; i++) expect(x[i + 24]).toBe(x[i]! + 24);
      if (x[0] !== pixels[r * 72]) moved++;
    }
    expect(moved).toBeGreaterThan(10);
  });

  it('are blended with another, of which less than half is seen', () => {
    const flat = dataset(
      'x',
      [10, 1, 2, 2],
      Float32Array.from({ length: 40 }, (_, i) => 100 * Math.floor(i / 4)),
    );
    const rows = rowsOf(flat, { mix: 1 });
    const seen = Array.from({ length: 10 }, (_, r) => valuesOf(rows, 'x', Int32Array.of(r), 1));
    seen.forEach((image, r) => {
      expect(new Set(image).size).toBe(1);
      // 100 r + share · 100 (other − r): the other is one of the ten.
      expect(Math.abs(image[0]! - 100 * r)).toBeLessThanOrEqual(450);
    });
    expect(seen.filter((image, r) => image[0] !== 100 * r).length).toBeGreaterThan(5);
  });
});
