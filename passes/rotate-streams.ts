/**
 * Changes the basis of linear streams: x → Q x with Q orthogonal. What makes the stream is multiplied by Q, what reads it by Qᵀ, so every
 * output stays what it was, to rounding; afterwards the first k channels span the best subspace of dimension k.
 */
import { held } from '../src/channels/weights.js';
import { label } from '../src/channels/tracker.js';
import type { ChannelAnalysis, ChannelSpace } from '../src/channels/types.js';
import { cloneModel, replaceConstant } from '../src/graph/edit.js';
import { elementCount, type Tensor } from '../src/graph/tensor.js';
import { floatTensor, toFloat64 } from '../src/graph/tensor-data.js';
import type { Matrix } from '../src/linalg/matrix.js';
import type { Pass } from './pass.js';

/** A linear stream and its new basis: row i of Q is what channel i becomes, n × n over the space's channels. */
export interface Rotation {
  readonly space: ChannelSpace;
  readonly Q: Matrix;
}

export interface RotateContext {
  readonly analysis: ChannelAnalysis;
  readonly rotations: readonly Rotation[];
}

export const rotateStreams: Pass<RotateContext> = {
  name: 'rotate-streams',
  description: 'turn linear streams so that their leading channels span what their consumers use',
  requires: 'spaces that are linear streams (src/channels/linear-streams.ts) and orthogonal matrices',
  ensures: 'outputs equal to rounding; no shape, name or node changed',
  run(model, { analysis, rotations }) {
    if (rotations.length === 0) return { model, changed: false, notes: [] };
    const rotated = cloneModel(model);
    for (const { space, Q } of rotations) {
      for (const { holder, axis, channels } of analysis.cuts) {
        const positions = positionsOf(channels, space);
        if (positions === undefined) continue;
        replaceConstant(rotated.graph, holder, alongAxis(held(rotated.graph, holder), axis, positions, Q));
      }
    }
    return {
      model: rotated,
      changed: true,
      notes: rotations.map(({ space }) => space.producers.map(label).join(', ')),
    };
  },
};

/** Where each channel of the space stands on an axis; undefined where it does not. */
export function positionsOf(channels: Int32Array, space: ChannelSpace): Int32Array | undefined {
  const at = new Map<number, number>();
  channels.forEach((c, i) => at.set(c, i));
  const positions = space.channels.map((c) => at.get(c) ?? -1);
  return positions.every((p) => p >= 0) ? positions : undefined;
}

/** The tensor with Q applied along an axis, among the given positions. */
function alongAxis(tensor: Tensor, axis: number, positions: Int32Array, Q: Matrix): Tensor {
  const { dims } = tensor;
  const values = toFloat64(tensor);
  const result = Float64Array.from(values);
  const inner = elementCount(dims.slice(axis + 1));
  const outer = elementCount(dims.slice(0, axis));
  const length = dims[axis]!;
  for (let o = 0; o < outer; o++) {
    const base = o * length * inner;
    positions.forEach((to, i) => {
      const target = result.subarray(base + to * inner, base + (to + 1) * inner);
      target.fill(0);
      positions.forEach((from, j) => {
        const q = Q.data[i * Q.cols + j]!;
        const start = base + from * inner;
        for (let k = 0; k < inner; k++) target[k] = target[k]! + q * values[start + k]!;
      });
    });
  }
  return floatTensor(tensor.name, dims, tensor.dtype as 'float32' | 'float64' | 'float16', result);
}
