import protobuf from 'protobufjs/light.js';
import { raise } from '../diagnostics/diagnostic.js';
import { tensorDataMismatch } from '../diagnostics/onnx.js';
import { memoryStorage } from '../graph/tensor-data.js';
import { elementCount, type DataType, type TensorStorage } from '../graph/tensor.js';
import { dataTypeOf, elementType, type TypedField } from './element-types.js';
import type { ExternalFolder } from './external-folder.js';
import { DataLocation } from './generated/schema.js';
import { payload, WireType, type Field, type Message } from './wire.js';

/** A TensorProto's facts and where its bytes are. */
export interface TensorContent {
  readonly name: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly storage: TensorStorage;
}

/** Every field of a TensorProto that holds its elements or says where they are. */
export const TENSOR_DATA_FIELDS = [
  ...(['raw_data', 'float_data', 'int32_data', 'string_data', 'int64_data', 'double_data', 'uint64_data'] as const),
  ...(['segment', 'external_data', 'data_location'] as const),
] as const;

/** Whether a TensorProto keeps its data in another file. */
export function isExternal(tensor: Message<'TensorProto'>): boolean {
  return tensor.integer('data_location') === DataLocation.EXTERNAL;
}

/**
 * Reads a TensorProto. Whatever form the data has, `storage.bytes()` gives it little-endian and row-major: raw_data, float_data and
 * double_data as views, integers from varint fields when asked for, external data from its file when asked for.
 * @throws CondenseError when the number of bytes does not fit shape and type, or external data is not where it may be.
 */
export function readTensor(tensor: Message<'TensorProto'>, external: ExternalFolder): TensorContent {
  const name = tensor.string('name');
  const dims = tensor.integers('dims');
  const dtype = dataTypeOf(tensor.integer('data_type'));
  if (dims.some((d) => d < 0))
    raise(tensorDataMismatch(name, `the shape [${dims.join(', ')}] has a negative dimension`));
  const bits = elementType(dtype)?.bits;
  const expected = bits === undefined ? undefined : Math.ceil((elementCount(dims) * bits) / 8);
  const storage = findStorage(tensor, name, dtype, expected, external);
  if (expected !== undefined && storage.byteLength !== expected) {
    raise(
      tensorDataMismatch(name, `${dtype}[${dims.join(', ')}] needs ${expected} bytes, ${storage.byteLength} are there`),
    );
  }
  return { name, dtype, dims, storage };
}

function findStorage(
  tensor: Message<'TensorProto'>,
  name: string,
  dtype: DataType,
  expected: number | undefined,
  external: ExternalFolder,
): TensorStorage {
  if (isExternal(tensor)) {
    const entries = tensor.messages('external_data', 'StringStringEntryProto');
    return external.range(name, new Map(entries.map((e) => [e.string('key'), e.string('value')])), expected);
  }
  const raw = tensor.all('raw_data').at(-1);
  if (raw !== undefined) return raw.kind === 'data' ? raw.data : memoryStorage(tensor.byteStrings('raw_data').at(-1)!);
  const type = elementType(dtype);
  if (type === undefined) return memoryStorage(new Uint8Array(0));
  const fields = tensor.all(type.field);
  switch (type.field) {
    case 'float_data':
    case 'double_data':
      return fixedStorage(fields);
    case 'string_data':
      return stringStorage(name);
    default:
      // Checked against the shape when it is decoded: counting varints here would mean reading all of them.
      return new VarintStorage(
        name,
        fields,
        type.field,
        Math.max(1, type.bits! / 8),
        fields.length === 0 ? 0 : expected!,
      );
  }
}

/** float_data and double_data: packed or not, the payload on the wire is the raw little-endian form already. */
function fixedStorage(fields: readonly Field[]): TensorStorage {
  const parts = fields.filter((f) => f.kind === 'encoded').map(payload);
  if (parts.length === 1) return memoryStorage(parts[0]!);
  return { byteLength: parts.reduce((sum, p) => sum + p.byteLength, 0), bytes: () => Buffer.concat(parts) };
}

/** Strings have no fixed size and hence no raw form; they are only ever written back as they are. */
function stringStorage(name: string): TensorStorage {
  return {
    byteLength: 0,
    bytes: () => {
      throw new Error(`the string tensor '${name}' has no raw bytes`);
    },
  };
}

/** Integers (and float16 bit patterns) that are stored as varints. Decoded anew for each call: they are small or asked for once. */
class VarintStorage implements TensorStorage {
  /** @param size bytes per varint in the raw form; sub-byte types hold a packed byte in each */
  constructor(
    private readonly name: string,
    private readonly fields: readonly Field[],
    private readonly fieldName: TypedField,
    private readonly size: number,
    readonly byteLength: number,
  ) {}

  bytes(): Uint8Array {
    const out = new DataView(new ArrayBuffer(this.byteLength));
    let at = 0;
    for (const { low, high } of this.values()) {
      if (at + this.size > this.byteLength) this.refuse('too many values');
      // The low bytes of each varint, whatever its sign: two's complement makes them the same for signed and unsigned types.
      if (this.size === 1) out.setUint8(at, low & 0xff);
      else if (this.size === 2) out.setUint16(at, low & 0xffff, true);
      else out.setUint32(at, low >>> 0, true);
      if (this.size === 8) out.setUint32(at + 4, high >>> 0, true);
      at += this.size;
    }
    if (at < this.byteLength) this.refuse('too few values');
    return new Uint8Array(out.buffer);
  }

  private *values(): Generator<{ low: number; high: number }> {
    for (const field of this.fields) {
      if (field.kind !== 'encoded' || (field.wireType !== WireType.Varint && field.wireType !== WireType.Bytes)) {
        return this.refuse('values of the wrong wire type');
      }
      const bytes = payload(field);
      const reader = new protobuf.Reader(bytes);
      while (reader.pos < bytes.length) yield this.next(reader);
    }
    return undefined;
  }

  private next(reader: protobuf.Reader): { low: number; high: number } {
    try {
      return reader.int64();
    } catch (error) {
      return raise(tensorDataMismatch(this.name, `${this.fieldName} is cut short`), error);
    }
  }

  private refuse(what: string): never {
    raise(tensorDataMismatch(this.name, `${this.fieldName} holds ${what}`));
  }
}
