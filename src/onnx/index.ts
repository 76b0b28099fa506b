// The file layer: the only folder that knows protobuf.
export { decodeModel, encodeModel, PROTOBUF_LIMIT, type DecodeOptions } from './codec.js';
export { readModel } from './read-model.js';
export {
  checkDataName,
  writeModel,
  type ExternalDataOptions,
  type WriteOptions,
  type WrittenModel,
} from './write-model.js';
export { decodeTensor } from './decode-tensor.js';
