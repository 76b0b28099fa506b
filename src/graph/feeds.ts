import type { DataType } from './tensor.js';

/** Element arrays as onnxruntime-node takes and returns them. float16 is a Uint16Array of bit patterns; bool a Uint8Array. */
export type ElementArray =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | string[];

/** A dense row-major array. */
export interface NumericArray {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly data: ElementArray;
}

/** One batch of values for the graph's inputs (or of its outputs), by name. */
export type Feeds = ReadonlyMap<string, NumericArray>;
