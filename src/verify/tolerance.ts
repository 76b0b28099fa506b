import { raise } from '../diagnostics/diagnostic.js';
import { toleranceInvalid } from '../diagnostics/verify.js';
import type { OutputFigures } from './output-comparison.js';
import { parseScoreChange, type ScoreChange } from './user-metric.js';

/** Measures that a tolerance may name: an upper limit on an error, or a lower one on a likeness. */
export const TOLERANCE_KEYS = {
  // Where nothing varies there is no NRMSE, and the error relative to the largest value stands in: no output goes unjudged.
  nrmse: { figure: (o: OutputFigures) => o.nrmse ?? (o.integer ? null : o.relative), kind: 'at-most' },
  'max-abs': { figure: (o: OutputFigures) => o.maxAbs, kind: 'at-most' },
  'max-rel': { figure: (o: OutputFigures) => o.maxRel, kind: 'at-most' },
  relative: { figure: (o: OutputFigures) => o.relative, kind: 'at-most' },
  agreement: { figure: (o: OutputFigures) => o.agreement, kind: 'at-least' },
  cosine: { figure: (o: OutputFigures) => o.cosine, kind: 'at-least' },
  equal: { figure: (o: OutputFigures) => o.equal, kind: 'at-least' },
} as const satisfies Record<string, { figure: (o: OutputFigures) => number | null; kind: 'at-most' | 'at-least' }>;
export type ToleranceKey = keyof typeof TOLERANCE_KEYS;

/** Limits by measure. */
export type Tolerance = ReadonlyMap<ToleranceKey, number>;

/** What `--tolerance` may say. */
export interface ParsedTolerance {
  /** Limits that hold for every output. */
  readonly outputs: Tolerance;
  /** What the score of the user's metric may lose. */
  readonly score?: ScoreChange;
}

/**
 * Parses `nrmse=1e-2,max-abs=0.1,agreement=0.98,score=-0.5%`; a bare number means nrmse.
 * @throws CondenseError for an unknown key or something that is no number.
 */
export function parseTolerance(text: string): ParsedTolerance {
  const limits = new Map<ToleranceKey, number>();
  let score: ScoreChange | undefined;
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    const key = (at < 0 ? 'nrmse' : part.slice(0, at)).trim();
    const digits = part.slice(at + 1).trim();
    if (key === 'score') {
      score = parseScoreChange(digits) ?? raise(toleranceInvalid(part, Object.keys(TOLERANCE_KEYS)));
      continue;
    }
    const value = Number(digits);
    if (
      !Object.hasOwn(TOLERANCE_KEYS, key) ||
      digits === '' ||
      !Number.isFinite(value) ||
      (value < 0 && key !== 'cosine')
    ) {
      raise(toleranceInvalid(part, Object.keys(TOLERANCE_KEYS)));
    }
    limits.set(key as ToleranceKey, value);
  }
  return { outputs: limits, ...(score === undefined ? {} : { score }) };
}

/** The default limits for one output. */
export function defaultTolerance(figures: OutputFigures, exact: boolean): Tolerance {
  if (exact) return new Map(figures.integer ? [['equal', 1]] : [['relative', 1e-4]]);
  if (figures.integer) return new Map([['equal', 0.95]]);
  if (figures.classScores) return new Map([['agreement', 0.95]]);
  return new Map([['nrmse', 0.05]]);
}
