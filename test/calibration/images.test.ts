import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../src/calibration/dataset.js';
import type { ImageOptions } from '../../src/calibration/sources/images.js';
import type { InputSpec } from '../../src/calibration/sources/source.js';
import { numbers } from '../../src/cli/parse.js';
import { CondenseError, ExitCode, type Diagnostic } from '../../src/diagnostics/diagnostic.js';
import { temporaryFolders } from '../temporary-folder.js';

const newFolder = temporaryFolders();

type Colour = readonly number[];
const [BLACK, RED, GREEN, BLUE] = [
  [0, 0, 0],
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
];
/** Two rows of two pixels, no two alike in any colour. */
const FOUR = [
  [10, 20, 30],
  [40, 50, 60],
  [70, 80, 90],
  [100, 110, 120],
];

/** Writes an image pixel by pixel; the name says in which format. */
async function write(file: string, width: number, pixels: readonly Colour[]): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true });
  const channels = pixels[0]!.length as 1 | 3 | 4;
  const size = { width, height: pixels.length / width, channels };
  await sharp(Buffer.from(pixels.flat()), { raw: size }).toFile(file);
}

/** A folder with these images, all of this width. */
async function folderOf(width: number, files: Readonly<Record<string, readonly Colour[]>>): Promise<string> {
  const folder = newFolder();
  for (const [name, pixels] of Object.entries(files)) await write(path.join(folder, name), width, pixels);
  return folder;
}

const input = (shape: InputSpec['shape'], dtype: InputSpec['dtype'] = 'float32'): InputSpec[] => [
  { name: 'x', dtype, shape },
];
const NCHW = input(['N', 3, 2, 2]);
const NHWC = input(['N', 2, 2, 3]);

async function load(
  folder: string,
  inputs: readonly InputSpec[],
  images?: ImageOptions,
): Promise<{ dims: readonly number[]; values: number[] }> {
  const dataset = await loadDataset([folder], inputs, { images });
  const { dims, data } = dataset.inputs[0]!.array;
  return { dims, values: [...(data as Float32Array)] };
}

async function refusal(folder: string, inputs: readonly InputSpec[], images?: ImageOptions): Promise<Diagnostic> {
  const error: unknown = await loadDataset([folder], inputs, { images }).catch((e: unknown) => e);
  if (!(error instanceof CondenseError)) throw new Error('the images were accepted', { cause: error });
  expect(error.diagnostic.exitCode).toBe(ExitCode.Usage);
  return error.diagnostic;
}

/** One colour of all pixels. */
const plane = (pixels: readonly Colour[], c: number): number[] => pixels.map((p) => p[c]!);

describe('layout', () => {
  it('the shape of the input shows it', async () => {
    const folder = await folderOf(2, { 'a.png': FOUR });
    expect(await load(folder, NCHW)).toEqual({
      dims: [1, 3, 2, 2],
      values: [...plane(FOUR, 0), ...plane(FOUR, 1), ...plane(FOUR, 2)],
    });
    expect(await load(folder, NHWC)).toEqual({ dims: [1, 2, 2, 3], values: FOUR.flat() });
  });

  it('or the option says it, with three channels where the model leaves them open', async () => {
    const folder = await folderOf(2, { 'a.png': FOUR });
    const open = input(['N', 'a', 'b', 'c']);
    const nhwc = await load(folder, open, { layout: 'nhwc', size: [2, 2] });
    expect(nhwc).toEqual({ dims: [1, 2, 2, 3], values: FOUR.flat() });
    expect(await refusal(folder, open)).toMatchObject({ code: 'IMAGE_LAYOUT_UNKNOWN', where: '--layout' });
    expect(await refusal(folder, open, { layout: 'nhwc' })).toMatchObject({ code: 'IMAGE_SIZE_UNKNOWN' });
  });

  it('an order that puts anything else where the colours are is refused', async () => {
    const folder = await folderOf(2, { 'a.png': FOUR });
    const { code, message } = await refusal(folder, NCHW, { layout: 'nhwc' });
    expect(code).toBe('IMAGE_CHANNELS_UNSUPPORTED');
    expect(message).toContain('2 channels');
  });
});

