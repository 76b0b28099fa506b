import type { DataType } from '../graph/tensor.js';
import { DataType as OnnxType } from './generated/schema.js';

/** The fields of TensorProto that may hold elements in place of raw_data. */
export type TypedField = 'float_data' | 'int32_data' | 'int64_data' | 'uint64_data' | 'double_data' | 'string_data';

interface ElementType {
  readonly onnx: number;
  readonly dtype: DataType;
  /** Bits per element; undefined for strings. */
  readonly bits: number | undefined;
  readonly field: TypedField;
}

function other(onnx: number, bits: number, field: TypedField = 'int32_data'): ElementType {
  return { onnx, dtype: `other:${onnx}`, bits, field };
}

/** Every element type of ONNX: its number, name, size and typed field. */
const ELEMENT_TYPES: readonly ElementType[] = [
  { onnx: OnnxType.FLOAT, dtype: 'float32', bits: 32, field: 'float_data' },
  { onnx: OnnxType.UINT8, dtype: 'uint8', bits: 8, field: 'int32_data' },
  { onnx: OnnxType.INT8, dtype: 'int8', bits: 8, field: 'int32_data' },
  { onnx: OnnxType.UINT16, dtype: 'uint16', bits: 16, field: 'int32_data' },
  { onnx: OnnxType.INT16, dtype: 'int16', bits: 16, field: 'int32_data' },
  { onnx: OnnxType.INT32, dtype: 'int32', bits: 32, field: 'int32_data' },
  { onnx: OnnxType.INT64, dtype: 'int64', bits: 64, field: 'int64_data' },
  { onnx: OnnxType.STRING, dtype: 'string', bits: undefined, field: 'string_data' },
  { onnx: OnnxType.BOOL, dtype: 'bool', bits: 8, field: 'int32_data' },
  { onnx: OnnxType.FLOAT16, dtype: 'float16', bits: 16, field: 'int32_data' },
  { onnx: OnnxType.DOUBLE, dtype: 'float64', bits: 64, field: 'double_data' },
  { onnx: OnnxType.UINT32, dtype: 'uint32', bits: 32, field: 'uint64_data' },
  { onnx: OnnxType.UINT64, dtype: 'uint64', bits: 64, field: 'uint64_data' },
  { onnx: OnnxType.BFLOAT16, dtype: 'bfloat16', bits: 16, field: 'int32_data' },
  other(OnnxType.COMPLEX64, 64, 'float_data'),
  other(OnnxType.COMPLEX128, 128, 'double_data'),
  other(OnnxType.FLOAT8E4M3FN, 8),
  other(OnnxType.FLOAT8E4M3FNUZ, 8),
  other(OnnxType.FLOAT8E5M2, 8),
  other(OnnxType.FLOAT8E5M2FNUZ, 8),
  other(OnnxType.FLOAT8E8M0, 8),
  other(OnnxType.UINT4, 4),
  other(OnnxType.INT4, 4),
  other(OnnxType.FLOAT4E2M1, 4),
  other(OnnxType.UINT2, 2),
  other(OnnxType.INT2, 2),
];

const byNumber = new Map(ELEMENT_TYPES.map((t) => [t.onnx, t]));
const byName = new Map(ELEMENT_TYPES.map((t) => [t.dtype, t]));

/** What is known of an element type; undefined for numbers newer than the schema. */
export function elementType(dtype: DataType): ElementType | undefined {
  return byName.get(dtype);
}

/** The name of an ONNX element type number. */
export function dataTypeOf(onnx: number): DataType {
  return byNumber.get(onnx)?.dtype ?? `other:${onnx}`;
}

/** The ONNX number of an element type. */
export function onnxTypeOf(dtype: DataType): number {
  return byName.get(dtype)?.onnx ?? Number(dtype.slice('other:'.length));
}
