import { afterAll, describe, expect, it } from 'vitest';
import { Moments } from '../../src/calibration/moments.js';
import { gather, range, zeros, type Matrix } from '../../src/linalg/matrix.js';
import { Blas } from '../../src/runtime/blas.js';
import { refitCrossValidated, type Refit } from '../../src/select/refit.js';
import { gaussSolve, largestDifference, multiply, normals, randomMatrix, transposed } from '../matrices.js';

const blas = new Blas();
afterAll(() => blas.release());

/** Rows of features and of targets. */
interface Rows {
  readonly X: Matrix;
  readonly Z: Matrix;
}

/** Moments of each of `folds` parts of the rows, about shifts that are no means, as pilot means never quite are. */
function foldsOf({ X, Z }: Rows, folds: number): Moments[] {
  const [p, q] = [new Float64Array(X.cols).fill(0.3), new Float64Array(Z.cols).fill(-0.2)];
  return splitsOf({ X, Z }, folds).map(({ held }) => {
    const moments = Moments.empty(p, q);
    const x = { ...held.X, data: held.X.data.map((v) => v - 0.3) };
    const z = { ...held.Z, data: held.Z.data.map((v) => v + 0.2) };
    const ones = { rows: 1, cols: x.rows, data: new Float64Array(x.rows).fill(1) };
    moments.add(x.rows, {
      x: multiply(ones, x).data,
      xx: multiply(transposed(x), x).data,
      z: multiply(ones, z).data,
      zx: multiply(transposed(z), x).data,
      zz: multiply(ones, { ...z, data: z.data.map((v) => v * v) }).data,
    });
    return moments;
  });
}

/** Fold f holds the rows r with r mod folds = f. */
function splitsOf({ X, Z }: Rows, folds: number): { train: Rows; held: Rows }[] {
  const pick = (test: (r: number) => boolean): Rows => {
    const rows = [...range(X.rows)].filter(test);
    return { X: gather(X, rows, range(X.cols)), Z: gather(Z, rows, range(Z.cols)) };
  };
  return [...range(folds)].map((f) => ({ train: pick((r) => r % folds !== f), held: pick((r) => r % folds === f) }));
}

/** Z = X Aᵀ + b + noise. */
function linear(X: Matrix, A: Matrix, b: number, noise: number, seed = 77): Rows {
  const next = normals(seed);
  const Z = multiply(X, transposed(A));
  return { X, Z: { ...Z, data: Z.data.map((v) => v + b + noise * next()) } };
}

function columnMeans(M: Matrix): Float64Array {
  return Float64Array.from({ length: M.cols }, (_, c) => {
    let sum = 0;
    for (let r = 0; r < M.rows; r++) sum += M.data[r * M.cols + c]! / M.rows;
    return sum;
  });
}

/** The ridge regression towards `start` with features scaled to unit variance, straight from the rows. */
function ridge({ X, Z }: Rows, start: Matrix, lambda: number): { weight: Matrix; constant: Float64Array } {
  const [mx, mz] = [columnMeans(X), columnMeans(Z)];
  const k = X.cols;
  const x = { ...X, data: X.data.map((v, i) => v - mx[i % k]!) };
  const spread = Float64Array.from({ length: k }, (_, c) =>
    Math.sqrt(columnMeans({ ...x, data: x.data.map((v) => v * v) })[c]!),
  );
  const unit = { ...x, data: x.data.map((v, i) => v / spread[i % k]!) };
  const z = { ...Z, data: Z.data.map((v, i) => v - mz[i % Z.cols]!) };
  const R = multiply(transposed(unit), unit);
  const left = { ...R, data: R.data.map((v, i) => v / X.rows + (i % (k + 1) === 0 ? lambda : 0)) };
  const cross = multiply(transposed(unit), z);
  const right = {
    ...cross,
    data: cross.data.map(
      (v, i) =>
        v / X.rows + lambda * start.data[(i % Z.cols) * k + Math.floor(i / Z.cols)]! * spread[Math.floor(i / Z.cols)]!,
    ),
  };
  const solved = transposed(gaussSolve(left, right));
  const weight = { ...solved, data: solved.data.map((v, i) => v / spread[i % k]!) };
  const offset = multiply(weight, { rows: k, cols: 1, data: mx }).data;
  return { weight, constant: mz.map((v, o) => v - offset[o]!) };
}

/** Mean over outputs of the squared error on some rows, over the variance on others. */
function errorOn({ X, Z }: Rows, all: Rows, { weight, constant }: { weight: Matrix; constant: Float64Array }): number {
  const predicted = multiply(X, transposed(weight));
  const m = Z.cols;
  const means = columnMeans(all.Z);
  const variance = columnMeans({ ...all.Z, data: all.Z.data.map((v, i) => (v - means[i % m]!) ** 2) });
  let sum = 0;
  Z.data.forEach((z, i) => (sum += (z - predicted.data[i]! - constant[i % m]!) ** 2 / variance[i % m]! / Z.rows / m));
  return sum;
}

const fit = (rows: Rows, start: Matrix, centred = true, folds = 4): Promise<Refit> =>
  refitCrossValidated(foldsOf(rows, folds), start, { centred, blas });

