/**
 * WAV files (one, or a folder with its sub-folders) as rows of the model's one input: mixed down to mono, each cut into windows of the length
 * that the model wants, one behind the other; what is left at the end of a file is dropped. Integers become x / 2^(bits - 1), from -1 to 1, and
 * what `--scale` makes of that.
 *
 * The reader is written out here, for no package fits: wavefile, the one that reads all of these forms, had its last release in 2020 and holds every
 * sample as a double. A walk over the chunks of a RIFF file is hardly longer than the use of a package would be.
 * Format: IBM & Microsoft, Multimedia Programming Interface and Data Specifications 1.0 (1991), with WAVE_FORMAT_EXTENSIBLE.
 */
import { readFileSync } from 'node:fs';
import { raise } from '../../diagnostics/diagnostic.js';
import { dataMalformed } from '../../diagnostics/calibration.js';
import {
  wavFilesShort,
  wavInputUnfit,
  wavLengthOpen,
  wavRateFound,
  wavTooShort,
  wavUnsupported,
} from '../../diagnostics/data-formats.js';
import type { NumericArray } from '../../graph/feeds.js';
import { isFloat } from '../../graph/tensor.js';
import { checkScaling, scalingOf } from './scaling.js';
import { filesBelow, isFolder, type DataFormat, type InputSpec } from './source.js';

const WAV = /\.wave?$/i;
/** Key under which each window says which file it is from. */
const FILE_KEY = 'file';

export const wav: DataFormat = {
  name: 'sounds/',
  description:
    'a folder of WAV files, sub-folders included, or one file.wav: cut into windows as long as the model wants, see --scale; --group file keeps those of a file together',
  example: '--data recordings/ --group file',
  matches: (spec) => (isFolder(spec) ? filesBelow(spec, WAV).length > 0 : WAV.test(spec)),
  *open(spec, { inputs, note, images: scaling = {} }) {
    const files = isFolder(spec) ? filesBelow(spec, WAV) : [spec];
    const [input, other] = inputs;
    const samples = input === undefined || other !== undefined ? undefined : windowOf(input);
    if (input === undefined || samples === undefined) return raise(wavInputUnfit(inputs.map((i) => i.name)));
    checkScaling(scaling, 1);
    const scaled = scalingOf(scaling);
    const inner = input.shape!.length === 3 ? [1, samples] : [samples];
    const rates = new Set<number>();
    let [windows, short] = [0, 0];
    for (const [number, file] of files.entries()) {
      const sound = decodeWav(readFileSync(file), file);
      const rows = Math.floor(sound.samples.length / samples);
      rates.add(sound.rate);
      windows += rows;
      if (rows === 0) {
        short++;
        continue;
      }
      const data = sound.samples.subarray(0, rows * samples).map(scaled);
      const arrays = new Map<string, NumericArray>([
        [FILE_KEY, { dtype: 'int32', dims: [rows], data: new Int32Array(rows).fill(number) }],
        [input.name, { dtype: 'float32', dims: [rows, ...inner], data }],
      ]);
      yield { arrays, file, combine: 'append' };
    }
    if (windows === 0) raise(wavTooShort(spec, samples));
    note(wavRateFound([...rates], windows));
    if (short > 0) note(wavFilesShort(short, samples));
  },
};

/** Samples of one input; undefined where the model takes no sound. */
function windowOf({ name, dtype, shape }: InputSpec): number | undefined {
  const fits = shape?.length === 2 || (shape?.length === 3 && (typeof shape[1] !== 'number' || shape[1] === 1));
  if (!fits || !isFloat(dtype)) return undefined;
  const samples = shape.at(-1);
  return typeof samples === 'number' ? samples : raise(wavLengthOpen(name));
}

/** Sound with one channel. */
export interface Sound {
  /** Samples in a second. */
  readonly rate: number;
  /** From -1 to 1. */
  readonly samples: Float32Array;
}

const [PCM, FLOAT, EXTENSIBLE] = [1, 3, 0xfffe];

/** Reads one sample at an offset. */
type ReadSample = (view: DataView, at: number) => number;

/** By format and bits; those of 8 bits have no sign. */
const READERS: Readonly<Record<string, ReadSample>> = {
  [`${PCM}/8`]: (view, at) => (view.getUint8(at) - 128) / 128,
  [`${PCM}/16`]: (view, at) => view.getInt16(at, true) / 2 ** 15,
  [`${PCM}/24`]: (view, at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 2 ** 16) / 2 ** 23,
  [`${PCM}/32`]: (view, at) => view.getInt32(at, true) / 2 ** 31,
  [`${FLOAT}/32`]: (view, at) => view.getFloat32(at, true),
};

/**
 * A WAV file, mixed down to mono by the mean of its channels.
 * @throws CondenseError when it is damaged or stored in a way that is not read
 */
export function decodeWav(bytes: Uint8Array, file: string): Sound {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = (at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 12 || tag(0) !== 'RIFF' || tag(8) !== 'WAVE')
    raise(dataMalformed(file, 'it does not begin like a WAV file'));
  let format:
    { readonly channels: number; readonly rate: number; readonly bytes: number; read: ReadSample } | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const start = at + 8;
    const length = view.getUint32(at + 4, true);
    if (tag(at) === 'fmt ') {
      if (length < 16 || start + length > bytes.length) raise(dataMalformed(file, 'its format is cut off'));
      const [code, channels, bits] = [
        view.getUint16(start, true),
        view.getUint16(start + 2, true),
        view.getUint16(start + 14, true),
      ];
      // The extensible form keeps the code in the first bytes of an identifier.
      const kind = code === EXTENSIBLE && length >= 40 ? view.getUint16(start + 24, true) : code;
      const read = READERS[`${kind}/${bits}`] ?? raise(wavUnsupported(file, `format ${kind} with ${bits} bits`));
      if (channels === 0) raise(dataMalformed(file, 'it has no channels'));
      format = { channels, rate: view.getUint32(start + 4, true), bytes: bits / 8, read };
    } else if (tag(at) === 'data') {
      if (format === undefined) return raise(dataMalformed(file, 'its samples come before their format'));
      // A recorder that was cut off leaves a length behind that the file does not have.
      const frame = format.channels * format.bytes;
      const frames = Math.floor(Math.min(length, bytes.length - start) / frame);
      const samples = new Float32Array(frames);
      for (let i = 0; i < frames; i++) {
        let sum = 0;
        for (let c = 0; c < format.channels; c++) sum += format.read(view, start + i * frame + c * format.bytes);
        samples[i] = sum / format.channels;
      }
      return { rate: format.rate, samples };
    }
    // Chunks begin at even offsets.
    at = start + length + (length % 2);
  }
  return raise(dataMalformed(file, 'it holds no samples'));
}
