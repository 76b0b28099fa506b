import { createRequire } from 'node:module';

/** The part of onnx-proto 8 (ONNX 1.10) that the tests use; its own typings do not fit strict ESM. */
interface OnnxProto {
  onnx: {
    ModelProto: { decode(bytes: Uint8Array): { toJSON(): unknown }; encode(model: object): { finish(): Uint8Array } };
  };
}

/** A second reader and writer of model files, the one that users on Node have. */
export const { onnx } = createRequire(import.meta.url)('onnx-proto') as OnnxProto;
