/**
 * A folder of images as rows of the model's one image input: decoded, resized and cropped by sharp (an optional peer dependency), then
 *
 *     x = (pixel · scale − mean) / std      per channel,
 *
 * laid out as NCHW or NHWC.
 */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { raise } from '../../diagnostics/diagnostic.js';
import {
  dataMalformed,
  imageInputMissing,
  imageLayoutUnknown,
  imageSizeUnknown,
  sharpMissing,
} from '../../diagnostics/calibration.js';
import type { DataFormat, InputSpec } from './source.js';

/** How images become values. Lists hold one number for each channel, or one for all. */
export interface ImageOptions {
  /** Height and width; the model's own where it fixes them. */
  readonly size?: readonly [number, number];
  /** Found from the input's shape where that shows it. */
  readonly layout?: 'nchw' | 'nhwc';
  /** Default 1. */
  readonly scale?: readonly number[];
  /** Default 0. */
  readonly mean?: readonly number[];
  /** Default 1. */
  readonly std?: readonly number[];
  /** `center`: fill the size and cut off what is over; `none`: stretch. Default `center`. */
  readonly crop?: 'center' | 'none';
  /** Order of the colours. Default `rgb`. */
  readonly colours?: 'rgb' | 'bgr';
}

const EXTENSIONS = /\.(jpe?g|png|webp|tiff?|gif|avif)$/i;
/** Images that are decoded before their rows are handed on. */
const CHUNK = 32;

export const images: DataFormat = {
  name: 'images/',
  description: 'a folder of images (JPEG, PNG, WebP, TIFF, GIF, AVIF; needs the package sharp), see --image-size',
  matches: (spec) => isFolder(spec) && imageFiles(spec).length > 0,
  async *open(spec, { inputs, images: options = {} }) {
    const decode = await loadSharp();
    const [input, other] = inputs;
    if (input?.shape?.length !== 4 || other !== undefined) return raise(imageInputMissing(inputs.map((i) => i.name)));
    const { height, width, channels, layout } = geometry(input, options);
    const files = imageFiles(spec);
    for (let start = 0; start < files.length; start += CHUNK) {
      const part = files.slice(start, start + CHUNK);
      const size = height * width * channels;
      const data = new Float32Array(part.length * size);
      for (const [i, file] of part.entries()) {
        const pixels = await decode(file, height, width, channels, options.crop ?? 'center');
        place(pixels, data.subarray(i * size, (i + 1) * size), channels, layout, options);
      }
      const dims = layout === 'nchw' ? [part.length, channels, height, width] : [part.length, height, width, channels];
      const raw = input.dtype === 'uint8';
      const array = raw
        ? { dtype: 'uint8' as const, dims, data: Uint8Array.from(data) }
        : { dtype: 'float32' as const, dims, data };
      yield { arrays: new Map([[input.name, array]]), file: spec, combine: 'append' };
    }
  },
};

function isFolder(spec: string): boolean {
  return statSync(spec, { throwIfNoEntry: false })?.isDirectory() === true;
}

function imageFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => EXTENSIONS.test(name))
    .sort()
    .map((name) => path.join(folder, name));
}

/** What the model wants, completed by the options. */
function geometry(
  { name, shape = [] }: InputSpec,
  { size, layout }: ImageOptions,
): { height: number; width: number; channels: number; layout: 'nchw' | 'nhwc' } {
  const colours = (d: unknown): boolean => d === 1 || d === 3;
  const found = layout ?? (colours(shape[1]) ? 'nchw' : colours(shape[3]) ? 'nhwc' : raise(imageLayoutUnknown(name)));
  const [h, w, c] = found === 'nchw' ? [shape[2], shape[3], shape[1]] : [shape[1], shape[2], shape[3]];
  const [height, width] = size ?? [h, w];
  if (typeof height !== 'number' || typeof width !== 'number') return raise(imageSizeUnknown(name));
  return { height, width, channels: typeof c === 'number' ? c : 3, layout: found };
}

type Decode = (
  file: string,
  height: number,
  width: number,
  channels: number,
  crop: 'center' | 'none',
) => Promise<Uint8Array>;

/** Loads sharp, which only those who feed images need. */
async function loadSharp(): Promise<Decode> {
  const { default: sharp } = await import('sharp').catch((error: unknown) => raise(sharpMissing(), error));
  return async (file, height, width, channels, crop) => {
    try {
      const resized = sharp(file)
        .rotate()
        .resize(width, height, { fit: crop === 'center' ? 'cover' : 'fill', position: 'centre' })
        .removeAlpha();
      const { data, info } = await (channels === 1 ? resized.grayscale() : resized.toColourspace('srgb'))
        .raw()
        .toBuffer({ resolveWithObject: true });
      if (info.channels !== channels)
        return raise(dataMalformed(file, `it has ${info.channels} channels instead of ${channels}`));
      return data;
    } catch (error) {
      return raise(dataMalformed(file, error instanceof Error ? error.message : String(error)), error);
    }
  };
}

function place(
  pixels: Uint8Array,
  target: Float32Array,
  channels: number,
  layout: 'nchw' | 'nhwc',
  { scale = [1], mean = [0], std = [1], colours = 'rgb' }: ImageOptions,
): void {
  const area = pixels.length / channels;
  const of = (list: readonly number[], c: number): number => list[list.length === 1 ? 0 : c] ?? 0;
  for (let c = 0; c < channels; c++) {
    const from = colours === 'bgr' ? channels - 1 - c : c;
    const [s, m, d] = [of(scale, c), of(mean, c), of(std, c)];
    for (let i = 0; i < area; i++) {
      target[layout === 'nchw' ? c * area + i : i * channels + c] = (pixels[i * channels + from]! * s - m) / d;
    }
  }
}
