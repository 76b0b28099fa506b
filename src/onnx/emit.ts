// From messages to bytes: small parts are gathered, large tensors pass through as views or are read from their file piece by piece.
import protobuf from 'protobufjs/light.js';
import type { TensorStorage } from '../graph/tensor.js';
import { FileRange } from './file-range.js';
import { WireType, type AnyMessage, type Field } from './wire.js';

/** Views from this size on are passed through; smaller ones are copied together, so that a file is not written in crumbs. */
const PASS_THROUGH = 1 << 16;

const lengths = new WeakMap<AnyMessage, number>();

/** Encoded size of a message in bytes. */
export function messageLength(message: AnyMessage): number {
  let length = lengths.get(message);
  if (length === undefined) {
    length = 0;
    for (const field of message.fields) length += fieldLength(field);
    lengths.set(message, length);
  }
  return length;
}

function fieldLength(field: Field): number {
  if (field.kind === 'encoded') return field.bytes.byteLength;
  const inner = field.kind === 'message' ? messageLength(field.message) : field.data.byteLength;
  return lengthPrefix(field.id, inner).byteLength + inner;
}

function lengthPrefix(id: number, length: number): Uint8Array {
  return protobuf.Writer.create()
    .uint32(((id << 3) | WireType.Bytes) >>> 0)
    .uint32(length)
    .finish();
}

/** The bytes of a message in order, as chunks that are made when they are asked for. */
export function* messageChunks(message: AnyMessage): Generator<Uint8Array> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for (const part of messageParts(message)) {
    const last = pending.at(-1);
    if (last?.buffer === part.buffer && last.byteOffset + last.byteLength === part.byteOffset) {
      // Neighbours in the file become one view again: an untouched stretch costs nothing, however many fields it has.
      pending[pending.length - 1] = new Uint8Array(part.buffer, last.byteOffset, last.byteLength + part.byteLength);
    } else {
      if (pendingBytes >= PASS_THROUGH) {
        yield* gather(pending);
        pending = [];
        pendingBytes = 0;
      }
      pending.push(part);
    }
    pendingBytes += part.byteLength;
  }
  yield* gather(pending);
}

/** Joins runs of small parts; large ones stay views. */
function* gather(parts: readonly Uint8Array[]): Generator<Uint8Array> {
  let small: Uint8Array[] = [];
  for (const part of parts) {
    if (part.byteLength < PASS_THROUGH) {
      small.push(part);
      continue;
    }
    if (small.length > 0) yield concatenate(small);
    small = [];
    yield part;
  }
  if (small.length > 0) yield concatenate(small);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

function* messageParts(message: AnyMessage): Generator<Uint8Array> {
  for (const field of message.fields) {
    if (field.kind === 'encoded') {
      yield field.bytes;
    } else if (field.kind === 'message') {
      yield lengthPrefix(field.id, messageLength(field.message));
      yield* messageParts(field.message);
    } else {
      yield lengthPrefix(field.id, field.data.byteLength);
      yield* storagePieces(field.data);
    }
  }
}

/** The bytes of a tensor, in pieces of a few MiB where they come from a file. */
export function* storagePieces(storage: TensorStorage): Generator<Uint8Array> {
  if (storage instanceof FileRange) yield* storage.pieces();
  else yield storage.bytes();
}
