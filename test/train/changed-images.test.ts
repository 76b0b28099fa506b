import { describe, expect, it } from 'vitest';
import type { NumericArray } from '../../src/graph/feeds.js';
import { ChangedImages, type ImageChanges } from '../../src/train/changed-images.js';
import { randomNumbers } from '../../src/calibration/random.js';

const all = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i);
const images = (dims: readonly number[], of: (i: number) => number): NumericArray => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => of(i)),
});
/** Each image, changed. */
function changed(array: NumericArray, changes: ImageChanges): number[][] {
  const rows = all(array.dims[0]!);
  const made = new ChangedImages(array, rows, changes).of(rows, (row) => randomNumbers(100 + row));
  expect(made.dims).toEqual(array.dims);
  const size = made.data.length / rows.length;
  return [...rows].map((r) => [...(made.data as Float32Array).subarray(r * size, (r + 1) * size)]);
}

const COUNT = 20;
const SIZE = 72;
const counted = images([COUNT, 3, 4, 6], (i) => i);
const row = (r: number): number[] => Array.from({ length: SIZE }, (_, i) => SIZE * r + i);
/** The same with the colours last. */
const colours = (image: readonly number[]): number[] =>
  Array.from({ length: SIZE }, (_, i) => image[(i % 3) * 24 + Math.floor(i / 3)]!);
const coloursLast = images([COUNT, 4, 6, 3], (i) => colours(row(Math.floor(i / SIZE)))[i % SIZE]!);

