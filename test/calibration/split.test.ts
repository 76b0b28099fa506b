import { describe, expect, it } from 'vitest';
import { assignFolds, FOLDS, splitRows, type Grouping } from '../../src/calibration/split.js';

const union = (a: Int32Array, b: Int32Array): number[] => [...a, ...b].sort((p, q) => p - q);
const all = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('fit and check rows', () => {
  it.each([
    [100, 0.2, 20],
    [10, 0.25, 3],
    [2, 0.01, 1],
    [2, 0.99, 1],
    [1000, 0.5, 500],
  ])('%i rows, holdout %f: %i to check, each row on one side', (rows, holdout, checked) => {
    const { fit, check } = splitRows(rows, holdout);
    expect(check.length).toBe(checked);
    expect(union(fit, check)).toEqual(all(rows));
    expect([...check]).toEqual([...check].sort((a, b) => a - b));
    expect([...fit]).toEqual([...fit].sort((a, b) => a - b));
  });

  it('is the same every time', () => {
    expect(splitRows(500, 0.2)).toEqual(splitRows(500, 0.2));
  });

  it('checks rows from everywhere', () => {
    const { check } = splitRows(1000, 0.2);
    for (let quarter = 0; quarter < 4; quarter++) {
      const inside = [...check].filter((r) => Math.floor(r / 250) === quarter).length;
      expect(inside).toBeGreaterThan(30);
      expect(inside).toBeLessThan(70);
    }
  });

  it('without a holdout all rows are fitted; one row is never held out', () => {
    expect([...splitRows(4, 0).fit]).toEqual([0, 1, 2, 3]);
    expect(splitRows(4, 0).check.length).toBe(0);
    expect(splitRows(1, 0.5)).toEqual({ fit: Int32Array.of(0), check: new Int32Array(0) });
  });

  it('blocks keep neighbours together', () => {
    const { fit, check } = splitRows(400, 0.2, { kind: 'blocks' });
    expect(check.length).toBe(80);
    expect(union(fit, check)).toEqual(all(400));
    const checked = new Set(check);
    for (let block = 0; block < 40; block++) {
      expect(new Set(all(10).map((i) => checked.has(block * 10 + i))).size).toBe(1);
    }
  });

  it('keys keep groups together, numbers, texts and bigints alike', () => {
    const keys: Grouping[] = [
      { kind: 'key', values: all(90).map((i) => i % 9) },
      { kind: 'key', values: all(90).map((i) => `run ${i % 9}`) },
      { kind: 'key', values: BigInt64Array.from(all(90).map((i) => BigInt(i % 9))) as unknown as ArrayLike<bigint> },
    ];
    const splits = keys.map((grouping) => splitRows(90, 0.3, grouping));
    for (const { fit, check } of splits) {
      expect(check.length).toBe(30);
      expect(union(fit, check)).toEqual(all(90));
      const checked = new Set([...check].map((r) => r % 9));
      expect([...fit].some((r) => checked.has(r % 9))).toBe(false);
    }
    expect(splits[1]).toEqual(splits[0]);
    expect(splits[2]).toEqual(splits[0]);
  });

  it('one group cannot be split', () => {
    expect(splitRows(10, 0.5, { kind: 'key', values: new Array<number>(10).fill(1) }).check.length).toBe(0);
  });
});

describe('folds', () => {
  it('are even, the same every time, and in the order of the fit rows', () => {
    const { fit } = splitRows(1000, 0.2);
    const folds = assignFolds(1000, fit, FOLDS);
    expect(folds.length).toBe(fit.length);
    for (let f = 0; f < FOLDS; f++) expect([...folds].filter((v) => v === f).length).toBe(200);
    expect(assignFolds(1000, fit, FOLDS)).toEqual(folds);
  });

  it('are no regular pattern of the row numbers', () => {
    const folds = assignFolds(1000, Int32Array.from(all(1000)), 4);
    for (const period of [1, 2, 4]) {
      const same = all(1000 - period).filter((i) => folds[i] === folds[i + period]).length;
      expect(same / 1000).toBeGreaterThan(0.15);
      expect(same / 1000).toBeLessThan(0.35);
    }
  });

  it.each([
    ['blocks', { kind: 'blocks' } as const, (row: number): number => Math.floor(row / 10)],
    ['a key', { kind: 'key', values: all(400).map((i) => i % 40) } as const, (row: number): number => row % 40],
  ])('keep groups together: %s', (_, grouping, groupOf) => {
    const { fit } = splitRows(400, 0.2, grouping);
    const folds = assignFolds(400, fit, FOLDS, grouping);
    const foldOfGroup = new Map<number, number>();
    fit.forEach((row, i) => {
      const group = groupOf(row);
      expect(foldOfGroup.get(group) ?? folds[i]).toBe(folds[i]);
      foldOfGroup.set(group, folds[i]!);
    });
    // 32 groups in four folds.
    for (let f = 0; f < FOLDS; f++) expect([...foldOfGroup.values()].filter((v) => v === f).length).toBe(8);
  });
});
