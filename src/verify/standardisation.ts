/**
 * From the standardised numbers of an output to those of an input. With x = x_mean + x_std · input and y = y_mean + y_std · output in physical
 * units, x ← s y + o becomes input ← (s y_std / x_std) output + (s y_mean + o − x_mean) / x_std, and x ← x + s y + o the same without x_mean.
 */
import { existsSync, readFileSync } from 'node:fs';
import { decodeNpz } from '../calibration/sources/npz.js';
import { raise } from '../diagnostics/diagnostic.js';
import { scalingUnusable } from '../diagnostics/rollout.js';
import type { NumericArray } from '../graph/feeds.js';

/** A factor and a summand for each column of an output. */
export interface Affine {
  readonly scale: Float64Array;
  readonly offset: Float64Array;
}

/** What {@link standardised} has to know of a feedback. */
export interface StandardisedColumns {
  readonly input: string;
  readonly output: string;
  readonly add: boolean;
  /** Columns of the input that are fed, one for each column of the output. */
  readonly columns: readonly number[];
  /** Columns of the whole input. */
  readonly width: number;
}

/**
 * Reads means and standard deviations: `x_mean`, `x_std`, `y_mean` and `y_std`, or with the names of input and output in the place of x and y.
 * @param physical factor and summand in physical units
 * @throws CondenseError where the file or one of the four arrays is missing, or does not hold one number or one for each column
 */
export function standardised(
  file: string,
  physical: Affine,
  { input, output, add, columns, width }: StandardisedColumns,
): Affine {
  if (!existsSync(file)) raise(scalingUnusable(file, 'the file does not exist'));
  const arrays = decodeNpz(readFileSync(file), file);
  const read = (names: readonly string[], kind: 'mean' | 'std', count: number): Float64Array => {
    const keys = [...new Set(names)].map((name) => `${name}_${kind}`);
    const key = keys.find((k) => arrays.has(k));
    if (key === undefined)
      return raise(scalingUnusable(file, `there is no ${keys.join(' or ')}; it has ${[...arrays.keys()].join(', ')}`));
    const reason = `${key} does not hold ${count} finite numbers`;
    return numbersOf(arrays.get(key)!, count) ?? raise(scalingUnusable(file, reason));
  };
  const [x, y] = [
    [input, 'x'],
    [output, 'y'],
  ];
  const [inputMean, inputStd] = [read(x, 'mean', width), read(x, 'std', width)];
  const [outputMean, outputStd] = [read(y, 'mean', columns.length), read(y, 'std', columns.length)];
  const flat = columns.find((c) => inputStd[c] === 0);
  if (flat !== undefined) raise(scalingUnusable(file, `the standard deviation of column ${flat} of the input is 0`));
  const { scale, offset } = physical;
  return {
    scale: scale.map((s, j) => (s * outputStd[j]!) / inputStd[columns[j]!]!),
    offset: offset.map(
      (o, j) => (scale[j]! * outputMean[j]! + o - (add ? 0 : inputMean[columns[j]!]!)) / inputStd[columns[j]!]!,
    ),
  };
}

/** One number for each column; a single one stands for all. */
function numbersOf({ data }: NumericArray, count: number): Float64Array | undefined {
  if (data.length !== 1 && data.length !== count) return undefined;
  const numbers = Float64Array.from({ length: count }, (_, i) => Number(data[data.length === 1 ? 0 : i]));
  return numbers.every(Number.isFinite) ? numbers : undefined;
}
