import { afterAll, expect, it } from 'vitest';
import { Blas } from '../../src/runtime/blas.js';
import { absorb } from '../../src/select/span.js';
import { exceedanceBound } from '../../src/verify/bounds.js';
import { readPage } from './pages.js';

const page = readPage('docs/how-it-works.md');
const blas = new Blas();
afterAll(() => blas.release());

/** The values of h1, h2 and z in the page's table. */
const rows = [...page.matchAll(/^\| \d +\| (\S+) +\| (\S+) +\| (\S+) +\|$/gm)].map(([, ...v]) => v.map(Number));
const mean = (f: (row: number[]) => number): number => rows.reduce((sum, row) => sum + f(row), 0) / rows.length;

it('the example with two neurons comes out as the page says', async () => {
  expect(rows.length).toBe(4);
  for (const [h1, h2, z] of rows) expect(3 * h1! - h2!).toBeCloseTo(z!, 10);
  const m = Float64Array.of(
    mean((r) => r[0]!),
    mean((r) => r[1]!),
  );
  const covariance = (i: number, j: number): number => mean((r) => (r[i]! - m[i]!) * (r[j]! - m[j]!));
  const C = {
    rows: 2,
    cols: 2,
    data: Float64Array.of(covariance(0, 0), covariance(0, 1), covariance(1, 0), covariance(1, 1)),
  };
  const variance = mean((r) => (r[2]! - 0.5) ** 2);
  expect(page).toContain(`z has the variance ${variance.toFixed(3)}`);

  /** Without neuron j: slope, constant, what is left of its variance, and the share of z's variance that is lost. */
  const without = async (j: 0 | 1): Promise<number[]> => {
    const k = 1 - j;
    const { T, t } = await absorb(C, m, Int32Array.of(k), 0, { centred: true, blas });
    const left = mean((r) => (r[j]! - T.data[j]! * r[k]! - t[j]!) ** 2);
    return [T.data[j]!, t[j]!, left, (([3, -1] as const)[j] ** 2 * left) / variance];
  };
  const [noH2, noH1] = [await without(1), await without(0)];
  expect(noH2[0]).toBeCloseTo(2.02, 6);
  expect(noH2[1]).toBeCloseTo(0.97, 6);
  expect([noH2[2]!.toFixed(4), noH2[3]!.toFixed(4)]).toEqual(['0.0045', '0.0037']);
  expect(noH1.map((v) => v.toFixed(4))).toEqual(['0.4946', '-0.4785', '0.0011', '0.0082']);
  expect(page).toContain('h1 ≈ 0.4946 h2 − 0.4785 leaves 1.25 − 2.525² / 5.105 = 0.0011');
  expect(Math.sqrt(noH2[3]!).toFixed(3)).toBe('0.061');

  const G = (i: number, j: number): number => mean((r) => r[i]! * r[j]!);
  expect((G(0, 1) / Math.sqrt(G(0, 0) * G(1, 1))).toFixed(3)).toBe('0.992');
  expect((G(0, 1) / G(0, 0)).toFixed(4)).toBe('2.4357');
  expect((G(1, 1) - G(0, 1) ** 2 / G(0, 0)).toFixed(2)).toBe('0.34');
});

it('the bounds of the page', () => {
  const bounds = [10_000, 460, 100].map((n) => `${(100 * exceedanceBound(0, n)).toPrecision(2)}`);
  expect(bounds).toEqual(['0.046', '1.0', '4.5']);
  expect(exceedanceBound(0, 460)).toBeCloseTo(1 - 0.01 ** (1 / 460), 10);
});
