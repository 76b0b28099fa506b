import { CondenseError, raise, type Diagnostic } from '../diagnostics/diagnostic.js';
import type { Tensor } from '../graph/tensor.js';
import { ExternalFolder } from './external-folder.js';
import { readTensor } from './tensor-storage.js';
import { Message, WireError } from './wire.js';

/**
 * A tensor from the bytes of a TensorProto file, as test data sets hold them (`input_0.pb`).
 * @throws CondenseError that `malformed` words when the bytes are no TensorProto.
 */
export function decodeTensor(bytes: Uint8Array, malformed: (reason: string) => Diagnostic): Tensor {
  try {
    return readTensor(Message.parse('TensorProto', bytes), new ExternalFolder(undefined));
  } catch (error) {
    if (error instanceof CondenseError || !(error instanceof WireError)) throw error;
    return raise(malformed(error.message), error);
  }
}
