import { CondenseError, raise } from '../diagnostics/diagnostic.js';
import { modelMalformed } from '../diagnostics/onnx.js';
import type { Tensor } from '../graph/tensor.js';
import { ExternalFolder } from './external-folder.js';
import { readTensor } from './tensor-storage.js';
import { Message, WireError } from './wire.js';

/**
 * A tensor from the bytes of a TensorProto file, as test data sets hold them (`input_0.pb`).
 * @throws CondenseError when the bytes are no TensorProto.
 */
export function decodeTensor(bytes: Uint8Array, file: string): Tensor {
  try {
    return readTensor(Message.parse('TensorProto', bytes), new ExternalFolder(undefined));
  } catch (error) {
    if (error instanceof CondenseError || !(error instanceof WireError)) throw error;
    return raise(modelMalformed(file, error.message), error);
  }
}
