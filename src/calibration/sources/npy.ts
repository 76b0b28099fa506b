/** NumPy's array format: magic, version, a header that is a Python dict, then the elements. Specification: NumPy's `numpy.lib.format`. */
import { readFileSync } from 'node:fs';
import { raise } from '../../diagnostics/diagnostic.js';
import { dataMalformed, dataTypeUnsupported } from '../../diagnostics/calibration.js';
import type { ElementArray, NumericArray } from '../../graph/feeds.js';
import { elementCount, type DataType } from '../../graph/tensor.js';
import type { DataFormat } from './source.js';

type TypedArrayConstructor = new (buffer: ArrayBuffer) => Exclude<ElementArray, string[]>;

const TYPES: Readonly<Record<string, { dtype: DataType; size: number; array: TypedArrayConstructor }>> = {
  f2: { dtype: 'float16', size: 2, array: Uint16Array },
  f4: { dtype: 'float32', size: 4, array: Float32Array },
  f8: { dtype: 'float64', size: 8, array: Float64Array },
  i1: { dtype: 'int8', size: 1, array: Int8Array },
  i2: { dtype: 'int16', size: 2, array: Int16Array },
  i4: { dtype: 'int32', size: 4, array: Int32Array },
  i8: { dtype: 'int64', size: 8, array: BigInt64Array },
  u1: { dtype: 'uint8', size: 1, array: Uint8Array },
  u2: { dtype: 'uint16', size: 2, array: Uint16Array },
  u4: { dtype: 'uint32', size: 4, array: Uint32Array },
  u8: { dtype: 'uint64', size: 8, array: BigUint64Array },
  b1: { dtype: 'bool', size: 1, array: Uint8Array },
};

/**
 * Reads an .npy file: versions 1 to 3, little- and big-endian, C and Fortran order.
 * @throws CondenseError when the bytes are damaged or the element type cannot be used.
 */
export function decodeNpy(bytes: Uint8Array, file: string): NumericArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 10 || String.fromCharCode(...bytes.subarray(1, 6)) !== 'NUMPY' || bytes[0] !== 0x93) {
    raise(dataMalformed(file, 'it does not begin with the magic bytes of an .npy file'));
  }
  const wide = bytes[6]! >= 2;
  if (wide && bytes.length < 12) raise(dataMalformed(file, 'the header is cut off'));
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (wide ? 12 : 10) + length;
  if (start > bytes.length) raise(dataMalformed(file, 'the header is cut off'));
  const header = new TextDecoder().decode(bytes.subarray(wide ? 12 : 10, start));
  const descr = /'descr'\s*:\s*'([<>|=])?([a-zA-Z]\d+)'/.exec(header);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header);
  const shape = /'shape'\s*:\s*\(([^)]*)\)/.exec(header);
  if (descr === null && /'descr'/.test(header))
    raise(dataTypeUnsupported(file, /'descr'\s*:\s*([^}]*?),\s*'/.exec(header)?.[1] ?? 'unknown'));
  if (descr === null || order === null || shape === null)
    return raise(dataMalformed(file, 'the header is not understood'));
  const type = TYPES[descr[2]!];
  if (type === undefined) return raise(dataTypeUnsupported(file, descr[2]!));
  const dims = shape[1]!
    .split(',')
    .map((part) => part.trim().replace(/L$/, ''))
    .filter((part) => part !== '')
    .map(Number);
  if (dims.some((d) => !Number.isSafeInteger(d) || d < 0)) raise(dataMalformed(file, 'the shape is not understood'));
  const byteLength = elementCount(dims) * type.size;
  if (bytes.length - start < byteLength) {
    raise(dataMalformed(file, `${byteLength} bytes of elements are expected and ${bytes.length - start} are there`));
  }
  // A fresh buffer: elements in files are not aligned.
  const buffer = new ArrayBuffer(byteLength);
  const raw = new Uint8Array(buffer);
  raw.set(bytes.subarray(start, start + byteLength));
  if (descr[1] === '>') swapBytes(raw, type.size);
  const data = new type.array(buffer);
  return { dtype: type.dtype, dims, data: order[1] === 'True' ? fromFortran(data, dims) : data };
}

function swapBytes(raw: Uint8Array, size: number): void {
  for (let i = 0; i < raw.length; i += size) raw.subarray(i, i + size).reverse();
}

/** Column-major elements in row-major order. */
function fromFortran<T extends Exclude<ElementArray, string[]>>(data: T, dims: readonly number[]): T {
  const result = data.slice() as T;
  const rank = dims.length;
  const index = new Array<number>(rank).fill(0);
  for (let flat = 0; flat < data.length; flat++) {
    let from = 0;
    for (let axis = rank - 1; axis >= 0; axis--) from = from * dims[axis]! + index[axis]!;
    result[flat] = data[from]!;
    for (let axis = rank - 1; axis >= 0 && ++index[axis]! === dims[axis]!; axis--) index[axis] = 0;
  }
  return result;
}

export const npy: DataFormat = {
  name: 'file.npy',
  description: 'one NumPy array, for a model with one input',
  example: '--data inputs.npy',
  matches: (spec) => spec.endsWith('.npy') && !spec.includes('='),
  *open(spec) {
    yield { arrays: new Map([['', decodeNpy(readFileSync(spec), spec)]]), file: spec, combine: 'append' };
  },
};

export const namedNpy: DataFormat = {
  name: 'name=file.npy',
  description: 'one NumPy array for one input; several are joined by row',
  example: '--data tokens=tokens.npy --data mask=mask.npy',
  matches: (spec) => /=[^=]*\.npy$/.test(spec),
  *open(spec) {
    // The last '=' parts name and file: input names may hold one.
    const at = spec.lastIndexOf('=');
    const file = spec.slice(at + 1);
    yield { arrays: new Map([[spec.slice(0, at), decodeNpy(readFileSync(file), file)]]), file, combine: 'join' };
  },
};
