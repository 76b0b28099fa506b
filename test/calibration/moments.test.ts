import { describe, expect, it } from 'vitest';
import { Moments } from '../../src/calibration/moments.js';
import { largestDifference, multiply, randomMatrix, transposed } from '../matrices.js';
import type { Matrix } from '../../src/linalg/matrix.js';

const mean = (X: Matrix): Float64Array =>
  Float64Array.from({ length: X.cols }, (_, c) => {
    let sum = 0;
    for (let r = 0; r < X.rows; r++) sum += X.data[r * X.cols + c]! / X.rows;
    return sum;
  });
const minus = (X: Matrix, shift: Float64Array): Matrix => ({
  ...X,
  data: X.data.map((v, i) => v - shift[i % X.cols]!),
});
const over = (X: Matrix, n: number): Matrix => ({ ...X, data: X.data.map((v) => v / n) });

/** Moments of rows about shifts, in batches of `size`. */
function collect(X: Matrix, Z: Matrix, shiftX: Float64Array, shiftZ: Float64Array, size: number): Moments[] {
  const result: Moments[] = [];
  for (let start = 0; start < X.rows; start += size) {
    const part = (M: Matrix): Matrix => {
      const data = M.data.slice(start * M.cols, (start + size) * M.cols);
      return { rows: data.length / M.cols, cols: M.cols, data };
    };
    const [x, z] = [minus(part(X), shiftX), minus(part(Z), shiftZ)];
    const sums = (M: Matrix): Float64Array =>
      multiply({ rows: 1, cols: M.rows, data: new Float64Array(M.rows).fill(1) }, M).data;
    const moments = Moments.empty(shiftX, shiftZ);
    moments.add(x.rows, {
      x: sums(x),
      xx: multiply(transposed(x), x).data,
      z: sums(z),
      zx: multiply(transposed(z), x).data,
      zz: sums({ ...z, data: z.data.map((v) => v * v) }),
    });
    result.push(moments);
  }
  return result;
}

describe('moments', () => {
  const [X, Z] = [randomMatrix(50, 4, 1), randomMatrix(50, 3, 2)];
  const [mx, mz] = [mean(X), mean(Z)];
  const centred = { x: minus(X, mx), z: minus(Z, mz) };

  it.each([
    ['zero', new Float64Array(4), new Float64Array(3)],
    ['the means', mx, mz],
    ['anything', Float64Array.of(1, -2, 0.5, 3), Float64Array.of(-1, 4, 2)],
  ])('do not depend on the shifts: %s', (_, shiftX, shiftZ) => {
    const moments = Moments.total(collect(X, Z, shiftX, shiftZ, 7));
    expect(moments.rows).toBe(50);
    moments.meanX().forEach((v, i) => expect(v).toBeCloseTo(mx[i]!, 12));
    moments.meanZ().forEach((v, i) => expect(v).toBeCloseTo(mz[i]!, 12));
    expect(largestDifference(moments.xx(true), over(multiply(transposed(centred.x), centred.x), 50))).toBeLessThan(
      1e-12,
    );
    expect(largestDifference(moments.xx(false), over(multiply(transposed(X), X), 50))).toBeLessThan(1e-12);
    expect(largestDifference(moments.zx(true), over(multiply(transposed(centred.z), centred.x), 50))).toBeLessThan(
      1e-12,
    );
    expect(largestDifference(moments.zx(false), over(multiply(transposed(Z), X), 50))).toBeLessThan(1e-12);
    for (const about of [true, false]) {
      const squares = mean({ ...Z, data: (about ? centred.z : Z).data.map((v) => v * v) });
      moments.zz(about).forEach((v, i) => expect(v).toBeCloseTo(squares[i]!, 12));
    }
  });

  it('of a target less a constant are those of the shifted rows', () => {
    const offset = Float64Array.of(3, -1, 0.5);
    const shifted = Moments.total(collect(X, Z, mx, mz, 10)).withTargetMinus(offset);
    const wanted = Moments.total(collect(X, minus(Z, offset), mx, new Float64Array(3), 50));
    for (const about of [true, false])
      expect(largestDifference(shifted.zx(about), wanted.zx(about))).toBeLessThan(1e-12);
    shifted.meanZ().forEach((v, i) => expect(v).toBeCloseTo(wanted.meanZ()[i]!, 12));
    shifted.zz(false).forEach((v, i) => expect(v).toBeCloseTo(wanted.zz(false)[i]!, 12));
    expect(largestDifference(shifted.xx(true), wanted.xx(true))).toBeLessThan(1e-12);
  });

  it('of parts add up, and adding leaves the parts alone', () => {
    const parts = collect(X, Z, mx, mz, 10);
    const before = parts[0]!.xx(true);
    const whole = Moments.total(parts);
    expect(
      largestDifference(
        Moments.total([Moments.total(parts.slice(0, 2)), Moments.total(parts.slice(2))]).xx(true),
        whole.xx(true),
      ),
    ).toBeLessThan(1e-14);
    expect(parts[0]!.xx(true)).toEqual(before);
    expect(parts[0]!.rows).toBe(10);
    expect(() => Moments.total([])).toThrow('no moments');
  });

  it('a variance is never below zero', () => {
    const constant = { rows: 3, cols: 1, data: new Float64Array(3).fill(0.1) };
    const moments = Moments.total(collect(constant, constant, Float64Array.of(0.3), Float64Array.of(0.3), 1));
    expect(moments.zz(true)[0]).toBeGreaterThanOrEqual(0);
    expect(moments.zz(true)[0]).toBeLessThan(1e-15);
  });
});
