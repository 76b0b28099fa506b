// A protobuf message as the list of its fields in wire order, one level at a time. Chosen over protobufjs's own decoder because it keeps
// the order and the encoding of everything that is not edited (packed or not, explicit defaults, unknown fields), never copies a tensor,
// and does not turn float_data into a JavaScript array of eight bytes per element.
// Wire format: https://protobuf.dev/programming-guides/encoding/
import protobuf from 'protobufjs/light.js';
import type { TensorStorage } from '../graph/tensor.js';
import { fieldId, type FieldName, type MessageName, type SubMessage } from './schema.js';

/** Wire types of protobuf. Groups (3 and 4) are carried along as unknown fields. */
export const WireType = { Varint: 0, Fixed64: 1, Bytes: 2, Fixed32: 5 } as const;

/** One field: as it was read, a message made in memory, or tensor data that is fetched when it is written. */
export type Field = EncodedField | MessageField | DataField;

export interface EncodedField {
  readonly kind: 'encoded';
  readonly id: number;
  readonly wireType: number;
  /** Tag, length and payload: a view on the file. */
  readonly bytes: Uint8Array;
  /** Where the payload starts in `bytes`. */
  readonly payloadAt: number;
}

export interface MessageField {
  readonly kind: 'message';
  readonly id: number;
  readonly message: AnyMessage;
}

export interface DataField {
  readonly kind: 'data';
  readonly id: number;
  readonly data: TensorStorage;
}

/** A message of whatever type. */
export interface AnyMessage {
  readonly type: MessageName;
  readonly fields: readonly Field[];
}

/** The bytes are not what the ONNX format allows; turned into a diagnostic where the file's name is known. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Payload of a field as it was read. */
export function payload(field: EncodedField): Uint8Array {
  return field.bytes.subarray(field.payloadAt);
}

/** A message: its type and its fields. Immutable. */
export class Message<M extends MessageName> implements AnyMessage {
  constructor(
    readonly type: M,
    readonly fields: readonly Field[],
  ) {}

  /**
   * Splits `bytes` into fields; nested messages are split when they are asked for.
   * @throws WireError when they are not a sequence of fields.
   */
  static parse<M extends MessageName>(type: M, bytes: Uint8Array): Message<M> {
    const fields: Field[] = [];
    const reader = new protobuf.Reader(bytes);
    try {
      while (reader.pos < bytes.length) {
        const start = reader.pos;
        const tag = reader.tag();
        const id = tag >>> 3;
        const wireType = tag & 7;
        let payloadAt = reader.pos - start;
        if (wireType === WireType.Bytes) {
          const length = reader.size();
          payloadAt = reader.pos - start;
          // skip(0) would read a varint.
          if (length > 0) reader.skip(length);
        } else {
          reader.skipType(wireType, 0, id);
        }
        fields.push({ kind: 'encoded', id, wireType, bytes: bytes.subarray(start, reader.pos), payloadAt });
      }
    } catch (error) {
      throw new WireError(`${type} is cut short or damaged`, { cause: error });
    }
    return new Message(type, fields);
  }

  /** All fields of that name, in wire order. */
  all(name: FieldName<M>): Field[] {
    const id = fieldId(this.type, name);
    return this.fields.filter((f) => f.id === id);
  }

  has(name: FieldName<M>): boolean {
    const id = fieldId(this.type, name);
    return this.fields.some((f) => f.id === id);
  }

  /** The nested message; protobuf lets the last one win. */
  message<K extends FieldName<M, MessageName>>(name: K, type: SubMessage<M, K>): Message<SubMessage<M, K>> | undefined {
    const field = this.all(name).at(-1);
    return field && openMessage(field, type);
  }

  /** All nested messages of that name. */
  messages<K extends FieldName<M, MessageName>>(name: K, type: SubMessage<M, K>): Message<SubMessage<M, K>>[] {
    return this.all(name).map((f) => openMessage(f, type));
  }

  /** A string, '' where it is missing. */
  string(name: FieldName<M, 'string'>): string {
    return this.strings(name).at(-1) ?? '';
  }

  strings(name: FieldName<M, 'string'>): string[] {
    return this.lengthDelimited(name).map(decodeText);
  }

  /** Payloads of all bytes fields of that name. */
  byteStrings(name: FieldName<M, 'bytes'>): Uint8Array[] {
    return this.lengthDelimited(name);
  }

  private lengthDelimited(name: FieldName<M>): Uint8Array[] {
    return this.all(name).map((f) => {
      if (f.kind === 'data') return f.data.bytes();
      if (f.kind === 'encoded' && f.wireType === WireType.Bytes) return payload(f);
      return wrongWireType(this.type, name);
    });
  }

  /** An integer (int32 or int64 as a number), 0 where it is missing. */
  integer(name: FieldName<M, 'int32' | 'int64'>): number {
    return this.integers(name).at(-1) ?? 0;
  }

  /** All integers of that name, packed or not. Beyond ±2^53 they round. */
  integers(name: FieldName<M, 'int32' | 'int64'>): number[] {
    return this.scalars(name, WireType.Varint, (reader) => longToNumber(reader.int64()));
  }

  /** A float, 0 where it is missing. */
  float(name: FieldName<M, 'float'>): number {
    return this.floats(name).at(-1) ?? 0;
  }

  /** All floats of that name, packed or not. */
  floats(name: FieldName<M, 'float'>): number[] {
    return this.scalars(name, WireType.Fixed32, (reader) => reader.float());
  }

  private scalars(name: FieldName<M>, wireType: number, read: (reader: protobuf.Reader) => number): number[] {
    const values: number[] = [];
    for (const field of this.all(name)) {
      if (field.kind !== 'encoded' || (field.wireType !== wireType && field.wireType !== WireType.Bytes)) {
        wrongWireType(this.type, name);
      }
      const bytes = payload(field);
      const reader = new protobuf.Reader(bytes);
      try {
        while (reader.pos < bytes.length) values.push(read(reader));
      } catch (error) {
        throw new WireError(`${name} of ${this.type} is cut short`, { cause: error });
      }
    }
    return values;
  }
}

/** The message in a field. */
export function openMessage<M extends MessageName>(field: Field, type: M): Message<M> {
  if (field.kind === 'message') return field.message as unknown as Message<M>;
  if (field.kind !== 'encoded' || field.wireType !== WireType.Bytes) wrongWireType(type, 'a nested message');
  return Message.parse(type, payload(field));
}

/** A 64-bit integer as the nearest number. */
export function longToNumber({ high, low }: { readonly high: number; readonly low: number }): number {
  return high * 2 ** 32 + (low >>> 0);
}

const utf8 = new TextDecoder();

/** UTF-8 bytes as text. */
export function decodeText(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

function wrongWireType(message: string, what: string): never {
  throw new WireError(`${what} of ${message} has the wrong wire type`);
}
