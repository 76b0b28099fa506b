/**
 * How what a file holds becomes what the model was trained with, per channel:
 *
 *     x = (value · scale − mean) / std
 */
import { imageNumbersWrong } from '../../diagnostics/calibration.js';
import { raise } from '../../diagnostics/diagnostic.js';

/** Lists hold one number for each channel, in the order in which the model takes them, or one for all. */
export interface Scaling {
  /** Default 1. */
  readonly scale?: readonly number[];
  /** Default 0. */
  readonly mean?: readonly number[];
  /** Default 1. */
  readonly std?: readonly number[];
}

export const SCALING_KEYS = ['scale', 'mean', 'std'] as const satisfies readonly (keyof Scaling)[];

/** @throws CondenseError for lists that do not fit the channels, and for a division by 0 */
export function checkScaling(options: Scaling, channels: number): void {
  for (const key of SCALING_KEYS) {
    const list = options[key];
    if (list === undefined) continue;
    if (list.length !== 1 && list.length !== channels)
      raise(imageNumbersWrong(key, `it holds ${list.length} numbers, and the model takes ${channels} channel(s)`));
    if (key === 'std' && list.includes(0)) raise(imageNumbersWrong(key, 'it holds a 0, by which values are divided'));
  }
}

/** What makes the values of a channel. */
export function scalingOf({ scale = [1], mean = [0], std = [1] }: Scaling, channel = 0): (value: number) => number {
  const of = (list: readonly number[]): number => list[list.length === 1 ? 0 : channel]!;
  const [s, m, d] = [of(scale), of(mean), of(std)];
  return (value) => (value * s - m) / d;
}
