import type { ElementArray } from '../graph/feeds.js';
import { float16ToNumber, numberToFloat16 } from '../graph/float16.js';
import type { DataType } from '../graph/tensor.js';

/**
 * Elements in another type, where that is what the user must mean: between floating-point types, and from a narrower to a wider integer.
 * @returns undefined for any other pair: integers are no floats, and images want their preprocessing.
 */
export function convertElements(data: ElementArray, from: DataType, to: DataType): ElementArray | undefined {
  if (Array.isArray(data)) return undefined;
  const floats = ['float16', 'float32', 'float64'];
  if (floats.includes(from) && floats.includes(to)) {
    const values =
      from === 'float16'
        ? Float64Array.from(data as Uint16Array, float16ToNumber)
        : (data as Float32Array | Float64Array);
    if (to === 'float32') return Float32Array.from(values);
    if (to === 'float64') return Float64Array.from(values);
    return Uint16Array.from(values, numberToFloat16);
  }
  if (
    to === 'int64' &&
    (data instanceof Int32Array ||
      data instanceof Int16Array ||
      data instanceof Int8Array ||
      data instanceof Uint8Array)
  ) {
    return BigInt64Array.from(Array.from(data, BigInt));
  }
  if (to === 'int32' && (data instanceof Int16Array || data instanceof Int8Array || data instanceof Uint8Array))
    return Int32Array.from(data);
  return undefined;
}