describe('values', () => {
  it('(pixel · scale − mean) / std, channel by channel', async () => {
    const folder = await folderOf(2, { 'a.png': FOUR });
    const options = { scale: [1 / 255], mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.5] };
    const { values } = await load(folder, NHWC, options);
    const expected = FOUR.flatMap((p) => p.map((v, c) => (v / 255 - options.mean[c]!) / options.std[c]!));
    expect(values).toEqual([...Float32Array.from(expected)]);
  });

  it('a fraction as it stands on the command line', async () => {
    const folder = await folderOf(2, { 'a.png': FOUR });
    const { values } = await load(folder, NHWC, { scale: numbers('--scale')('1/127.5'), mean: [1] });
    expect(values).toEqual([...Float32Array.from(FOUR.flat(), (v) => v / 127.5 - 1)]);
  });

  it('bgr: the model takes blue first, and lists are in its order', async () => {
    const folder = await folderOf(2, { 'a.png': FOUR });
    const { values } = await load(folder, NHWC, { colours: 'bgr', mean: [1, 2, 3] });
    expect(values).toEqual(FOUR.flatMap(([r, g, b]) => [b! - 1, g! - 2, r! - 3]));
  });

  it('one channel is the luma of the colours; a grey image fills three', async () => {
    const grey = input(['N', 1, 1, 3]);
    const folder = await folderOf(3, { 'a.png': [RED!, GREEN!, BLUE!] });
    expect(await load(folder, grey)).toEqual({ dims: [1, 1, 1, 3], values: [76, 150, 29] });
    const greyFolder = await folderOf(2, { 'a.png': [[5], [90], [180], [255]] });
    expect((await load(greyFolder, NHWC)).values).toEqual([5, 90, 180, 255].flatMap((v) => [v, v, v]));
  });

  it('transparency is dropped', async () => {
    const folder = await folderOf(2, { 'a.png': FOUR.map((p) => [...p, 128]) });
    expect((await load(folder, NHWC)).values).toEqual(FOUR.flat());
  });

  it('16 bits become 8', async () => {
    const folder = newFolder();
    const raw = { width: 2, height: 2, channels: 3 } as const;
    const file = path.join(folder, 'a.png');
    const wide = Uint16Array.from(FOUR.flat(), (v) => v * 257);
    await sharp(wide, { raw }).toColourspace('rgb16').toFile(file);
    expect((await sharp(file).metadata()).depth).toBe('ushort');
    expect((await load(folder, NHWC)).values).toEqual(FOUR.flat());
  });

  it('a model that takes bytes gets the pixels, and no numbers to compute with', async () => {
    const folder = await folderOf(2, { 'a.png': FOUR });
    const bytes = input(['N', 2, 2, 3], 'uint8');
    expect((await load(folder, bytes)).values).toEqual(FOUR.flat());
    expect(await refusal(folder, bytes, { scale: [1 / 255] })).toMatchObject({ code: 'IMAGE_INPUT_IS_BYTES' });
  });

  it.each<[string, ImageOptions, RegExp]>([
    ['two numbers for three channels', { mean: [1, 2] }, /--mean does not fit: it holds 2 numbers/],
    ['a standard deviation of 0', { std: [1, 0, 1] }, /--std does not fit: it holds a 0/],
  ])('%s: refused', async (_, options, message) => {
    const folder = await folderOf(2, { 'a.png': FOUR });
    expect((await refusal(folder, NCHW, options)).message).toMatch(message);
  });

  it('three numbers for one channel: refused', async () => {
    const folder = await folderOf(2, { 'a.png': FOUR });
    const { code } = await refusal(folder, input(['N', 1, 2, 2]), { mean: [1, 2, 3] });
    expect(code).toBe('IMAGE_NUMBERS_WRONG');
  });
});

