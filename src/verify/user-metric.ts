/** A measure of the user's own: what it is given, and how much of it a reduced model may lose. */
import type { ElementArray } from '../graph/feeds.js';

/** A dense row-major array. float16 values come as a Float32Array, bool as a Uint8Array, int64 as a BigInt64Array. */
export interface MetricArray {
  readonly dims: readonly number[];
  readonly data: ElementArray;
}

/** Arrays by name. */
export type MetricArrays = Readonly<Record<string, MetricArray>>;

/** A measure of the user's own. An ES module that `--metric` names exports the same members. */
export interface UserMetric {
  /** What the report calls it. Default `score`. */
  readonly name?: string;
  /** Whether a larger number is a better one. Default true. */
  readonly higherIsBetter?: boolean;
  /**
   * The score of one model. It must not change the arrays that it is given.
   * @param outputs the model's outputs for all rows, by name; rows along the axis that they have in the model
   * @param feeds its inputs for the same rows, by name
   * @param labels arrays of the data that are no input, for the same rows; empty where there are none
   * @returns a finite number
   */
  score(outputs: MetricArrays, feeds: MetricArrays, labels: MetricArrays): number | Promise<number>;
}

/** A measure that is ready for use. */
export interface Metric extends Required<UserMetric> {
  /** What messages point at: the file, or `metric` where an object was given. */
  readonly where: string;
}

/** The score of both models on the check rows. */
export interface ScoreFigures {
  readonly name: string;
  readonly higherIsBetter: boolean;
  readonly original: number;
  /** Null where the reduced model's outputs are not finite, and so the score is not. */
  readonly reduced: number | null;
}

/**
 * How far a score may change for the worse: a number of its own unit, or as `{ ratio }` a share of the original's score. The sign is the
 * direction that is worse (below 0 where higher is better); 0 allows no loss.
 */
export type ScoreChange = number | { readonly ratio: number };

/** Relative difference of two scores that is rounding: 0.92 − 0.005 is not 0.915 in binary. */
const ROUNDING = 1e-12;

/** Parses `-0.5%`, `+0.5%` (shares of the original's score) or `-0.005`; undefined for anything else. */
export function parseScoreChange(text: string): ScoreChange | undefined {
  const percent = text.endsWith('%');
  const digits = percent ? text.slice(0, -1) : text;
  const value = Number(digits);
  if (digits.trim() === '' || !Number.isFinite(value)) return undefined;
  return percent ? { ratio: value / 100 } : value;
}

/** The change in the syntax of `--tolerance score=`. */
export function formatScoreChange(change: ScoreChange): string {
  const [value, unit] = typeof change === 'number' ? [change, ''] : [Number((100 * change.ratio).toPrecision(12)), '%'];
  return `${value > 0 ? '+' : ''}${value}${unit}`;
}

/** Whether the change is one for the worse, or none. */
export function isForTheWorse(change: ScoreChange, higherIsBetter: boolean): boolean {
  const value = typeof change === 'number' ? change : change.ratio;
  return value === 0 || value < 0 === higherIsBetter;
}

/** The worst score that the change allows. */
export function worstScore(original: number, change: ScoreChange, higherIsBetter: boolean): number {
  const amount = Math.abs(typeof change === 'number' ? change : change.ratio * original);
  return higherIsBetter ? original - amount : original + amount;
}

/** Whether a model's score has changed by no more than that. A score that is no number has. */
export function keepsScore(
  score: number | null,
  original: number,
  change: ScoreChange,
  higherIsBetter: boolean,
): boolean {
  if (score === null) return false;
  const slack = ROUNDING * Math.max(Math.abs(original), Math.abs(score));
  const worst = worstScore(original, change, higherIsBetter);
  return higherIsBetter ? score >= worst - slack : score <= worst + slack;
}

/** What the score changed by, as a share of the original's where that is not 0. */
export function scoreChange({ original, reduced }: ScoreFigures): ScoreChange | null {
  if (reduced === null) return null;
  return original === 0 ? reduced : { ratio: (reduced - original) / Math.abs(original) };
}
