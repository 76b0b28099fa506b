/**
 * Rows as training sees them: as they are (variant 0), or changed in one of some ways, a fixed number where what the teacher makes of them is
 * kept. Every change depends on the seed, the row and the variant alone.
 */
import { gatherRows, type Dataset, type DatasetInput } from '../calibration/dataset.js';
import { randomNumbers } from '../calibration/random.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import { ColumnSpread } from '../linalg/column-spread.js';
import { takeRows } from '../calibration/rows.js';
import { ChangedImages, type ImageChanges } from './changed-images.js';

/** How rows are changed. */
export interface Augmentation extends ImageChanges {
  /** Vectors: normal noise of this share of the standard deviation of each column. */
  readonly noise?: number;
  /** Vectors: moved towards (or a little beyond) the nearest of this many other rows, picked at random. Images: blended with another. */
  readonly mix?: number;
}

/** Variants of each row beside itself, where what the teacher makes of them is kept. */
const VARIANTS = 63;
/** Where a mixed row lies between two: from before the one to behind the other. */
const MIXED_FROM = -0.25;
const MIXED_TO = 1.25;

/** The rows of a dataset, and variants of them. */
export class TrainingRows {
  private readonly deviations = new Map<DatasetInput, Float64Array>();
  private readonly images = new Map<DatasetInput, ChangedImages>();

  /** @param fit rows whose spread is the measure of noise, and that others are mixed with */
  constructor(
    readonly data: Dataset,
    private readonly fit: Int32Array,
    private readonly augmentation: Augmentation | undefined,
    private readonly seed: number,
  ) {
    if (augmentation === undefined) return;
    const { noise, mix, ...ofImages } = augmentation;
    for (const input of data.inputs) {
      if (isVector(input) && (noise ?? mix) !== undefined)
        this.deviations.set(input, columnDeviations(input.array, fit));
      if (isImages(input) && (mix !== undefined || Object.keys(ofImages).length > 0))
        this.images.set(input, new ChangedImages(input.array, fit, augmentation));
    }
  }

  /** How many forms a row has, itself included, where what the teacher makes of them is kept. There are more where it is not. */
  get variants(): number {
    return this.augmentation === undefined ? 1 : 1 + VARIANTS;
  }

  feeds(rows: Int32Array, variant: number): Feeds {
    const feeds = gatherRows(this.data, rows);
    if (variant === 0 || this.augmentation === undefined) return feeds;
    const changed = new Map(feeds);
    for (const [input] of this.deviations)
      changed.set(input.name, this.moved(input, feeds.get(input.name)!, rows, variant));
    for (const [input, images] of this.images)
      changed.set(
        input.name,
        images.of(rows, (row) => this.randomOf(row, variant)),
      );
    return changed;
  }

  private randomOf(row: number, variant: number): () => number {
    return randomNumbers(
      Math.imul(this.seed, 0x9e3779b1) ^ Math.imul(row + 1, 0x85ebca6b) ^ Math.imul(variant, 0xc2b2ae35),
    );
  }

  /** Vectors: mixed with a near row, then blurred. Inputs of one row meet the same random numbers, so they are mixed with the same row. */
  private moved(input: DatasetInput, array: NumericArray, rows: Int32Array, variant: number): NumericArray {
    const { mix = 0, noise = 0 } = this.augmentation!;
    const deviations = this.deviations.get(input)!;
    const width = deviations.length;
    const all = input.array.data as Float32Array;
    const data = new Float32Array(array.data as Float32Array);
    rows.forEach((row, r) => {
      const next = this.randomOf(row, variant);
      if (mix > 0) {
        const other = this.nearest(row, mix, next);
        const share = MIXED_FROM + (MIXED_TO - MIXED_FROM) * next();
        for (let j = 0; j < width; j++)
          data[r * width + j] = all[row * width + j]! + share * (all[other * width + j]! - all[row * width + j]!);
      }
      if (noise > 0)
        for (let j = 0; j < width; j++)
          data[r * width + j] = data[r * width + j]! + noise * deviations[j]! * normal(next);
    });
    return { ...array, data };
  }

  /** Of some fit rows picked at random the one nearest to a row, over all vector inputs in units of their deviations. */
  private nearest(row: number, count: number, next: () => number): number {
    let [best, least] = [row, Infinity];
    for (let i = 0; i < count; i++) {
      const other = this.fit[Math.floor(next() * this.fit.length)]!;
      if (other === row) continue;
      let distance = 0;
      for (const [input, deviations] of this.deviations) {
        const all = input.array.data as Float32Array;
        const width = deviations.length;
        for (let j = 0; j < width && distance < least; j++)
          if (deviations[j]! > 0) distance += ((all[row * width + j]! - all[other * width + j]!) / deviations[j]!) ** 2;
      }
      if (distance < least) [best, least] = [other, distance];
    }
    return best;
  }
}

/** Rows of numbers. */
export function isVector({ array, rowAxis }: DatasetInput): boolean {
  return rowAxis === 0 && array.dims.length === 2 && array.data instanceof Float32Array;
}

/** A picture in each row. */
export function isImages({ array, rowAxis, unbatched }: DatasetInput): boolean {
  return rowAxis === 0 && !unbatched && array.dims.length === 4 && array.data instanceof Float32Array;
}

/** A number of the standard normal distribution (Box and Muller). */
function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

function columnDeviations(array: NumericArray, rows: Int32Array): Float64Array {
  const spread = new ColumnSpread(array.dims[1]!);
  spread.add(takeRows(array, 0, rows).data as Float32Array);
  return spread.deviations();
}
