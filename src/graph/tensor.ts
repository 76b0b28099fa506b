/** Element types, by the names of NumPy where NumPy has them. `other:<n>` keeps ONNX type numbers that this package does not compute with. */
export type DataType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'bool'
  | 'string'
  | `other:${number}`;

/** Bytes of a tensor, little-endian and row-major, wherever they live: in memory, or in a range of a file that is read when asked for. */
export interface TensorStorage {
  readonly byteLength: number;
  /** The bytes. A view where they are in memory (never written to by the caller), read from disk otherwise. */
  bytes(): Uint8Array;
}

/**
 * A constant of the graph. Immutable: a rewrite makes a new tensor under the same name.
 * `origin` is the file layer's own handle for the tensor as it was read: what equals it is written back unchanged, what differs is replaced.
 */
export interface Tensor {
  readonly name: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly storage: TensorStorage;
  readonly origin?: unknown;
}

/** Number of elements; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, d) => product * d, 1);
}

const FLOATS: ReadonlySet<DataType> = new Set(['float32', 'float64', 'float16', 'bfloat16']);

/** Whether the elements are floating-point numbers. */
export function isFloat(dtype: DataType | undefined): boolean {
  return dtype !== undefined && FLOATS.has(dtype);
}
