import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import { judge } from '../../src/verify/gate.js';
import type { OutputFigures } from '../../src/verify/output-comparison.js';
import { parseTolerance, type ToleranceKey } from '../../src/verify/tolerance.js';

const good: OutputFigures = {
  output: 'y',
  rows: 100,
  nrmse: 0.01,
  maxAbs: 0.5,
  maxRel: 0.3,
  relative: 0.02,
  cosine: 0.999,
  agreement: 0.99,
  equal: 0.1,
  nonFinite: 0,
  classScores: false,
  integer: false,
  shapeMismatch: null,
};

describe('tolerances', () => {
  it.each([
    ['1e-2', { nrmse: 0.01 }],
    ['nrmse=1e-2,max-abs=0.1,agreement=0.98', { nrmse: 0.01, 'max-abs': 0.1, agreement: 0.98 }],
    [' cosine = 0.9 , equal=1 ', { cosine: 0.9, equal: 1 }],
    ['max-rel=0', { 'max-rel': 0 }],
    ['cosine=-0.5', { cosine: -0.5 }],
    ['relative=1e-4', { relative: 1e-4 }],
  ])('%s', (text, expected) => {
    expect(Object.fromEntries(parseTolerance(text).outputs)).toEqual(expected);
  });

  it.each([
    '',
    'nrmse=',
    'nrmse',
    'mse=1',
    'nrmse=-1',
    'nrmse=abc',
    'nrmse=Infinity',
    '0.1,',
    'nrmse=NaN',
    'toString=1',
    'constructor=1',
  ])("'%s' is refused", (text) => {
    try {
      parseTolerance(text);
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof CondenseError)) throw error;
      expect(error.diagnostic).toMatchObject({ code: 'TOLERANCE_INVALID', where: '--tolerance', exitCode: 2 });
    }
  });
});

describe('the gate', () => {
  const verdict = (figures: Partial<OutputFigures>, tolerance?: string, exact = false) =>
    judge([{ ...good, ...figures }], tolerance === undefined ? undefined : parseTolerance(tolerance).outputs, exact);

  it.each<[string, Partial<OutputFigures>, boolean, boolean]>([
    ['NRMSE at its limit', { nrmse: 0.05 }, false, true],
    ['NRMSE above it', { nrmse: 0.0501 }, false, false],
    ['class scores by agreement alone', { nrmse: 0.9, classScores: true, agreement: 0.95 }, false, true],
    ['class scores that disagree', { nrmse: 0.001, classScores: true, agreement: 0.949 }, false, false],
    ['integers by the share of equal ones', { integer: true, nrmse: null, equal: 0.95 }, false, true],
    ['integers that differ', { integer: true, nrmse: null, equal: 0.94 }, false, false],
    ['exact: relative to the largest value', { nrmse: 0.04, relative: 1e-4 }, true, true],
    ['exact: beyond it', { nrmse: 1e-9, relative: 1.1e-4 }, true, false],
    ['exact: every integer', { integer: true, nrmse: null, equal: 0.999 }, true, false],
    ['an output that never varies, by its relative error', { nrmse: null, relative: 0.04 }, false, true],
    ['one that never varies and is off', { nrmse: null, relative: 0.06 }, false, false],
    ['one NaN', { nonFinite: 1 }, false, false],
    ['another shape', { shapeMismatch: '[1] against [2]' }, false, false],
  ])('by default: %s', (_, figures, exact, passed) => {
    expect(verdict(figures, undefined, exact).passed).toBe(passed);
  });

  it('an explicit tolerance replaces the default', () => {
    expect(verdict({ nrmse: 0.9 }, 'max-abs=0.5').passed).toBe(true);
    expect(verdict({ classScores: true, agreement: 0.1 }, 'nrmse=0.05').passed).toBe(true);
    expect(verdict({ maxAbs: 0.6 }, 'nrmse=1,max-abs=0.5').failures).toEqual([
      { output: 'y', measure: 'max-abs', value: 0.6, limit: 0.5 },
    ]);
  });

  it('no tolerance lets NaN or another shape through, and none is named that would', () => {
    for (const figures of [{ nonFinite: 2 }, { shapeMismatch: 'x' }]) {
      const { passed, smallestPassing } = verdict(figures, 'nrmse=100');
      expect(passed).toBe(false);
      expect(smallestPassing).toBe('');
    }
  });

  it('a figure that is NaN fails', () => {
    expect(verdict({ nrmse: NaN }).passed).toBe(false);
    expect(verdict({ agreement: NaN }, 'agreement=0').passed).toBe(false);
  });

  it('judges every output and names the one that fails', () => {
    const { passed, failures } = judge([good, { ...good, output: 'z', nrmse: 0.2 }], undefined, false);
    expect(passed).toBe(false);
    expect(failures).toEqual([{ output: 'z', measure: 'nrmse', value: 0.2, limit: 0.05 }]);
  });

  it('the smallest tolerance that would have passed does, and a smaller one does not', () => {
    // Shares are multiples of 1/n.
    const share = fc.integer({ min: 0, max: 100_000 }).map((i) => i / 100_000);
    const cosine = fc.oneof(
      share,
      share.map((v) => -v),
    );
    const error = fc.double({ min: 1e-12, max: 1e6, noNaN: true });
    const figures = fc.record({
      nrmse: error,
      maxAbs: error,
      maxRel: error,
      relative: error,
      cosine,
      agreement: share,
      equal: share,
    });
    const keys = fc.uniqueArray(
      fc.constantFrom<ToleranceKey>('nrmse', 'max-abs', 'max-rel', 'relative', 'cosine', 'agreement', 'equal'),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(fc.array(figures, { minLength: 1, maxLength: 3 }), keys, (list, measures) => {
        const outputs = list.map((f, i) => ({ ...good, ...f, output: `y${i}` }));
        const { smallestPassing } = judge(outputs, new Map(measures.map((key) => [key, 0])), false);
        expect(judge(outputs, parseTolerance(smallestPassing).outputs, false).passed).toBe(true);
        for (const key of measures) {
          // An upper limit one percent lower, a lower one that is one percent higher.
          const upper = !['cosine', 'agreement', 'equal'].includes(key);
          const tighter = new Map(parseTolerance(smallestPassing).outputs);
          const limit = tighter.get(key)!;
          if (limit === 0) continue;
          tighter.set(key, limit - 0.011 * Math.abs(limit) * (upper ? 1 : -1));
          expect(judge(outputs, tighter, false).passed).toBe(false);
        }
      }),
      { numRuns: 500, seed: 1 },
    );
  });
});