describe('images', () => {
  it('are as they are where nothing is to be changed', () => {
    expect(changed(counted, {})).toEqual(Array.from({ length: COUNT }, (_, r) => row(r)));
  });

  it('are mirrored every second time', () => {
    let mirrored = 0;
    changed(counted, { flip: true }).forEach((image, r) => {
      if (image.join() === row(r).join()) return;
      expect(image.slice(0, 6)).toEqual(row(r).slice(0, 6).toReversed());
      mirrored++;
    });
    expect(mirrored).toBeGreaterThan(4);
    expect(mirrored).toBeLessThan(16);
  });

  it('are moved by whole pixels, all channels alike; from outside comes what is mirrored', () => {
    let moved = 0;
    changed(counted, { shift: 0.4 }).forEach((image, r) => {
      for (let i = 0; i < 48; i++) expect(image[i + 24]).toBe(image[i]! + 24);
      for (const value of image) expect(row(r)).toContain(value);
      if (image.join() !== row(r).join()) moved++;
    });
    expect(moved).toBeGreaterThan(10);
  });

  it('are changed alike wherever the colours lie', () => {
    const changes = { flip: true, shift: 0.4, zoom: 0.3, turn: 20, light: 0.1, mix: 1, cut: true };
    const [first, last] = [changed(counted, changes), changed(coloursLast, changes)];
    expect(last).toEqual(first.map(colours));
  });

  it('of one row are changed alike, whatever colours the inputs have', () => {
    const flat = (count: number): NumericArray => images([40, count, 6, 6], (i) => Math.floor(i / (36 * count)));
    const changes = { flip: true, shift: 0.3, zoom: 0.2, mix: 1, cut: true };
    const [one, three] = [changed(flat(1), changes), changed(flat(3), changes)];
    three.forEach((image, r) => {
      for (let c = 0; c < 3; c++) expect(image.slice(36 * c, 36 * c + 36)).toEqual(one[r]);
    });
    // Light is drawn for each colour; what is moved and blended with what stays the same.
    changed(flat(3), { ...changes, light: 1e-9 }).forEach((image, r) => {
      image.forEach((v, i) => {
        expect(v).toBeCloseTo(three[r]![i]!, 4);
      });
    });
  });

  it('may be one line', () => {
    const line = images([20, 1, 1, 8], (i) => i % 8);
    const changes = { flip: true, shift: 0.4, zoom: 0.3, mix: 1, cut: true };
    for (const image of changed(line, changes))
      for (const value of image) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(7);
      }
  });

  it('are made larger or smaller about their middle', () => {
    // A ramp stays a ramp, of another slope.
    const ramp = images([30, 1, 9, 9], (i) => (i % 9) - 4);
    const slopes = changed(ramp, { zoom: 0.25 }).map((image) => {
      expect(image[40]).toBeCloseTo(0, 5);
      expect(image[41]).toBeCloseTo(-image[39]!, 5);
      return image[41]!;
    });
    expect(Math.min(...slopes)).toBeGreaterThanOrEqual(1 / 1.25);
    expect(Math.max(...slopes)).toBeLessThanOrEqual(1.25);
    expect(Math.max(...slopes) - Math.min(...slopes)).toBeGreaterThan(0.2);
  });

  it('are turned about their middle', () => {
    const ramp = images([30, 1, 9, 9], (i) => (i % 9) - 4);
    const angles = changed(ramp, { turn: 30 }).map((image) => {
      const [across, down] = [image[41]! - image[40]!, image[49]! - image[40]!];
      expect(Math.hypot(across, down)).toBeCloseTo(1, 5);
      return (Math.atan2(down, across) * 180) / Math.PI;
    });
    expect(Math.max(...angles.map(Math.abs))).toBeLessThanOrEqual(30);
    expect(Math.max(...angles) - Math.min(...angles)).toBeGreaterThan(30);
  });

  it('are lit otherwise, by a share of their spread and of what they are', () => {
    const [low, high] = [100, 140];
    const grey = images([40, 1, 2, 2], (i) => (i % 2 === 0 ? low : high));
    const deviation = (high - low) / 2;
    const seen = changed(grey, { light: 0.2 }).map((image) => {
      const gain = (image[1]! - image[0]!) / (high - low);
      return { gain, offset: (image[0]! - gain * low) / deviation };
    });
    for (const { gain, offset } of seen) {
      expect(Math.abs(gain - 1)).toBeLessThanOrEqual(0.2001);
      expect(Math.abs(offset)).toBeLessThanOrEqual(0.2001);
    }
    expect(Math.max(...seen.map((s) => s.gain)) - Math.min(...seen.map((s) => s.gain))).toBeGreaterThan(0.2);
    expect(Math.max(...seen.map((s) => s.offset)) - Math.min(...seen.map((s) => s.offset))).toBeGreaterThan(0.2);
  });

  it('are blended with another, of which less than half is seen', () => {
    const flat = images([10, 1, 2, 2], (i) => 100 * Math.floor(i / 4));
    const seen = changed(flat, { mix: 1 });
    seen.forEach((image, r) => {
      expect(new Set(image).size).toBe(1);
      // 100 r + share · 100 (other − r): the other is one of the ten.
      expect(Math.abs(image[0]! - 100 * r)).toBeLessThanOrEqual(450);
    });
    expect(seen.filter((image, r) => image[0] !== 100 * r).length).toBeGreaterThan(5);
  });

  it('show a rectangle of another, of at most half', () => {
    const flat = images([30, 1, 8, 8], (i) => Math.floor(i / 64));
    const patched = changed(flat, { cut: true }).filter((image, r) => image.some((v) => v !== r));
    expect(patched.length).toBeGreaterThan(15);
    changed(flat, { cut: true }).forEach((image, r) => {
      const others = image.flatMap((v, i) => (v === r ? [] : [i]));
      if (others.length === 0) return;
      const [ys, xs] = [others.map((i) => Math.floor(i / 8)), others.map((i) => i % 8)];
      const [tall, wide] = [ys, xs].map((v) => Math.max(...v) - Math.min(...v) + 1) as [number, number];
      expect(tall * wide).toBe(others.length);
      expect(new Set(others.map((i) => image[i])).size).toBe(1);
      expect(others.length).toBeLessThanOrEqual(32);
    });
  });

  it('are blended or patched by turns where both are wanted', () => {
    const flat = images([60, 1, 4, 4], (i) => 10 * Math.floor(i / 16));
    const whole = changed(flat, { mix: 1, cut: true }).map((image) => image.every((v) => v % 10 === 0));
    expect(whole.filter(Boolean).length).toBeGreaterThan(15);
    expect(whole.filter((w) => !w).length).toBeGreaterThan(15);
  });
});
