import type { Tensor } from './tensor.js';
import { elementSize, memoryStorage } from './tensor-data.js';

/** The tensor with only some indices of one axis, in the order given. Bytes are copied as they are, whatever the element type. */
export function gatherAxis(tensor: Tensor, axis: number, indices: ArrayLike<number>): Tensor {
  const size = elementSize(tensor.dtype);
  if (size === undefined) throw new Error(`elements of type ${tensor.dtype} cannot be gathered`);
  const outer = product(tensor.dims.slice(0, axis));
  const length = tensor.dims[axis]!;
  const block = product(tensor.dims.slice(axis + 1)) * size;
  const from = tensor.storage.bytes();
  const to = new Uint8Array(outer * indices.length * block);
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < indices.length; i++) {
      const start = (o * length + indices[i]!) * block;
      to.set(from.subarray(start, start + block), at);
      at += block;
    }
  }
  const dims = tensor.dims.map((d, i) => (i === axis ? indices.length : d));
  return { name: tensor.name, dtype: tensor.dtype, dims, storage: memoryStorage(to) };
}

function product(dims: readonly number[]): number {
  return dims.reduce((a, b) => a * b, 1);
}
