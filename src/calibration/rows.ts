import type { ElementArray, NumericArray } from '../graph/feeds.js';
import { elementCount } from '../graph/tensor.js';

/** The rows along an axis in the order given; neighbouring ones along axis 0 are a view. */
export function takeRows(array: NumericArray, axis: number, rows: ArrayLike<number>): NumericArray {
  const { dims, data, dtype } = array;
  const outDims = dims.map((d, i) => (i === axis ? rows.length : d));
  const block = elementCount(dims.slice(axis + 1));
  const source = data as Exclude<ElementArray, string[]>;
  const start = rows[0] ?? 0;
  if (axis === 0) {
    let contiguous = true;
    for (let i = 1; contiguous && i < rows.length; i++) contiguous = rows[i] === start + i;
    if (contiguous)
      return { dtype, dims: outDims, data: source.subarray(start * block, (start + rows.length) * block) };
  }
  const outer = elementCount(dims.slice(0, axis));
  const length = dims[axis]!;
  const result = emptyLike(source, outer * rows.length * block);
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < rows.length; i++, at += block) {
      const from = (o * length + rows[i]!) * block;
      result.set(source.subarray(from, from + block) as never, at);
    }
  }
  return { dtype, dims: outDims, data: result };
}

/** Arrays of one type, equal in all axes but `axis`, one behind the other along it. A single one is returned as it is. */
export function concatenate(parts: readonly NumericArray[], axis: number): NumericArray {
  const [first] = parts as [NumericArray, ...NumericArray[]];
  if (parts.length === 1) return first;
  const dims = first.dims.map((d, i) => (i === axis ? parts.reduce((sum, p) => sum + p.dims[axis]!, 0) : d));
  const result = emptyLike(first.data as Exclude<ElementArray, string[]>, elementCount(dims));
  const outer = elementCount(dims.slice(0, axis));
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const part of parts) {
      const size = elementCount(part.dims.slice(axis));
      const piece = (part.data as Exclude<ElementArray, string[]>).subarray(o * size, (o + 1) * size);
      result.set(piece as never, at);
      at += size;
    }
  }
  return { dtype: first.dtype, dims, data: result };
}

function emptyLike(array: Exclude<ElementArray, string[]>, length: number): Exclude<ElementArray, string[]> {
  const Constructor = array.constructor as new (length: number) => Exclude<ElementArray, string[]>;
  return new Constructor(length);
}
