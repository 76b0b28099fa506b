/**
 * A folder of images, with those of its sub-folders, as rows of the model's one image input: decoded, turned as their EXIF data says, resized
 * and cropped by sharp (an optional peer dependency), then
 *
 *     x = (pixel · scale − mean) / std      per channel,
 *
 * laid out as NCHW or NHWC. Rows stand in the order of the files' paths. One channel is the luma 0.299 R + 0.587 G + 0.114 B, as PIL and OpenCV
 * make it.
 */
import { raise } from '../../diagnostics/diagnostic.js';
import {
  dataMalformed,
  imageChannelsUnsupported,
  imageInputIsBytes,
  imageInputMissing,
  imageLayoutUnknown,
  imageSizeUnknown,
  sharpMissing,
} from '../../diagnostics/calibration.js';
import { checkScaling, SCALING_KEYS, scalingOf, type Scaling } from './scaling.js';
import { filesBelow, isFolder, type DataFormat, type InputSpec } from './source.js';

/** How images become values; the scaling is that of sounds as well. */
export interface ImageOptions extends Scaling {
  /** Height and width; the model's own where it fixes them. */
  readonly size?: readonly [number, number];
  /** Found from the input's shape where that shows it. */
  readonly layout?: 'nchw' | 'nhwc';
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
  description:
    'a folder of images, sub-folders included (JPEG, PNG, WebP, TIFF, GIF, AVIF; needs the package sharp), see --image-size',
  example: '--data photos/ --image-size 224 --scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225',
  matches: isFolder,
  async *open(spec, { inputs, images: options = {} }) {
    const files = filesBelow(spec, EXTENSIONS);
    if (files.length === 0)
      raise(dataMalformed(spec, 'the folder holds neither images, WAV files nor test_data_set_*'));
    const [input, other] = inputs;
    if (input?.shape?.length !== 4 || other !== undefined) return raise(imageInputMissing(inputs.map((i) => i.name)));
    const geometry = geometryOf(input, options);
    const { height, width, channels, layout } = geometry;
    checkScaling(options, channels);
    const raw = input.dtype === 'uint8';
    if (raw && SCALING_KEYS.some((key) => options[key] !== undefined)) raise(imageInputIsBytes(input.name));
    const decode = await loadSharp();
    for (let start = 0; start < files.length; start += CHUNK) {
      const part = files.slice(start, start + CHUNK);
      const size = height * width * channels;
      const data = raw ? new Uint8Array(part.length * size) : new Float32Array(part.length * size);
      for (const [i, file] of part.entries()) {
        const pixels = await decode(file, geometry, options.crop ?? 'center');
        place(pixels, data.subarray(i * size, (i + 1) * size), geometry, options);
      }
      const dims = layout === 'nchw' ? [part.length, channels, height, width] : [part.length, height, width, channels];
      const dtype = raw ? ('uint8' as const) : ('float32' as const);
      yield { arrays: new Map([[input.name, { dtype, dims, data }]]), file: spec, combine: 'append' };
    }
  },
};

/** Pixels of an image as the model wants them. */
interface Geometry {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  readonly layout: 'nchw' | 'nhwc';
}

/** What the model wants, completed by the options. */
function geometryOf({ name, shape = [] }: InputSpec, { size, layout }: ImageOptions): Geometry {
  const colours = (d: unknown): boolean => d === 1 || d === 3;
  const found = layout ?? (colours(shape[1]) ? 'nchw' : colours(shape[3]) ? 'nhwc' : raise(imageLayoutUnknown(name)));
  const [h, w, c] = found === 'nchw' ? [shape[2], shape[3], shape[1]] : [shape[1], shape[2], shape[3]];
  const [height, width] = size ?? [h, w];
  if (typeof height !== 'number' || typeof width !== 'number') return raise(imageSizeUnknown(name));
  const channels = typeof c === 'number' ? c : 3;
  if (channels !== 1 && channels !== 3) return raise(imageChannelsUnsupported(name, found, channels));
  return { height, width, channels, layout: found };
}

type Decode = (file: string, geometry: Geometry, crop: 'center' | 'none') => Promise<Uint8Array>;

/** Loads sharp, which only those who feed images need. Pixels come row by row, red, green and blue. */
async function loadSharp(): Promise<Decode> {
  const { default: sharp } = await import('sharp').catch((error: unknown) => raise(sharpMissing(), error));
  return (file, { height, width }, crop) =>
    sharp(file)
      .autoOrient()
      .resize(width, height, { fit: crop === 'center' ? 'cover' : 'fill', position: 'centre' })
      .removeAlpha()
      .toColourspace('srgb')
      .raw()
      .toBuffer()
      .catch((error: unknown) =>
        raise(dataMalformed(file, error instanceof Error ? error.message : String(error)), error),
      );
}

/** Writes one image's values. @param pixels red, green and blue of each position */
function place(
  pixels: Uint8Array,
  target: Float32Array | Uint8Array,
  { channels, layout }: Geometry,
  options: ImageOptions,
): void {
  const area = pixels.length / 3;
  for (let c = 0; c < channels; c++) {
    const from = options.colours === 'bgr' ? 2 - c : c;
    const scaled = scalingOf(options, c);
    for (let i = 0; i < area; i++) {
      const pixel = channels === 1 ? luma(pixels, 3 * i) : pixels[3 * i + from]!;
      target[layout === 'nchw' ? c * area + i : i * channels + c] = scaled(pixel);
    }
  }
}

/** ITU-R BT.601, rounded to a whole number. */
function luma(pixels: Uint8Array, at: number): number {
  return Math.round(0.299 * pixels[at]! + 0.587 * pixels[at + 1]! + 0.114 * pixels[at + 2]!);
}
