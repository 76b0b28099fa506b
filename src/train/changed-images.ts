/** Images as training sees them: the teacher judges the changed ones too, so that few images show a student much of what the teacher does. */
import type { NumericArray } from '../graph/feeds.js';
import { ColumnSpread } from '../linalg/column-spread.js';
import { randomNumbers } from '../calibration/random.js';
import { takeRows } from '../calibration/rows.js';

/** How images are changed. */
export interface ImageChanges {
  /** Mirrored from left to right, every second time. */
  readonly flip?: boolean;
  /** Moved by up to this share of their height and width; what comes in from outside mirrors what is inside. */
  readonly shift?: number;
  /** Made larger or smaller by up to this share, both ways alike but for a third of it. */
  readonly zoom?: number;
  /** Turned by up to so many degrees. */
  readonly turn?: number;
  /** Brightness and contrast, by up to this share of what they are; all colours alike but for a third of it. */
  readonly light?: number;
  /** Blended with another, picked at random. Beyer et al., Knowledge distillation: A good teacher is patient and consistent (2022). */
  readonly mix?: number;
  /**
   * A rectangle of up to half of the image is taken from another, picked at random; every second time where images are blended too.
   * Yun et al., CutMix (2019).
   */
  readonly cut?: boolean;
}

/** More channels than this are no colours. */
const MOST_COLOURS = 4;
/** Images that brightness is measured on. */
const SAMPLE = 512;
/** Most of another image that is seen. */
const MOST_OF_OTHER = 0.5;
/** Share of a change that axes, or colours, have in common. */
const IN_COMMON = 2 / 3;

/** The images of one input, and changed ones. */
export class ChangedImages {
  private readonly height: number;
  private readonly width: number;
  /** Images of one colour in each, and numbers beside each other in each of those. */
  private readonly outer: number;
  private readonly inner: number;
  private readonly deviation: number;

  /**
   * @param images float32, rank 4, rows first; colours on axis 1, or last where there are few
   * @param fit rows that others are picked from
   */
  constructor(
    private readonly images: NumericArray,
    private readonly fit: Int32Array,
    private readonly changes: ImageChanges,
  ) {
    const [, a, b, c] = images.dims as [number, number, number, number];
    const last = c <= MOST_COLOURS && c < Math.min(a, b);
    [this.height, this.width, this.outer, this.inner] = last ? [a, b, 1, c] : [b, c, a, 1];
    const spread = new ColumnSpread(1);
    if (changes.light !== undefined) spread.add(takeRows(images, 0, fit.subarray(0, SAMPLE)).data as Float32Array);
    this.deviation = spread.deviations()[0]!;
  }

  /** @param randomOf random numbers of a row: inputs of one row are changed alike */
  of(rows: Int32Array, randomOf: (row: number) => () => number): NumericArray {
    const { fit, changes } = this;
    const { mix = 0, cut = false } = changes;
    const size = this.height * this.width * this.outer * this.inner;
    const data = new Float32Array(rows.length * size);
    const second = new Float32Array(size);
    rows.forEach((row, r) => {
      // What is drawn for each colour comes from numbers of its own: inputs of other colours must not fall out of step.
      const next = randomOf(row);
      const [own, others] = [fork(next), fork(next)];
      const image = data.subarray(r * size, (r + 1) * size);
      this.moved(row, own, image);
      if (mix === 0 && !cut) return;
      this.moved(fit[Math.floor(next() * fit.length)]!, others, second);
      if (mix > 0 && (!cut || next() < 0.5)) blend(image, second, MOST_OF_OTHER * next());
      else this.patch(image, second, next);
    });
    return { ...this.images, dims: [rows.length, ...this.images.dims.slice(1)], data };
  }

  /** An image moved, mirrored, resized, turned and lit otherwise. */
  private moved(row: number, next: () => number, image: Float32Array): void {
    const { flip = false, shift = 0, zoom = 0, turn = 0, light = 0 } = this.changes;
    const { height, width, outer, inner, deviation } = this;
    const all = this.images.data as Float32Array;
    const around = (most: number): number => (2 * next() - 1) * most;
    const mirror = next() < 0.5 && flip ? -1 : 1;
    const [down, right] = [Math.round(around(shift * height)), Math.round(around(shift * width))];
    const common = around(IN_COMMON);
    const [tall, wide] = [common, common].map((c) => (1 + zoom) ** -(c + around(1 - IN_COMMON))) as [number, number];
    const angle = (around(turn) * Math.PI) / 180;
    const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
    const [brighter, stronger] = [around(IN_COMMON), around(IN_COMMON)];
    const colours = outer * inner;
    const [gains, offsets] = [new Float64Array(colours), new Float64Array(colours)];
    for (let c = 0; c < colours; c++) {
      gains[c] = 1 + light * (stronger + around(1 - IN_COMMON));
      offsets[c] = light * deviation * (brighter + around(1 - IN_COMMON));
    }
    const pixels = height * width;
    const [middle, centre] = [(height - 1) / 2, (width - 1) / 2];
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const [v, u] = [y - middle, mirror * (x - centre)];
        const sy = reflected(middle + tall * (cos * v - sin * u) - down, height);
        const sx = reflected(centre + wide * (sin * v + cos * u) - right, width);
        const [top, left] = [Math.floor(sy), Math.floor(sx)];
        const [low, far] = [Math.min(height - 1, top + 1), Math.min(width - 1, left + 1)];
        const [fy, fx] = [sy - top, sx - left];
        const [topLeft, topFar] = [(top * width + left) * inner, (top * width + far) * inner];
        const [lowLeft, lowFar] = [(low * width + left) * inner, (low * width + far) * inner];
        for (let c = 0; c < colours; c++) {
          const o = Math.floor(c / inner);
          const from = (row * outer + o) * pixels * inner + (c % inner);
          const above = (1 - fx) * all[from + topLeft]! + fx * all[from + topFar]!;
          const below = (1 - fx) * all[from + lowLeft]! + fx * all[from + lowFar]!;
          image[(o * pixels + y * width + x) * inner + (c % inner)] =
            gains[c]! * ((1 - fy) * above + fy * below) + offsets[c]!;
        }
      }
  }

  /** Puts a rectangle of another image into one. */
  private patch(image: Float32Array, other: Float32Array, next: () => number): void {
    const { height, width, outer, inner } = this;
    const side = Math.sqrt(MOST_OF_OTHER * next());
    const [tall, wide] = [Math.floor(side * height), Math.floor(side * width)];
    const top = Math.floor(next() * (height - tall + 1));
    const left = Math.floor(next() * (width - wide + 1));
    for (let o = 0; o < outer; o++)
      for (let y = top; y < top + tall; y++) {
        const from = ((o * height + y) * width + left) * inner;
        image.set(other.subarray(from, from + wide * inner), from);
      }
  }
}

/** Random numbers that begin anew from the next of others. */
function fork(next: () => number): () => number {
  return randomNumbers(Math.floor(next() * 2 ** 32));
}

function blend(image: Float32Array, other: Float32Array, share: number): void {
  for (let i = 0; i < image.length; i++) image[i] = image[i]! + share * (other[i]! - image[i]!);
}

/** A coordinate brought inside by mirrors at both ends. */
function reflected(at: number, length: number): number {
  const period = 2 * (length - 1);
  if (period === 0) return 0;
  const inside = Math.abs(at) % period;
  return inside > length - 1 ? period - inside : inside;
}
