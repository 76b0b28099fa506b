import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeNpy } from '../../src/calibration/sources/npy.js';
import { decodeNpz } from '../../src/calibration/sources/npz.js';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { NumericArray } from '../../src/graph/feeds.js';
import { counting, encodeNpy, encodeNpz, floats, headerOf, npyFile } from './arrays.js';

/** The code of the CondenseError that `run` ends in; any other exception is passed on. */
function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof CondenseError) return error.diagnostic.code;
    throw error;
  }
}

const bytesOf = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

describe('npy files', () => {
  const arrays: NumericArray[] = [
    { dtype: 'float16', dims: [2], data: Uint16Array.of(0x3c00, 0xc000) },
    floats([2, 3], [1, 2, 3, -4, 0.5, 1e-30]),
    { dtype: 'float64', dims: [1, 2, 1], data: Float64Array.of(Math.PI, -0) },
    { dtype: 'int8', dims: [3], data: Int8Array.of(-128, 0, 127) },
    { dtype: 'int16', dims: [1], data: Int16Array.of(-32768) },
    { dtype: 'int32', dims: [2], data: Int32Array.of(-1, 2 ** 31 - 1) },
    { dtype: 'int64', dims: [2], data: BigInt64Array.of(-1n, 2n ** 60n) },
    { dtype: 'uint8', dims: [1], data: Uint8Array.of(255) },
    { dtype: 'uint16', dims: [1], data: Uint16Array.of(65535) },
    { dtype: 'uint32', dims: [1], data: Uint32Array.of(2 ** 32 - 1) },
    { dtype: 'uint64', dims: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
    { dtype: 'bool', dims: [2], data: Uint8Array.of(1, 0) },
    floats([], [7]),
    floats([0, 5], []),
  ];
  it.each(arrays.map((a) => [`${a.dtype} [${a.dims.join(', ')}]`, a] as const))('%s', (_, array) => {
    expect(decodeNpy(encodeNpy(array), 'a.npy')).toEqual(array);
  });

  it.each([1, 2, 3] as const)('format version %i', (version) => {
    const array = counting([2, 2]);
    expect(decodeNpy(npyFile(headerOf('<f4', [2, 2]), bytesOf(array.data as Float32Array), version), 'a.npy')).toEqual(
      array,
    );
  });

  it('elements that do not lie on a multiple of their size, in a view that does not begin at 0', () => {
    const file = npyFile(headerOf('<f8', [2]) + ' '.repeat(3), bytesOf(Float64Array.of(1, 2)));
    const shifted = new Uint8Array(file.length + 3);
    shifted.set(file, 3);
    expect(decodeNpy(shifted.subarray(3), 'a.npy').data).toEqual(Float64Array.of(1, 2));
  });

  it('big-endian elements', () => {
    const content = Buffer.alloc(16);
    content.writeDoubleBE(1.5, 0);
    content.writeDoubleBE(-2, 8);
    expect(decodeNpy(npyFile(headerOf('>f8', [2]), content), 'a.npy').data).toEqual(Float64Array.of(1.5, -2));
  });

  it('Fortran order becomes row-major', () => {
    // Element [i, j, k] is 100 i + 10 j + k, the first index running fastest in the file.
    const stored: number[] = [];
    for (let k = 0; k < 4; k++)
      for (let j = 0; j < 3; j++) for (let i = 0; i < 2; i++) stored.push(100 * i + 10 * j + k);
    const decoded = decodeNpy(npyFile(headerOf('<f4', [2, 3, 4], true), bytesOf(Float32Array.from(stored))), 'a.npy');
    const wanted: number[] = [];
    for (let i = 0; i < 2; i++)
      for (let j = 0; j < 3; j++) for (let k = 0; k < 4; k++) wanted.push(100 * i + 10 * j + k);
    expect(decoded).toEqual(floats([2, 3, 4], wanted));
  });

  it('lengths as Python 2 wrote them, and keys in another order', () => {
    const header = "{'shape': (2L,), 'fortran_order': False, 'descr': '<f4'}";
    expect(decodeNpy(npyFile(header, bytesOf(Float32Array.of(1, 2))), 'a.npy')).toEqual(floats([2], [1, 2]));
  });

  it.each([
    ['no .npy file at all', Buffer.from('id,x\n1,2\n'), 'DATA_MALFORMED'],
    ['an empty file', new Uint8Array(0), 'DATA_MALFORMED'],
    ['text', npyFile(headerOf('<U5', [2]), new Uint8Array(40)), 'DATA_TYPE_UNSUPPORTED'],
    ['complex numbers', npyFile(headerOf('<c8', [2]), new Uint8Array(16)), 'DATA_TYPE_UNSUPPORTED'],
    ['objects', npyFile(headerOf('|O', [2]), new Uint8Array(16)), 'DATA_TYPE_UNSUPPORTED'],
    [
      'records',
      npyFile("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", new Uint8Array(8)),
      'DATA_TYPE_UNSUPPORTED',
    ],
    [
      'a header without a shape',
      npyFile("{'descr': '<f4', 'fortran_order': False, }", new Uint8Array(8)),
      'DATA_MALFORMED',
    ],
    [
      'a negative length',
      npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", new Uint8Array(8)),
      'DATA_MALFORMED',
    ],
    ['fewer elements than the shape says', npyFile(headerOf('<f4', [3]), new Uint8Array(8)), 'DATA_MALFORMED'],
    [
      'more elements than there can be',
      npyFile(headerOf('<f4', [2 ** 40, 2 ** 40]), new Uint8Array(8)),
      'DATA_MALFORMED',
    ],
  ])('refuses %s', (_, bytes, code) => {
    expect(codeOf(() => decodeNpy(bytes, 'a.npy'))).toBe(code);
  });

  it('names the file', () => {
    try {
      decodeNpy(new Uint8Array(3), 'folder/a.npy');
      expect.unreachable();
    } catch (error) {
      expect((error as CondenseError).diagnostic.where).toBe('folder/a.npy');
    }
  });
});

describe('npz files', () => {
  const arrays = { x: counting([2, 3]), 'a/b=c': counting([2], 5) };

  it.each([0, 6] as const)('hold arrays by name, compression level %i', (level) => {
    expect(Object.fromEntries(decodeNpz(encodeNpz(arrays, level), 'a.npz'))).toEqual(arrays);
  });

  it('an empty one holds nothing', () => {
    expect(decodeNpz(encodeNpz({}), 'a.npz').size).toBe(0);
  });

  it('what is no zip file is refused', () => {
    expect(codeOf(() => decodeNpz(Buffer.from('no zip'), 'a.npz'))).toBe('DATA_MALFORMED');
  });
});

describe('damaged files', () => {
  const file = fc.constantFrom(
    ...[
      encodeNpy(counting([3, 2])),
      npyFile(headerOf('>i4', [4], true), new Uint8Array(16), 2),
      encodeNpy(floats([], [1])),
    ].map((bytes) => ({
      bytes,
      decode: (b: Uint8Array): unknown => decodeNpy(b, 'a.npy'),
    })),
    ...([0, 6] as const).map((level) => ({
      bytes: encodeNpz({ x: counting([3, 2]), y: counting([40]) }, level),
      decode: (b: Uint8Array): unknown => decodeNpz(b, 'a.npz'),
    })),
  );

  it('cut off anywhere: a CondenseError, never anything else', () => {
    fc.assert(
      fc.property(file, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), ({ bytes, decode }, share) => {
        expect(codeOf(() => decode(bytes.slice(0, Math.floor(share * bytes.length))))).toMatch(/^DATA_/);
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it('bytes changed anywhere: read, or a CondenseError', () => {
    const edits = fc.array(
      fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.integer({ min: 0, max: 255 })),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(file, edits, ({ bytes, decode }, changes) => {
        const damaged = bytes.slice();
        for (const [share, value] of changes) damaged[Math.floor(share * damaged.length)] = value;
        const code = codeOf(() => decode(damaged));
        if (code !== undefined) expect(code).toMatch(/^DATA_/);
      }),
      { numRuns: 3000, seed: 2 },
    );
  });

  it('anything at all after the magic bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (tail) => {
        const code = codeOf(() =>
          decodeNpy(Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), tail]), 'a.npy'),
        );
        expect(code).toMatch(/^DATA_/);
      }),
      { numRuns: 500, seed: 3 },
    );
  });
});
