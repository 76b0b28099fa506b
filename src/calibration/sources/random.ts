import { dataIsRandom } from '../../diagnostics/calibration.js';
import type { NumericArray } from '../../graph/feeds.js';
import { elementCount } from '../../graph/tensor.js';
import { randomNumbers } from '../random.js';
import { rowAxisOf, type DataFormat, type InputSpec } from './source.js';

const DEFAULT_ROWS = 1024;

/** Noise in place of data, only when asked for: standard normal floats, small integers, dimensions without a number taken as 1. */
export const random: DataFormat = {
  name: 'random:[rows]',
  description: 'random inputs as a last resort (a warning says what that is worth)',
  example: '--data random:2000',
  matches: (spec) => /^random:\d*$/.test(spec),
  *open(spec, { inputs, note }) {
    const rows = Number(spec.slice('random:'.length)) || DEFAULT_ROWS;
    note(dataIsRandom(rows));
    const next = randomNumbers(1);
    yield {
      arrays: new Map(inputs.map((input) => [input.name, sample(input, rows, next)])),
      file: spec,
      combine: 'append',
    };
  },
};

function sample({ dtype, shape = [undefined, undefined] }: InputSpec, rows: number, next: () => number): NumericArray {
  const rowAxis = rowAxisOf(shape);
  const dims = shape.map((d, axis) => (axis === rowAxis ? rows : typeof d === 'number' ? d : 1));
  const count = elementCount(dims);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  if (dtype === 'int64')
    return { dtype, dims, data: BigInt64Array.from({ length: count }, () => BigInt(Math.floor(next() * 2))) };
  if (dtype === 'int32') return { dtype, dims, data: Int32Array.from({ length: count }, () => Math.floor(next() * 2)) };
  if (dtype === 'bool' || dtype === 'uint8')
    return { dtype, dims, data: Uint8Array.from({ length: count }, () => Math.floor(next() * 2)) };
  return { dtype: 'float32', dims, data: Float32Array.from({ length: count }, normal) };
}
