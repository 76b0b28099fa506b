import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawPositions, paddedLengths, patchIndices, positionsPerRow } from '../../src/calibration/positions.js';
import type { Kernel } from '../../src/channels/types.js';

const sampling = (count: number, map: readonly number[]) => ({ count, map, patch: undefined, patched: 'x' as const });

describe('drawn positions', () => {
  it.each([12, 13, Infinity])('are all of them, in order, where %d of 12 are asked for', (count) => {
    expect([...drawPositions(sampling(count, [3, 4]), 7)]).toEqual(Array.from({ length: 12 }, (_, i) => i));
  });

  it('are distinct, ascending, within the map, and the same for the same batch', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.nat(1000), (count, batch) => {
        const drawn = [...drawPositions(sampling(count, [5, 3, 2]), batch)];
        expect(drawn).toHaveLength(count);
        expect(drawn).toEqual([...new Set(drawn)].sort((a, b) => a - b));
        expect(drawn.every((p) => p >= 0 && p < 30)).toBe(true);
        expect([...drawPositions(sampling(count, [5, 3, 2]), batch)]).toEqual(drawn);
      }),
    );
  });

  it('differ between batches, and come from the whole map evenly', () => {
    const seen = new Int32Array(100);
    const batches = 2000;
    for (let batch = 0; batch < batches; batch++)
      for (const p of drawPositions(sampling(10, [10, 10]), batch)) seen[p]!++;
    // 200 of each are expected; the standard deviation is about 13.
    expect(Math.min(...seen)).toBeGreaterThan(130);
    expect(Math.max(...seen)).toBeLessThan(270);
  });

  it('are as many as the features need, or as asked for', () => {
    expect(positionsPerRow(10, 1000, undefined)).toBe(49);
    expect(positionsPerRow(1000, 100, undefined)).toBe(80);
    expect(positionsPerRow(1000, 0, undefined)).toBe(8000);
    expect(positionsPerRow(1000, 100, 3)).toBe(3);
  });
});

/** A random convolution in one to three dimensions that fits its input. */
const kernels = fc
  .array(
    fc.record({
      shape: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 3 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      begin: fc.nat(2),
      end: fc.nat(2),
      extra: fc.nat(4),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((axes): Kernel => {
    const span = axes.map(({ shape, dilation }) => (shape - 1) * dilation + 1);
    const input = axes.map(({ begin, end, extra }, i) => Math.max(1, span[i]! + extra - begin - end));
    return {
      shape: axes.map((a) => a.shape),
      strides: axes.map((a) => a.stride),
      dilations: axes.map((a) => a.dilation),
      padsBegin: axes.map((a) => a.begin),
      padsEnd: axes.map((a) => a.end),
      transposed: false,
      input,
      output: axes.map((a, i) => Math.floor((input[i]! + a.begin + a.end - span[i]!) / a.stride) + 1),
    };
  });

/** All index vectors of a box, the last axis fastest. */
function box(lengths: readonly number[]): number[][] {
  return lengths.reduce<number[][]>(
    (all, n) => all.flatMap((at) => Array.from({ length: n }, (_, i) => [...at, i])),
    [[]],
  );
}

describe('patches', () => {
  it('of any convolution lie where its definition says, in the padded input', () => {
    fc.assert(
      fc.property(kernels, (kernel) => {
        const { shape, strides, dilations, padsBegin, padsEnd, input, output } = kernel;
        // Where each place of the padded input stands in row-major order.
        const padded = new Map(
          box(input.map((n, i) => n + padsBegin[i]! + padsEnd[i]!)).map((at, flat) => [at.join(), flat]),
        );
        expect(paddedLengths(kernel).reduce((a, b) => a * b, 1)).toBe(padded.size);
        const wanted = box(output).flatMap((o) =>
          box(shape).map((k) => padded.get(o.map((p, i) => p * strides[i]! + k[i]! * dilations[i]!).join())),
        );
        const positions = Int32Array.from(box(output), (_, i) => i);
        expect([...patchIndices(kernel, output, positions)]).toEqual(wanted);
        const last = positions.slice(-1);
        expect([...patchIndices(kernel, output, last)]).toEqual(wanted.slice(-box(shape).length));
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});
