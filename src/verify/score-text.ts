import type { GateFailure } from './gate.js';
import { scoreChange, type ScoreFigures } from './user-metric.js';

/** Digits of a score: with fewer, scores of many rows would look alike. */
const SCORE_DIGITS = 6;

/** `0.9375 before, 0.9219 after (-1.67 %, higher is better)`. */
export function scoreText(figures: ScoreFigures): string {
  const { original, reduced, higherIsBetter } = figures;
  const change = scoreChange(figures);
  const moved =
    change === null ? '' : `${typeof change === 'number' ? signed(change) : `${percent(change.ratio)} %`}, `;
  const after = reduced === null ? 'not finite' : rounded(reduced);
  return `${rounded(original)} before, ${after} after (${moved}${higherIsBetter ? 'higher' : 'lower'} is better)`;
}

/** A measure beyond its limit, for a person. */
export function failureText({ output, measure, value, limit }: GateFailure): string {
  const digits = measure === 'score' ? SCORE_DIGITS : 3;
  const figure = value === null ? '' : ` ${value === 0 ? '0' : value.toPrecision(digits)}`;
  return `${output}: ${measure}${figure} (limit ${limit})`;
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(SCORE_DIGITS)));
}

function signed(value: number): string {
  return `${value > 0 ? '+' : ''}${rounded(value)}`;
}

function percent(ratio: number): string {
  return `${ratio > 0 ? '+' : ''}${(100 * ratio).toFixed(2)}`;
}
