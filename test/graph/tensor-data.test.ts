import { describe, expect, it } from 'vitest';
import {
  floatTensor,
  fromTypedArray,
  int64Tensor,
  memoryStorage,
  toFloat32,
  toFloat64,
  toIntegers,
} from '../../src/graph/tensor-data.js';
import type { Tensor } from '../../src/graph/tensor.js';

const values = [0, 1, -2.5, 1e-3, 65504];

describe('floating-point tensors', () => {
  it.each([
    ['float64', values],
    ['float32', values.map(Math.fround)],
    ['float16', [0, 1, -2.5, 0.0010004043579101562, 65504]],
    ['bfloat16', [0, 1, -2.5, 0.00099945068359375, 65536]],
  ] as const)('%s rounds to nearest and reads back as float64 and float32', (dtype, expected) => {
    const tensor = floatTensor('t', [5], dtype, values);
    expect([...toFloat64(tensor)]).toEqual(expected);
    expect([...toFloat32(tensor)]).toEqual(expected.map(Math.fround));
  });

  it('reads a view at an odd offset', () => {
    const bytes = new Uint8Array(21);
    bytes.set(floatTensor('t', [5], 'float32', values).storage.bytes(), 1);
    const tensor: Tensor = { name: 't', dtype: 'float32', dims: [5], storage: memoryStorage(bytes.subarray(1)) };
    expect([...toFloat32(tensor)]).toEqual(values.map(Math.fround));
  });

  it('gives a copy, so that writing to it leaves the tensor alone', () => {
    const tensor = floatTensor('t', [5], 'float32', values);
    toFloat32(tensor).fill(7);
    expect(toFloat32(tensor)[1]).toBe(1);
  });

  it('refuses a wrong number of values or bytes', () => {
    expect(() => floatTensor('t', [2, 2], 'float32', [1])).toThrow('1 values for the shape [2, 2]');
    const short: Tensor = { name: 't', dtype: 'float32', dims: [2], storage: memoryStorage(new Uint8Array(7)) };
    expect(() => toFloat32(short)).toThrow('8 bytes expected, 7 found');
  });
});

describe('integer tensors', () => {
  it('reads int64, uint8 and bool', () => {
    expect(toIntegers(int64Tensor('t', [3], [1, -2, 2 ** 40]))).toEqual([1, -2, 2 ** 40]);
    expect(toIntegers(fromTypedArray('t', [2], 'uint8', Uint8Array.of(3, 255)))).toEqual([3, 255]);
    expect(toIntegers(fromTypedArray('t', [2], 'bool', Uint8Array.of(0, 1)))).toEqual([0, 1]);
  });

  it('reads the ends of int64, as Slice has them, as the ends of the safe range', () => {
    const ends = fromTypedArray('t', [2], 'int64', BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)));
    expect(toIntegers(ends)).toEqual([Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER]);
  });

  it('refuses other integers that a number cannot hold, floats and strings', () => {
    expect(() => toIntegers(fromTypedArray('t', [1], 'int64', BigInt64Array.of(2n ** 53n)))).toThrow(
      '9007199254740992',
    );
    expect(() => toIntegers(floatTensor('t', [1], 'float32', [1]))).toThrow('float32 cannot be read as integers');
    const text: Tensor = { name: 't', dtype: 'string', dims: [1], storage: memoryStorage(new Uint8Array(0)) };
    expect(() => toFloat64(text)).toThrow('string cannot be read as numbers');
  });
});
