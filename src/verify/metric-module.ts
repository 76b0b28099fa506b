import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { CondenseError, raise } from '../diagnostics/diagnostic.js';
import { metricFailed, metricMissing, metricNotFound, scoreSignWrong } from '../diagnostics/verify.js';
import { parseTolerance, type Tolerance } from './tolerance.js';
import { formatScoreChange, isForTheWorse, type Metric, type ScoreChange, type UserMetric } from './user-metric.js';

/** What a check is judged by beside its defaults. */
export interface Judgement {
  /** Limits for every output that replace the defaults; undefined for the defaults. */
  readonly tolerance: Tolerance | undefined;
  readonly metric: Metric | undefined;
  /** How much of the metric's score may be lost; undefined where it is only reported. */
  readonly scoreLimit: ScoreChange | undefined;
}

/** The options that {@link judgementOf} reads. */
export interface JudgementOptions {
  readonly metric?: string | UserMetric | undefined;
  readonly tolerance?: string | undefined;
  readonly maxError?: number | { readonly score: ScoreChange } | undefined;
}

/**
 * Loads the metric and reads the limits. Where `maxError` bounds the score and no tolerance is given, it takes the place of the default limits.
 * @throws CondenseError for a tolerance or metric that is none, for a limit on a score without a metric, and for one whose sign is not for the worse
 */
export async function judgementOf({ metric: given, tolerance, maxError }: JudgementOptions): Promise<Judgement> {
  const limits = tolerance === undefined ? undefined : parseTolerance(tolerance);
  const budget = typeof maxError === 'object' ? maxError.score : undefined;
  if (given === undefined) {
    if (limits?.score !== undefined) raise(metricMissing('--tolerance'));
    if (budget !== undefined) raise(metricMissing('--max-error'));
    return { tolerance: limits?.outputs, metric: undefined, scoreLimit: undefined };
  }
  const metric = await loadMetric(given);
  for (const [option, change] of [
    ['--tolerance', limits?.score],
    ['--max-error', budget],
  ] as const)
    if (change !== undefined && !isForTheWorse(change, metric.higherIsBetter))
      raise(scoreSignWrong(option, formatScoreChange(change), metric.name, metric.higherIsBetter));
  if (limits === undefined && budget !== undefined) return { tolerance: new Map(), metric, scoreLimit: budget };
  return { tolerance: limits?.outputs, metric, scoreLimit: limits?.score };
}

/**
 * A metric from an ES module, or from an object with the same members.
 * @throws CondenseError that names the file when it is missing, cannot be imported, or exports something else
 */
export async function loadMetric(metric: string | UserMetric): Promise<Metric> {
  const where = typeof metric === 'string' ? metric : 'metric';
  const { score, higherIsBetter = true, name = 'score' } = typeof metric === 'string' ? await imported(metric) : metric;
  if (typeof score !== 'function') return raise(metricFailed(where, 'there is no function score'));
  if (typeof higherIsBetter !== 'boolean') raise(metricFailed(where, 'higherIsBetter is neither true nor false'));
  if (typeof name !== 'string' || name.trim() === '') raise(metricFailed(where, 'name is no text'));
  // Called as a member, so that an object's own methods and fields are there.
  const call: UserMetric['score'] =
    typeof metric === 'string' ? (score as UserMetric['score']) : (...arrays) => metric.score(...arrays);
  return { where, name, higherIsBetter, score: call };
}

async function imported(file: string): Promise<Readonly<Partial<Record<keyof UserMetric, unknown>>>> {
  if (!existsSync(file)) raise(metricNotFound(file));
  try {
    return (await import(pathToFileURL(path.resolve(file)).href)) as Partial<Record<keyof UserMetric, unknown>>;
  } catch (error) {
    if (error instanceof CondenseError) throw error;
    return raise(metricFailed(file, error instanceof Error ? error.message : String(error)), error);
  }
}
