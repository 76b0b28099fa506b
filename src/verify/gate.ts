import type { OutputFigures } from './output-comparison.js';
import { defaultTolerance, TOLERANCE_KEYS, type Tolerance, type ToleranceKey } from './tolerance.js';
import { keepsScore, worstScore, type ScoreChange, type ScoreFigures } from './user-metric.js';

/** A measure of one output that is beyond its limit. */
export interface GateFailure {
  readonly output: string;
  readonly measure: string;
  readonly value: number | null;
  readonly limit: number;
}

/** A figure of one output beside the limit that it is held against. */
export interface GateCheck {
  readonly output: string;
  readonly measure: ToleranceKey;
  readonly value: number;
  readonly limit: number;
  /** Whether the limit is an upper one, of an error, or a lower one, of a likeness. */
  readonly kind: 'at-most' | 'at-least';
  readonly passed: boolean;
}

export interface GateVerdict {
  readonly passed: boolean;
  readonly failures: readonly GateFailure[];
  /** The smallest tolerance that would have passed, in the syntax of `--tolerance`; empty where no tolerance could (NaN, shapes). */
  readonly smallestPassing: string;
}

/** The scores of a user's metric, and how much may be lost. */
export interface GatedScore {
  readonly figures: ScoreFigures;
  readonly limit: ScoreChange;
}

/**
 * Judges all outputs. An explicit tolerance replaces the defaults and holds for every output that it makes sense for.
 * @param score where it is gated
 */
export function judge(
  outputs: readonly OutputFigures[],
  explicit: Tolerance | undefined,
  exact: boolean,
  score?: GatedScore,
): GateVerdict {
  const failures: GateFailure[] = [];
  const needed = new Map<ToleranceKey, number>();
  for (const figures of outputs) {
    if (figures.shapeMismatch !== null)
      failures.push({ output: figures.output, measure: 'shape', value: null, limit: 0 });
    if (figures.nonFinite > 0)
      failures.push({ output: figures.output, measure: 'NaN or Inf', value: figures.nonFinite, limit: 0 });
    for (const { output, measure, value, limit, kind, passed } of checksOf(figures, explicit, exact)) {
      const before = needed.get(measure);
      needed.set(
        measure,
        before === undefined ? value : kind === 'at-most' ? Math.max(before, value) : Math.min(before, value),
      );
      if (!passed) failures.push({ output, measure, value, limit });
    }
  }
  if (score !== undefined) failures.push(...scoreFailure(score));
  const impossible =
    failures.some((f) => f.measure === 'shape' || f.measure === 'NaN or Inf') || score?.figures.reduced === null;
  const passing = [...needed].map(([key, value]) => `${key}=${roundOutwards(value, TOLERANCE_KEYS[key].kind)}`);
  const smallestPassing = impossible
    ? ''
    : [...passing, ...(score === undefined ? [] : [`score=${smallestChange(score)}`])].join(',');
  return { passed: failures.length === 0, failures, smallestPassing };
}

/** The limits that hold for one output; a measure that it does not have is passed over. */
export function checksOf(figures: OutputFigures, explicit: Tolerance | undefined, exact: boolean): GateCheck[] {
  return [...(explicit ?? defaultTolerance(figures, exact))].flatMap(([measure, limit]) => {
    const { figure, kind } = TOLERANCE_KEYS[measure];
    const value = figure(figures);
    if (value === null) return [];
    const passed = kind === 'at-most' ? value <= limit : value >= limit;
    return [{ output: figures.output, measure, value, limit, kind, passed }];
  });
}

/** The score as a failure, where it lost more than it may; its limit is the worst score that was allowed. */
function scoreFailure({ figures: { original, reduced, higherIsBetter }, limit: change }: GatedScore): GateFailure[] {
  if (keepsScore(reduced, original, change, higherIsBetter)) return [];
  const limit = Number(worstScore(original, change, higherIsBetter).toPrecision(12));
  return [{ output: '(all)', measure: 'score', value: reduced, limit }];
}

/** The smallest allowed change that the score keeps to: a share where a share was asked for (of 0 there is none). */
function smallestChange({ figures: { original, reduced, higherIsBetter }, limit }: GatedScore): string {
  const loss = (reduced! - original) * (higherIsBetter ? -1 : 1);
  if (loss <= 0) return '0';
  const sign = higherIsBetter ? '-' : '+';
  return typeof limit === 'number' || original === 0
    ? `${sign}${roundOutwards(loss, 'at-most')}`
    : `${sign}${roundOutwards((100 * loss) / Math.abs(original), 'at-most')}%`;
}

/** Three digits, rounded to the side that still passes. */
function roundOutwards(value: number, kind: 'at-most' | 'at-least'): string {
  if (value === 0) return '0';
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(value))) - 2);
  const rounded = (kind === 'at-most' ? Math.ceil(value / unit) : Math.floor(value / unit)) * unit;
  return String(Number(rounded.toPrecision(4)));
}
