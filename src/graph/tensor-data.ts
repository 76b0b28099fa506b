import { integerUnsafe, tensorDataMismatch, tensorTypeUnsupported } from '../diagnostics/onnx.js';
import { raise } from '../diagnostics/diagnostic.js';
import { bfloat16ToNumber, float16ToNumber, numberToBfloat16, numberToFloat16 } from './float16.js';
import { elementCount, type DataType, type Tensor, type TensorStorage } from './tensor.js';

type TypedArray =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigInt64Array
  | BigUint64Array;

interface TypedArrayConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): TypedArray;
}

/** How the elements of each numeric type lie in memory; float16 and bfloat16 as bit patterns. */
const LAYOUT: Readonly<Partial<Record<DataType, TypedArrayConstructor>>> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

/** Bytes of one element; undefined for strings and for types that this package does not compute with. */
export function elementSize(dtype: DataType): number | undefined {
  return LAYOUT[dtype]?.BYTES_PER_ELEMENT;
}

/** Storage over bytes in memory; the bytes are not copied and must not be written to afterwards. */
export function memoryStorage(bytes: Uint8Array): TensorStorage {
  return { byteLength: bytes.byteLength, bytes: () => bytes };
}

/**
 * The elements in a fresh typed array of the tensor's own type (float16 and bfloat16 as bit patterns in a Uint16Array, bool as a
 * Uint8Array). It is a copy, so the caller may write to it, and views at odd offsets are no trouble.
 * @throws CondenseError for strings and types without such an array, and when the number of bytes does not fit the shape.
 */
export function toTypedArray(tensor: Tensor): TypedArray {
  const layout = LAYOUT[tensor.dtype];
  if (layout === undefined) raise(tensorTypeUnsupported(tensor.name, tensor.dtype, 'numbers'));
  const bytes = tensor.storage.bytes();
  const expected = elementCount(tensor.dims) * layout.BYTES_PER_ELEMENT;
  if (bytes.byteLength !== expected) {
    raise(tensorDataMismatch(tensor.name, `${expected} bytes expected, ${bytes.byteLength} found`));
  }
  const buffer = new ArrayBuffer(expected);
  new Uint8Array(buffer).set(bytes);
  return new layout(buffer);
}

/**
 * The elements as float64, row-major, in a fresh array. Takes every numeric type; bool gives 0 and 1, 64-bit integers round.
 * @throws CondenseError as {@link toTypedArray}.
 */
export function toFloat64(tensor: Tensor): Float64Array {
  const data = toTypedArray(tensor);
  if (data instanceof Float64Array) return data;
  const out = new Float64Array(data.length);
  fill(out, data, tensor.dtype);
  return out;
}

/**
 * The elements as float32, row-major, in a fresh array; float64 and integers round to nearest.
 * @throws CondenseError as {@link toTypedArray}.
 */
export function toFloat32(tensor: Tensor): Float32Array {
  const data = toTypedArray(tensor);
  if (data instanceof Float32Array) return data;
  const out = new Float32Array(data.length);
  fill(out, data, tensor.dtype);
  return out;
}

function fill(out: Float32Array | Float64Array, data: TypedArray, dtype: DataType): void {
  if (dtype === 'float16') for (let i = 0; i < out.length; i++) out[i] = float16ToNumber(data[i] as number);
  else if (dtype === 'bfloat16') for (let i = 0; i < out.length; i++) out[i] = bfloat16ToNumber(data[i] as number);
  else for (let i = 0; i < out.length; i++) out[i] = Number(data[i]);
}

const INT64_MAX = 2n ** 63n - 1n;

/**
 * The elements of an integer or bool tensor as numbers. The ends of the int64 range, which exporters write for "to the end" (Slice),
 * become ±Number.MAX_SAFE_INTEGER.
 * @throws CondenseError when the type is no integer type, or another value is not exactly representable.
 */
export function toIntegers(tensor: Tensor): number[] {
  const { dtype } = tensor;
  if (dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16') {
    raise(tensorTypeUnsupported(tensor.name, dtype, 'integers'));
  }
  const data = toTypedArray(tensor);
  return Array.from<number | bigint, number>(data as ArrayLike<number | bigint>, (value) => {
    if (typeof value === 'number') return value;
    if (value === INT64_MAX) return Number.MAX_SAFE_INTEGER;
    if (value === -INT64_MAX || value === -INT64_MAX - 1n) return -Number.MAX_SAFE_INTEGER;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : raise(integerUnsafe(tensor.name, value));
  });
}

/**
 * A new floating-point tensor. Values are rounded to nearest, ties to even.
 * @throws Error when the number of values is not the product of `dims`: a bug of the caller.
 */
export function floatTensor(
  name: string,
  dims: readonly number[],
  dtype: 'float32' | 'float64' | 'float16' | 'bfloat16',
  values: ArrayLike<number>,
): Tensor {
  checkCount(name, dims, values);
  let data: Float32Array | Float64Array | Uint16Array;
  if (dtype === 'float32') data = new Float32Array(values);
  else if (dtype === 'float64') data = new Float64Array(values);
  else data = Uint16Array.from(values, dtype === 'float16' ? numberToFloat16 : numberToBfloat16);
  return fromTypedArray(name, dims, dtype, data);
}

/**
 * A new int64 tensor.
 * @throws Error when the count does not fit `dims`, RangeError when a value is no integer.
 */
export function int64Tensor(name: string, dims: readonly number[], values: ArrayLike<number>): Tensor {
  checkCount(name, dims, values);
  return fromTypedArray(
    name,
    dims,
    'int64',
    BigInt64Array.from(Array.from(values), (v) => BigInt(v)),
  );
}

/** A new tensor of whole numbers, int32 or int64. */
export function integerTensor(
  name: string,
  dims: readonly number[],
  dtype: DataType,
  values: ArrayLike<number>,
): Tensor {
  if (dtype !== 'int32') return int64Tensor(name, dims, values);
  checkCount(name, dims, values);
  return fromTypedArray(name, dims, 'int32', Int32Array.from(values));
}

/** A new tensor over the memory of a typed array, which must not be written to afterwards. */
export function fromTypedArray(name: string, dims: readonly number[], dtype: DataType, data: TypedArray): Tensor {
  checkCount(name, dims, data);
  return {
    name,
    dtype,
    dims: [...dims],
    storage: memoryStorage(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  };
}

function checkCount(name: string, dims: readonly number[], values: { readonly length: number }): void {
  if (elementCount(dims) !== values.length) {
    throw new Error(`tensor '${name}': ${values.length} values for the shape [${dims.join(', ')}]`);
  }
}
