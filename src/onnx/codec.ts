import { createHash } from 'node:crypto';
import path from 'node:path';
import { CondenseError, raise } from '../diagnostics/diagnostic.js';
import { modelFileEmpty, modelMalformed, modelTooLarge } from '../diagnostics/onnx.js';
import type { Model, ModelSource } from '../graph/ir.js';
import { decodeModelMessage } from './decode.js';
import { messageChunks, messageLength } from './emit.js';
import { encodeModelMessage } from './encode.js';
import { ExternalFolder } from './external-folder.js';
import { Message, WireError } from './wire.js';

/** The most bytes that a protobuf message may have. */
export const PROTOBUF_LIMIT = 2 ** 31 - 1;

/** Where decoded bytes come from. */
export interface DecodeOptions {
  /** The file, for messages and for the model's `source`. */
  readonly path?: string;
  /** The folder that external data locations are relative to; that of `path` if left out. */
  readonly folder?: string;
  /** SHA-256 of the bytes in lower-case hex where it is known already; it is computed otherwise. */
  readonly sha256?: string;
}

/**
 * A model from the bytes of an .onnx file. Tensors are views on `bytes`, which must not change afterwards; external data is checked now
 * and read when asked for.
 * @throws CondenseError (model invalid) when the bytes are no ONNX model or its external data is missing, out of range or out of bounds.
 */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  if (bytes.byteLength === 0) return raise(modelFileEmpty(options.path));
  const folder = options.folder ?? (options.path === undefined ? undefined : path.dirname(options.path));
  const external = new ExternalFolder(folder);
  try {
    const model = decodeModelMessage(Message.parse('ModelProto', bytes), { path: options.path, external });
    return options.path === undefined
      ? model
      : { ...model, source: makeSource(bytes, options.path, options.sha256, external) };
  } catch (error) {
    if (error instanceof CondenseError || !(error instanceof WireError)) throw error;
    return raise(modelMalformed(options.path, error.message), error);
  }
}

function makeSource(
  bytes: Uint8Array,
  file: string,
  sha256: string | undefined,
  external: ExternalFolder,
): ModelSource {
  return {
    path: file,
    byteLength: bytes.byteLength,
    sha256: sha256 ?? createHash('sha256').update(bytes).digest('hex'),
    externalFiles: external.locations,
  };
}

/**
 * The bytes of a model, as chunks in order. Large tensors pass through as views; what was not edited since it was read keeps its bytes,
 * and an untouched model gives back the very bytes of its file. References to external data stay as they are.
 * @throws CondenseError when the model is larger than a protobuf message may be: write it with external data then.
 */
export function encodeModel(model: Model): Uint8Array[] {
  const message = encodeModelMessage(model);
  if (messageLength(message) > PROTOBUF_LIMIT) raise(modelTooLarge(messageLength(message)));
  return [...messageChunks(message)];
}