describe('size', () => {
  /** Vertical stripes: one black column, two red ones, one black. */
  const striped = Array.from({ length: 8 }, (_, i) => ([1, 2].includes(i % 4) ? RED! : BLACK!));

  it('center: what is over at the sides is cut off', async () => {
    const folder = await folderOf(4, { 'a.png': striped });
    expect((await load(folder, NHWC)).values).toEqual([RED, RED, RED, RED].flat());
  });

  it('none: everything is squeezed in', async () => {
    const folder = await folderOf(4, { 'a.png': striped });
    const { values } = await load(folder, NHWC, { crop: 'none' });
    const [left, right] = [values[0]!, values[3]!];
    for (const red of [left, right]) {
      expect(red).toBeGreaterThan(80);
      expect(red).toBeLessThan(175);
    }
  });

  it('height comes before width, and an image of the right size stays as it is', async () => {
    const folder = await folderOf(1, { 'a.png': [RED!, BLUE!] });
    const open = input(['N', 3, 'h', 'w']);
    expect(await load(folder, open, { size: [2, 1] })).toEqual({
      dims: [1, 3, 2, 1],
      values: [255, 0, 0, 0, 0, 255],
    });
  });

  it('a size that the model does not take is refused', async () => {
    const folder = await folderOf(2, { 'a.png': FOUR });
    expect(await refusal(folder, NCHW, { size: [4, 4] })).toMatchObject({ code: 'DATA_WRONG_SHAPE' });
  });

  it('is that of the image turned upright', async () => {
    const folder = newFolder();
    const raw = { width: 2, height: 1, channels: 3 } as const;
    // Orientation 6: the camera was turned by a quarter, the left pixel belongs on top.
    await sharp(Buffer.from([...RED!, ...BLUE!]), { raw })
      .withMetadata({ orientation: 6 })
      .toFile(path.join(folder, 'a.png'));
    expect((await load(folder, input(['N', 2, 1, 3]))).values).toEqual([...RED!, ...BLUE!]);
  });
});

describe('files', () => {
  const pixel = (v: number): Colour[] => [[v, v, v]];
  const ONE = input(['N', 1, 1, 3]);

  it('in the order of their paths, sub-folders included, whatever else lies there', async () => {
    const folder = await folderOf(1, {
      'b.png': pixel(3),
      'a/2.png': pixel(2),
      'a/10.png': pixel(1),
      'c/d/e.PNG': pixel(4),
    });
    writeFileSync(path.join(folder, 'labels.txt'), 'no image');
    expect((await load(folder, ONE)).values.filter((_, i) => i % 3 === 0)).toEqual([1, 2, 3, 4]);
  });

  it('more than are decoded at a time', async () => {
    const names = Array.from({ length: 70 }, (_, i) => `${String(i).padStart(3, '0')}.png`);
    const folder = await folderOf(1, Object.fromEntries(names.map((name, i) => [name, pixel(i)])));
    expect(await load(folder, ONE)).toEqual({
      dims: [70, 1, 1, 3],
      values: names.flatMap((_, i) => [i, i, i]),
    });
  });

  it('JPEG, WebP, GIF and TIFF as well', async () => {
    const even = Array.from({ length: 64 }, () => [200, 100, 50]);
    const folder = await folderOf(8, { 'a.jpg': even, 'b.jpeg': even, 'c.webp': even, 'd.gif': even, 'e.tiff': even });
    const { dims, values } = await load(folder, input(['N', 8, 8, 3]));
    expect(dims[0]).toBe(5);
    values.forEach((v, i) => {
      expect(Math.abs(v - [200, 100, 50][i % 3]!)).toBeLessThanOrEqual(4);
    });
  });

  it('one that cannot be decoded is named', async () => {
    const folder = await folderOf(1, { 'a.png': pixel(1) });
    writeFileSync(path.join(folder, 'broken.jpg'), 'no image');
    expect(await refusal(folder, ONE)).toMatchObject({
      code: 'DATA_MALFORMED',
      where: path.join(folder, 'broken.jpg'),
    });
  });

  it('a folder without images is refused', async () => {
    expect(await refusal(newFolder(), ONE)).toMatchObject({ code: 'DATA_MALFORMED' });
  });

  it('images fit a model with one input of four axes', async () => {
    const folder = await folderOf(1, { 'a.png': pixel(1) });
    for (const inputs of [input(['N', 3]), [...ONE, { name: 'z', dtype: 'float32' as const, shape: ['N'] }]])
      expect(await refusal(folder, inputs)).toMatchObject({ code: 'IMAGE_INPUT_MISSING' });
  });

  it('a picture beside test sets is no data', async () => {
    const folder = await folderOf(1, { 'a.png': pixel(1) });
    mkdirSync(path.join(folder, 'test_data_set_0'));
    // TensorProto: dims [1, 1, 1, 3] (field 1), data_type 1 (field 2), raw_data (field 9).
    const raw = Buffer.from(Float32Array.of(7, 8, 9).buffer);
    const head = Buffer.from([0x08, 1, 0x08, 1, 0x08, 1, 0x08, 3, 0x10, 1, 0x4a, raw.length]);
    writeFileSync(path.join(folder, 'test_data_set_0', 'input_0.pb'), Buffer.concat([head, raw]));
    expect((await load(folder, ONE)).values).toEqual([7, 8, 9]);
  });
});
