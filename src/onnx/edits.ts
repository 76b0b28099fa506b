import protobuf from 'protobufjs/light.js';
import type { TensorStorage } from '../graph/tensor.js';
import { fieldId, type FieldName, type MessageName } from './schema.js';
import { Message, WireType, type AnyMessage, type EncodedField, type Field } from './wire.js';

/** Collects changes to one message; what is not mentioned keeps its fields as they stand. */
export class Edits<M extends MessageName> {
  private readonly replaced = new Map<number, readonly Field[]>();

  constructor(private readonly base: Message<M>) {}

  /** Sets a string; '' removes the field, as proto3 does. */
  string(name: FieldName<M, 'string'>, value: string): void {
    this.fields(name, value === '' ? [] : [this.text(name, value)]);
  }

  strings(name: FieldName<M, 'string' | 'bytes'>, values: readonly string[]): void {
    this.fields(
      name,
      values.map((value) => this.text(name, value)),
    );
  }

  /** Sets an integer, 0 included. */
  integer(name: FieldName<M, 'int32' | 'int64'>, value: number): void {
    this.scalar(name, WireType.Varint, (writer) => writer.int64(toLong(value)));
  }

  /** Sets a list of integers, packed. */
  integers(name: FieldName<M, 'int64'>, values: readonly number[]): void {
    this.packed(name, values, (writer, value) => writer.int64(toLong(value)));
  }

  /** Sets a float, 0 included. */
  float(name: FieldName<M, 'float'>, value: number): void {
    this.scalar(name, WireType.Fixed32, (writer) => writer.float(value));
  }

  /** Sets a list of floats, packed. */
  floats(name: FieldName<M, 'float'>, values: readonly number[]): void {
    this.packed(name, values, (writer, value) => writer.float(value));
  }

  /** Sets a nested message. */
  message(name: FieldName<M, MessageName>, message: AnyMessage): void {
    this.fields(name, [{ kind: 'message', id: this.id(name), message }]);
  }

  /** Sets bytes that may be large and are fetched when they are written. */
  data(name: FieldName<M, 'bytes'>, data: TensorStorage): void {
    this.fields(name, [{ kind: 'data', id: this.id(name), data }]);
  }

  /** Removes fields. */
  remove(...names: FieldName<M>[]): void {
    for (const name of names) this.fields(name, []);
  }

  /** Replaces all fields of that name; a list that equals the one that is there is no change. */
  fields(name: FieldName<M>, fields: readonly Field[]): void {
    const before = this.base.all(name);
    const same = before.length === fields.length && before.every((f, i) => f === fields[i]);
    if (same) this.replaced.delete(this.id(name));
    else this.replaced.set(this.id(name), fields);
  }

  /**
   * The message with the changes, or the very same object when there are none. Replacements take the place of the first field they
   * replace; new fields come before the first one with a higher number.
   */
  apply(): Message<M> {
    if (this.replaced.size === 0) return this.base;
    const fields: Field[] = [];
    const placed = new Set<number>();
    for (const field of this.base.fields) {
      const replacement = this.replaced.get(field.id);
      if (replacement === undefined) fields.push(field);
      else if (!placed.has(field.id)) fields.push(...replacement);
      placed.add(field.id);
    }
    for (const [id, replacement] of this.replaced) {
      if (placed.has(id)) continue;
      const next = fields.findIndex((f) => f.id > id);
      fields.splice(next === -1 ? fields.length : next, 0, ...replacement);
    }
    return new Message(this.base.type, fields);
  }

  private id(name: FieldName<M>): number {
    return fieldId(this.base.type, name);
  }

  private text(name: FieldName<M>, value: string): EncodedField {
    return this.encoded(name, WireType.Bytes, protobuf.Writer.create().string(value).finish());
  }

  private scalar(name: FieldName<M>, wireType: number, write: (writer: protobuf.Writer) => protobuf.Writer): void {
    this.fields(name, [this.encoded(name, wireType, write(protobuf.Writer.create()).finish())]);
  }

  private packed(
    name: FieldName<M>,
    values: readonly number[],
    write: (writer: protobuf.Writer, value: number) => protobuf.Writer,
  ): void {
    const writer = protobuf.Writer.create().fork();
    for (const value of values) write(writer, value);
    this.fields(name, values.length === 0 ? [] : [this.encoded(name, WireType.Bytes, writer.ldelim().finish())]);
  }

  /** A field from its tag and what follows the tag. */
  private encoded(name: FieldName<M>, wireType: number, body: Uint8Array): EncodedField {
    const tag = protobuf.Writer.create()
      .uint32(((this.id(name) << 3) | wireType) >>> 0)
      .finish();
    const bytes = Buffer.concat([tag, body]);
    const reader = new protobuf.Reader(bytes);
    reader.tag();
    if (wireType === WireType.Bytes) reader.size();
    return { kind: 'encoded', id: this.id(name), wireType, bytes, payloadAt: reader.pos };
  }
}

/** Saturates at the ends of int64: 2^63 - 1 itself reads as the number 2^63 and must not wrap round. */
function toLong(value: number): { low: number; high: number; unsigned: boolean } {
  const integer = BigInt(Math.trunc(value));
  const max = 2n ** 63n - 1n;
  const clamped = integer > max ? max : integer < -max - 1n ? -max - 1n : integer;
  return { low: Number(BigInt.asIntN(32, clamped)), high: Number(BigInt.asIntN(32, clamped >> 32n)), unsigned: false };
}
