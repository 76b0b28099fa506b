import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import { judge } from '../../src/verify/gate.js';
import { scoreText } from '../../src/verify/score-text.js';
import { parseTolerance } from '../../src/verify/tolerance.js';
import {
  formatScoreChange,
  isForTheWorse,
  keepsScore,
  parseScoreChange,
  worstScore,
  type ScoreChange,
} from '../../src/verify/user-metric.js';

describe('changes of a score', () => {
  it.each<[string, ScoreChange]>([
    ['-0.5%', { ratio: -0.005 }],
    ['+0.5%', { ratio: 0.005 }],
    ['2%', { ratio: 0.02 }],
    ['-0.005', -0.005],
    ['+1e-3', 1e-3],
    ['0', 0],
    ['0%', { ratio: 0 }],
  ])('%s', (text, change) => {
    expect(parseScoreChange(text)).toEqual(change);
    expect(parseScoreChange(formatScoreChange(change))).toEqual(change);
  });

  it.each(['', '%', '-', 'x', '5%%', '1 %%', 'Infinity', 'NaN%'])("'%s' is none", (text) => {
    expect(parseScoreChange(text)).toBeUndefined();
  });

  it.each<[ScoreChange, boolean, boolean]>([
    [-0.1, true, true],
    [0.1, true, false],
    [0.1, false, true],
    [-0.1, false, false],
    [{ ratio: -0.1 }, true, true],
    [{ ratio: 0.1 }, true, false],
    [0, true, true],
    [{ ratio: 0 }, false, true],
  ])('%j with higherIsBetter %s is for the worse: %s', (change, higher, worse) => {
    expect(isForTheWorse(change, higher)).toBe(worse);
  });

  it('are of its own unit, or a share of the size of the score', () => {
    expect(worstScore(0.8, -0.1, true)).toBeCloseTo(0.7, 12);
    expect(worstScore(0.8, { ratio: -0.1 }, true)).toBeCloseTo(0.72, 12);
    expect(worstScore(20, { ratio: 0.1 }, false)).toBeCloseTo(22, 12);
    // A logarithm of a likelihood.
    expect(worstScore(-20, { ratio: -0.1 }, true)).toBeCloseTo(-22, 12);
  });

  it('are kept at the border and not beyond it, and never by a score that is no number', () => {
    expect(keepsScore(0.915, 0.92, -0.005, true)).toBe(true);
    expect(keepsScore(0.9149, 0.92, -0.005, true)).toBe(false);
    expect(keepsScore(0.99, 0.92, -0.005, true)).toBe(true);
    expect(keepsScore(1.05, 1, { ratio: 0.05 }, false)).toBe(true);
    expect(keepsScore(1.0501, 1, { ratio: 0.05 }, false)).toBe(false);
    expect(keepsScore(0.5, 0.5, 0, true)).toBe(true);
    expect(keepsScore(0.4999, 0.5, 0, true)).toBe(false);
    expect(keepsScore(null, 0.5, -1, true)).toBe(false);
  });
});

describe('a tolerance with a score', () => {
  it('stands beside other limits, or alone', () => {
    expect(parseTolerance('nrmse=1e-2, score = -0.5%')).toEqual({
      outputs: new Map([['nrmse', 0.01]]),
      score: { ratio: -0.005 },
    });
    expect(parseTolerance('score=-0.005')).toEqual({ outputs: new Map(), score: -0.005 });
    expect(parseTolerance('0.1').score).toBeUndefined();
  });

  it.each(['score', 'score=', 'score=much', 'score=-0.5%%', 'nrmse=-0.5%'])("'%s' is refused", (text) => {
    try {
      parseTolerance(text);
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof CondenseError)) throw error;
      expect(error.diagnostic).toMatchObject({ code: 'TOLERANCE_INVALID', exitCode: 2 });
      expect(error.diagnostic.advice).toContain('score=-0.5%');
    }
  });
});

describe('the gate', () => {
  const verdict = (original: number, reduced: number | null, limit: ScoreChange, higherIsBetter = true) =>
    judge([], new Map(), false, { figures: { name: 'top-1', higherIsBetter, original, reduced }, limit });

  it('fails a score that lost more than it may, and names the worst that would have done', () => {
    expect(verdict(0.9375, 0.9219, { ratio: -0.02 })).toEqual({
      passed: true,
      failures: [],
      smallestPassing: 'score=-1.67%',
    });
    const failed = verdict(0.9375, 0.9219, { ratio: -0.01 });
    expect(failed.failures).toEqual([{ output: '(all)', measure: 'score', value: 0.9219, limit: 0.928125 }]);
    expect(failed.smallestPassing).toBe('score=-1.67%');
    expect(verdict(0.9375, 0.9219, -0.01).smallestPassing).toBe('score=-0.0156');
    expect(verdict(2, 2.5, { ratio: 0.1 }, false)).toMatchObject({ passed: false, smallestPassing: 'score=+25%' });
    expect(verdict(2, 1, 0, false)).toMatchObject({ passed: true, smallestPassing: 'score=0' });
    expect(verdict(0, 0.5, { ratio: 0.1 }, false).smallestPassing).toBe('score=+0.5');
    expect(verdict(1, null, -1)).toMatchObject({ passed: false, smallestPassing: '' });
  });

  it('the smallest change that it names passes', () => {
    const score = fc.double({ min: -1e3, max: 1e3, noNaN: true }).filter((v) => Math.abs(v) > 1e-6);
    const limit = fc.constantFrom<ScoreChange>(0, { ratio: 0 });
    fc.assert(
      fc.property(score, score, fc.boolean(), limit, (original, reduced, higher, none) => {
        const { smallestPassing } = verdict(original, reduced, none, higher);
        const change = parseTolerance(smallestPassing).score!;
        expect(isForTheWorse(change, higher)).toBe(true);
        expect(verdict(original, reduced, change, higher).passed).toBe(true);
      }),
      { numRuns: 500, seed: 1 },
    );
  });
});

it('a score as text', () => {
  const text = (original: number, reduced: number | null, higherIsBetter: boolean) =>
    scoreText({ name: 's', higherIsBetter, original, reduced });
  expect(text(0.9375, 0.9219, true)).toBe('0.9375 before, 0.9219 after (-1.66 %, higher is better)');
  expect(text(2, 2.5, false)).toBe('2 before, 2.5 after (+25.00 %, lower is better)');
  expect(text(0, 1e-3, false)).toBe('0 before, 0.001 after (+0.001, lower is better)');
  expect(text(1, null, true)).toBe('1 before, not finite after (higher is better)');
});
