/**
 * Which positions of a map become rows of a matrix of features, and where their patches lie.
 *
 * Positions are flat indices into the spatial axes; those of a patch point into the zero-padded input. They are drawn anew for every batch, over
 * the whole map, so that borders come in their true share.
 */
import type { Kernel } from '../channels/types.js';
import { elementCount } from '../graph/tensor.js';
import { randomNumbers } from './random.js';

/**
 * What is sampled: `count` positions of the map with lengths `map` for each data row. With a patch each position stands for the taps that the
 * kernel reads there from the value named by `patched`.
 */
export interface Sampling {
  readonly count: number;
  readonly map: readonly number[];
  readonly patch: Kernel | undefined;
  readonly patched: 'x' | 'z';
}

/** Rows per feature that a sample of positions should bring in all. */
const ROWS_PER_FEATURE = 8;
/** Positions per data row that are always worth taking. */
const LEAST_POSITIONS = 49;

/** How many positions of each data row are taken: what the user asked for, else enough rows for the features. */
export function positionsPerRow(features: number, rows: number, asked: number | undefined): number {
  return asked ?? Math.max(LEAST_POSITIONS, Math.ceil((ROWS_PER_FEATURE * features) / Math.max(rows, 1)));
}

/** The positions of a map that a consumer reads the mean of; undefined (all of them) where its channels are not on axis 1. */
export function pooledSampling(
  { pooled, featureAxis }: { readonly pooled?: readonly number[]; readonly featureAxis: number },
  count: number,
): Sampling | undefined {
  return pooled === undefined || featureAxis !== 1 ? undefined : { count, map: pooled, patch: undefined, patched: 'x' };
}

/** Flat positions in the output map: all of them in order where `count` covers them, else a sample that `batch` seeds. */
export function drawPositions({ count, map }: Sampling, batch: number): Int32Array {
  const total = elementCount(map);
  const all = Int32Array.from({ length: total }, (_, i) => i);
  if (count >= total) return all;
  const next = randomNumbers(batch + 1);
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(next() * (total - i));
    const swapped = all[i]!;
    all[i] = all[j]!;
    all[j] = swapped;
  }
  return all.slice(0, count).sort();
}

/** Spatial lengths of the input after padding. */
export function paddedLengths({ input, padsBegin, padsEnd }: Kernel): number[] {
  return input.map((n, i) => n + padsBegin[i]! + padsEnd[i]!);
}

/** For each output position the flat indices of its taps in the padded input: positions × taps, row-major like the kernel. */
export function patchIndices(kernel: Kernel, output: readonly number[], positions: Int32Array): Int32Array {
  const { shape, strides, dilations } = kernel;
  const padded = paddedLengths(kernel);
  const taps = elementCount(shape);
  const result = new Int32Array(positions.length * taps);
  positions.forEach((position, p) => {
    const at = unflatten(position, output);
    for (let tap = 0; tap < taps; tap++) {
      const offset = unflatten(tap, shape);
      result[p * taps + tap] = flatten(
        at.map((o, i) => o * strides[i]! + offset[i]! * dilations[i]!),
        padded,
      );
    }
  });
  return result;
}

function unflatten(index: number, lengths: readonly number[]): number[] {
  const at = new Array<number>(lengths.length);
  for (let i = lengths.length - 1; i >= 0; i--) {
    at[i] = index % lengths[i]!;
    index = Math.floor(index / lengths[i]!);
  }
  return at;
}

function flatten(at: readonly number[], lengths: readonly number[]): number {
  return at.reduce((index, n, i) => index * lengths[i]! + n, 0);
}