describe('refit', () => {
  const A = randomMatrix(3, 6, 1);

  it('recovers a linear map and its constant from any start', async () => {
    const rows = linear(randomMatrix(200, 6, 2), A, 5, 0);
    const { weight, constant, lambda, fitted, validation } = await fit(rows, randomMatrix(3, 6, 3));
    expect(largestDifference(weight, A)).toBeLessThan(1e-8);
    for (const c of constant) expect(c).toBeCloseTo(5, 8);
    expect(lambda).toBeLessThanOrEqual(1e-8);
    expect(fitted).toBeLessThan(1e-12);
    expect(validation).toBeLessThan(1e-12);
  });

  it('recovers a map through the origin without a constant', async () => {
    const X = randomMatrix(200, 6, 2);
    const shifted = { ...X, data: X.data.map((v) => v + 2) };
    const { weight, constant } = await fit(linear(shifted, A, 0, 0), randomMatrix(3, 6, 3), false);
    expect(largestDifference(weight, A)).toBeLessThan(1e-7);
    expect([...constant]).toEqual([0, 0, 0]);
  });

  it('without a constant, a target with one is met as well as a line through the origin can', async () => {
    const X = randomMatrix(100, 2, 4);
    const rows = linear({ ...X, data: X.data.map((v) => v + 1) }, randomMatrix(1, 2, 5), 3, 0);
    // One fold: a ridge of 1e-6, that of cross-validation would be larger.
    const { weight } = await fit(rows, zeros(1, 2), false, 1);
    const direct = transposed(gaussSolve(multiply(transposed(rows.X), rows.X), multiply(transposed(rows.X), rows.Z)));
    expect(largestDifference(weight, direct)).toBeLessThan(1e-5);
  });

  it('is the ridge regression towards the start, its figures those of the rows, its λ the best of its neighbours', async () => {
    const rows = linear(randomMatrix(40, 12, 6), randomMatrix(3, 12, 7), 1, 2);
    const start = { ...randomMatrix(3, 12, 7), data: randomMatrix(3, 12, 7).data.map((v) => v + 0.3) };
    const result = await fit(rows, start);
    const direct = ridge(rows, start, result.lambda);
    expect(largestDifference(result.weight, direct.weight)).toBeLessThan(1e-9);
    direct.constant.forEach((c, o) => expect(result.constant[o]).toBeCloseTo(c, 9));
    expect(result.fitted).toBeCloseTo(errorOn(rows, rows, direct), 9);
    const validation = (lambda: number): number =>
      splitsOf(rows, 4).reduce((sum, { train, held }) => sum + errorOn(held, rows, ridge(train, start, lambda)) / 4, 0);
    expect(result.validation).toBeCloseTo(validation(result.lambda), 9);
    expect(validation(result.lambda / 10)).toBeGreaterThanOrEqual(result.validation);
    if (result.lambda < 0.1) expect(validation(result.lambda * 10)).toBeGreaterThanOrEqual(result.validation);
  });

  it('few noisy rows and a good start: stays near it', async () => {
    const truth = randomMatrix(2, 30, 8);
    const rows = linear(randomMatrix(24, 30, 9), truth, 0, 1);
    const { weight, lambda } = await fit(rows, truth);
    expect(lambda).toBeGreaterThanOrEqual(1e-2);
    const distance = (W: Matrix): number => Math.hypot(...W.data.map((w, i) => w - truth.data[i]!));
    expect(distance(weight)).toBeLessThan(0.7 * distance(ridge(rows, truth, 1e-6).weight));
  });

  it('where the rows say nothing, the start stays', async () => {
    // Feature 2 is constant; features 0 and 1 are the same, and only their sum is seen.
    const X = randomMatrix(60, 3, 10);
    for (let r = 0; r < 60; r++) X.data.set([X.data[3 * r]!, X.data[3 * r]!, 4], 3 * r);
    const target = { rows: 1, cols: 3, data: Float64Array.of(1, 1, 0) };
    const start = { rows: 1, cols: 3, data: Float64Array.of(2.5, 0.5, 9) };
    const { weight, constant } = await fit(linear(X, target, 0, 0), start);
    expect(weight.data[0]).toBeCloseTo(2, 4);
    expect(weight.data[1]).toBeCloseTo(0, 4);
    expect(weight.data[2]).toBe(9);
    expect(constant[0]).toBeCloseTo(-36, 4);
  });

  it('fewer rows than features and dead outputs: finite', async () => {
    const rows = linear(randomMatrix(10, 25, 11), randomMatrix(2, 25, 12), 0, 0.1);
    for (let r = 0; r < 10; r++) rows.Z.data[2 * r] = 1;
    const result = await fit(rows, zeros(2, 25));
    expect(result.weight.data.every(Number.isFinite)).toBe(true);
    expect(Number.isFinite(result.validation)).toBe(true);
    // The dead output is met by its constant.
    expect(result.constant[0]).toBeCloseTo(1, 9);
  });

  it('one fold cannot be cross-validated: a middle ridge, and no validation figure', async () => {
    const { lambda, validation, weight } = await fit(linear(randomMatrix(100, 6, 13), A, 0, 0), zeros(3, 6), true, 1);
    expect(lambda).toBe(1e-6);
    expect(validation).toBeNaN();
    expect(largestDifference(weight, A)).toBeLessThan(1e-4);
  });

  it('a mean a thousand times the spread does no harm', async () => {
    const X = randomMatrix(100, 4, 14);
    const rows = linear({ ...X, data: X.data.map((v) => v + 1000) }, randomMatrix(1, 4, 15), 0, 0);
    expect(largestDifference((await fit(rows, zeros(1, 4))).weight, randomMatrix(1, 4, 15))).toBeLessThan(1e-5);
  });
});
