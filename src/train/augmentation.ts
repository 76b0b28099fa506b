/**
 * Rows as training sees them: as they are (variant 0), or changed a little in one of a fixed number of ways, so that what the teacher makes of
 * them can be kept. Every change depends on the seed, the row and the variant alone.
 */
import { gatherRows, type Dataset, type DatasetInput } from '../calibration/dataset.js';
import { randomNumbers } from '../calibration/random.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import { ColumnSpread } from '../linalg/column-spread.js';
import { takeRows } from '../calibration/rows.js';

/** How rows are changed. */
export interface Augmentation {
  /** Images: mirrored from left to right, every second time. */
  readonly flip?: boolean;
  /** Images: moved by up to this share of their height and width; what comes in from outside mirrors what is inside. */
  readonly shift?: number;
  /** Vectors: normal noise of this share of the standard deviation of each column. */
  readonly noise?: number;
  /**
   * Vectors: moved towards (or a little beyond) the nearest of this many other rows, picked at random. Images: blended with another, picked at
   * random. Beyer et al., Knowledge distillation: A good teacher is patient and consistent (2022), for the latter.
   */
  readonly mix?: number;
}

/** More channels than this are no colours. */
const MOST_COLOURS = 4;
/** Variants of each row beside itself. */
const VARIANTS = 63;
/** Where a mixed row lies between two: from before the one to behind the other. */
const MIXED_FROM = -0.25;
const MIXED_TO = 1.25;

/** The rows of a dataset, and variants of them. */
export class TrainingRows {
  private readonly deviations = new Map<DatasetInput, Float64Array>();

  /** @param fit rows whose spread is the measure of noise, and that others are mixed with */
  constructor(
    readonly data: Dataset,
    private readonly fit: Int32Array,
    private readonly augmentation: Augmentation | undefined,
    private readonly seed: number,
  ) {
    if (augmentation?.noise === undefined && augmentation?.mix === undefined) return;
    for (const input of data.inputs)
      if (isVector(input)) this.deviations.set(input, columnDeviations(input.array, fit));
  }

  /** How many forms a row has, itself included. */
  get variants(): number {
    return this.augmentation === undefined ? 1 : 1 + VARIANTS;
  }

  feeds(rows: Int32Array, variant: number): Feeds {
    const feeds = gatherRows(this.data, rows);
    if (variant === 0 || this.augmentation === undefined) return feeds;
    const changed = new Map(feeds);
    const { flip, shift, mix } = this.augmentation;
    const pictures = flip === true || shift !== undefined || mix !== undefined;
    for (const input of this.data.inputs) {
      const array = feeds.get(input.name)!;
      if (this.deviations.has(input)) changed.set(input.name, this.moved(input, array, rows, variant));
      else if (pictures && isImages(input)) changed.set(input.name, this.pictured(input, array, rows, variant));
    }
    return changed;
  }

  private randomOf(row: number, variant: number): () => number {
    return randomNumbers(Math.imul(this.seed, 0x9e3779b1) ^ Math.imul(row + 1, 0x85ebca6b) ^ (variant << 24));
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

  /** Images: moved and mirrored, then blended with another as it is. Inputs of one row meet the same random numbers. */
  private pictured(input: DatasetInput, array: NumericArray, rows: Int32Array, variant: number): NumericArray {
    const { flip = false, shift = 0, mix = 0 } = this.augmentation!;
    const all = input.array.data as Float32Array;
    const [, a, b, c] = array.dims as [number, number, number, number];
    const [height, width, outer, inner] = channelsLast(array.dims) ? [a, b, 1, c] : [b, c, a, 1];
    const source = array.data as Float32Array;
    const data = new Float32Array(source.length);
    const size = outer * height * width * inner;
    rows.forEach((row, r) => {
      const next = this.randomOf(row, variant);
      const mirrored = next() < 0.5 && flip;
      const [down, right] = [height, width].map((n) => Math.round((2 * next() - 1) * shift * n)) as [number, number];
      for (let o = 0; o < outer; o++)
        for (let y = 0; y < height; y++) {
          const from = r * size + (o * height + reflected(y - down, height)) * width * inner;
          const to = r * size + (o * height + y) * width * inner;
          for (let x = 0; x < width; x++) {
            const column = reflected(x - right, width);
            const at = from + (mirrored ? width - 1 - column : column) * inner;
            for (let i = 0; i < inner; i++) data[to + x * inner + i] = source[at + i]!;
          }
        }
      if (mix === 0) return;
      const other = this.fit[Math.floor(next() * this.fit.length)]!;
      const share = next() / 2;
      for (let i = 0; i < size; i++)
        data[r * size + i] = data[r * size + i]! + share * (all[other * size + i]! - data[r * size + i]!);
    });
    return { ...array, data };
  }
}

/** Whether the colours of images lie on the last axis. */
function channelsLast(dims: readonly number[]): boolean {
  return dims[3]! <= MOST_COLOURS && dims[3]! < dims[1]!;
}

/** Rows of numbers. */
export function isVector({ array, rowAxis }: DatasetInput): boolean {
  return rowAxis === 0 && array.dims.length === 2 && array.data instanceof Float32Array;
}

/** A picture in each row. */
export function isImages({ array, rowAxis, unbatched }: DatasetInput): boolean {
  return rowAxis === 0 && !unbatched && array.dims.length === 4 && array.data instanceof Float32Array;
}

function reflected(at: number, length: number): number {
  const inside = at < 0 ? -at : at >= length ? 2 * length - 2 - at : at;
  return Math.max(0, Math.min(length - 1, inside));
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
