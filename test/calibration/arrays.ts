import { zipSync, type ZipOptions } from 'fflate';
import type { NumericArray } from '../../src/graph/feeds.js';

const DESCR: Partial<Record<NumericArray['dtype'], string>> = {
  float16: '<f2',
  float32: '<f4',
  float64: '<f8',
  int8: '|i1',
  int16: '<i2',
  int32: '<i4',
  int64: '<i8',
  uint8: '|u1',
  uint16: '<u2',
  uint32: '<u4',
  uint64: '<u8',
  bool: '|b1',
};

export function floats(dims: number[], values: readonly number[]): NumericArray {
  return { dtype: 'float32', dims, data: Float32Array.from(values) };
}

/** A float32 array that counts from `start`. */
export function counting(dims: number[], start = 0): NumericArray {
  const count = dims.reduce((a, b) => a * b, 1);
  return floats(
    dims,
    Array.from({ length: count }, (_, i) => start + i),
  );
}

/** An .npy file with any header, e.g. "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }". */
export function npyFile(header: string, content: Uint8Array, version: 1 | 2 | 3 = 1): Uint8Array {
  const prefix = version === 1 ? 10 : 12;
  const padded = header + ' '.repeat(63 - ((prefix + header.length) % 64)) + '\n';
  const file = Buffer.alloc(prefix + padded.length + content.length);
  file.write('\x93NUMPY', 0, 'latin1');
  file[6] = version;
  if (version === 1) file.writeUInt16LE(padded.length, 8);
  else file.writeUInt32LE(padded.length, 8);
  file.write(padded, prefix, 'utf8');
  file.set(content, prefix + padded.length);
  return file;
}

export function headerOf(descr: string, dims: readonly number[], fortran = false): string {
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(', ');
  return `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${shape}), }`;
}

/** The array as numpy.save writes it. */
export function encodeNpy({ dtype, dims, data }: NumericArray): Uint8Array {
  if (Array.isArray(data)) throw new Error('no strings');
  return npyFile(headerOf(DESCR[dtype]!, dims), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** The arrays as numpy.savez (level 0) or savez_compressed (level 6) writes them. */
export function encodeNpz(arrays: Readonly<Record<string, NumericArray>>, level: ZipOptions['level'] = 0): Uint8Array {
  return zipSync(Object.fromEntries(Object.entries(arrays).map(([name, array]) => [`${name}.npy`, encodeNpy(array)])), {
    level,
  });
}
