import { describe, expect, it } from 'vitest';
import { Progress, rateAt } from '../../src/train/schedule.js';

describe('rateAt', () => {
  it('rises, then falls to nothing', () => {
    const rates = Array.from({ length: 1000 }, (_, i) => rateAt(i, i / 1000, 1000, 2));
    expect(rates[0]).toBeCloseTo(2 / 50, 10);
    expect(Math.max(...rates)).toBeGreaterThan(1.98);
    expect(rates.indexOf(Math.max(...rates))).toBe(49);
    expect(rates[999]).toBeLessThan(1e-4);
    for (let i = 51; i < 1000; i++) expect(rates[i]).toBeLessThan(rates[i - 1]!);
  });
});

describe('Progress', () => {
  it('counts steps', () => {
    const progress = new Progress({ steps: 200 });
    expect([0, 50, 200].map((s) => progress.done(s))).toEqual([0, 0.25, 1]);
    expect(progress.total(7)).toBe(200);
    expect(progress.left(0)).toBe(Infinity);
    expect(progress.left(100)).toBeGreaterThanOrEqual(0);
  });

  it('counts minutes, those of former runs included', () => {
    const progress = new Progress({ minutes: 2 }, 60);
    expect(progress.done(30)).toBeGreaterThanOrEqual(0.5);
    expect(progress.done(30)).toBeLessThan(0.6);
    expect(progress.left(30)).toBeLessThanOrEqual(60);
  });

  it('tells the steps of some minutes from how long those so far took, not from what came before them', async () => {
    const progress = new Progress({ minutes: 1 }, 30);
    progress.begin(10);
    expect(progress.total(10)).toBe(Infinity);
    await new Promise((resolve) => setTimeout(resolve, 100));
    // Ten steps in a tenth of a second, and half a minute left.
    expect(progress.total(20)).toBeGreaterThan(1000);
    expect(progress.total(20)).toBeLessThan(3100);
  });
});
