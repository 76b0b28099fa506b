import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { carryThroughReshape } from '../../src/channels/reshape.js';
import { UnionFind } from '../../src/channels/union-find.js';

const channels = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => 10 + i);

describe('channels through a change of shape', () => {
  it.each([
    ['leading axes merged', [2, 3, 4], 2, [6, 4], 1, [10, 11, 12, 13]],
    ['leading axes split', [6, 4], 1, [2, 3, 4], 2, [10, 11, 12, 13]],
    ['an axis of one added', [3, 4], 1, [3, 1, 4, 1], 2, [10, 11, 12, 13]],
    ['positions folded behind the channels', [3, 2, 2], 1, [3, 4], 1, [10, 10, 11, 11]],
    ['positions folded before the channels', [3, 2, 2], 2, [3, 4], 1, [10, 11, 10, 11]],
    ['a single row', [1, 4], 1, [4], 0, [10, 11, 12, 13]],
    ['a single channel', [3, 1], 1, [3], 0, [10, 10, 10]],
  ])('%s', (_, from, axis, to, outAxis, map) => {
    const carried = carryThroughReshape(from, { axis, channels: channels(from[axis]!) }, to);
    expect(carried?.axis).toBe(outAxis);
    expect([...carried!.channels]).toEqual(map);
  });

  it.each([
    ['torn apart', [3, 4], 1, [3, 2, 2]],
    ['shifted against the rows', [3, 4], 1, [4, 3]],
    ['of another size', [3, 4], 1, [3, 5]],
    ['empty', [0, 4], 1, [0, 4]],
  ])('%s: not followed', (_, from, axis, to) => {
    expect(carryThroughReshape(from, { axis, channels: channels(from[axis]!) }, to)).toBeUndefined();
  });

  it('whatever is followed agrees with the row-major order', () => {
    const dims = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(dims, fc.nat(), fc.nat(), (from, pick, split) => {
        const axis = pick % from.length;
        const n = from[axis]!;
        // Some factorisation of the same number of elements.
        let rest = from.reduce((a, b) => a * b, 1);
        const to: number[] = [];
        for (let s = split; rest > 1; s = Math.floor(s / 3)) {
          const divisors = [2, 3, 4].filter((d) => rest % d === 0);
          const d = divisors[s % divisors.length] ?? rest;
          to.push(d);
          rest /= d;
        }
        const carried = carryThroughReshape(from, { axis, channels: channels(n) }, to);
        if (carried === undefined) return;
        const inner = from.slice(axis + 1).reduce((a, b) => a * b, 1);
        const stride = to.slice(carried.axis + 1).reduce((a, b) => a * b, 1);
        const total = from.reduce((a, b) => a * b, 1);
        for (let flat = 0; flat < total; flat++) {
          const index = Math.floor(flat / stride) % to[carried.axis]!;
          expect(carried.channels[index]).toBe(10 + (Math.floor(flat / inner) % n));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('disjoint sets', () => {
  it('the smallest member represents a set, whatever the order of unions', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { maxLength: 12 }), (pairs) => {
        const forward = new UnionFind();
        const backward = new UnionFind();
        for (const sets of [forward, backward]) expect(sets.add(10)).toBe(0);
        for (const [a, b] of pairs) forward.union(a, b);
        for (const [a, b] of [...pairs].reverse()) backward.union(b, a);
        for (let i = 0; i < 10; i++) {
          expect(forward.find(i)).toBe(backward.find(i));
          expect(forward.find(i)).toBeLessThanOrEqual(i);
        }
        for (const [a, b] of pairs) expect(forward.find(a)).toBe(forward.find(b));
      }),
    );
  });

  it('grows, and tells whether a union was news', () => {
    const sets = new UnionFind();
    sets.add(2);
    expect(sets.add(3)).toBe(2);
    expect(sets.size).toBe(5);
    expect([sets.union(4, 1), sets.union(1, 4), sets.find(4)]).toEqual([true, false, 1]);
  });
});
