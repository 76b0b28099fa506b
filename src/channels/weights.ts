import { replaceConstant } from '../graph/edit.js';
import type { Graph, Model } from '../graph/ir.js';
import { elementCount, type Tensor } from '../graph/tensor.js';
import { floatTensor, toFloat64 } from '../graph/tensor-data.js';
import { constantAt, UseIndex } from '../graph/uses.js';
import type { Matrix } from '../linalg/matrix.js';
import type { Consumer } from './types.js';

type FloatType = 'float32' | 'float64' | 'float16';

/** What a consumer computes, y = W x + (bias): W is outputs × features with the node's own scale applied. */
export function readWeight(model: Model, consumer: Consumer): Matrix {
  const tensor = held(model.graph, consumer.weight);
  const [first, second] = tensor.dims as [number, number];
  const values = toFloat64(tensor);
  const outputs = consumer.layout === 'outputs-first' ? first : second;
  const features = consumer.layout === 'outputs-first' ? second : first;
  const data = new Float64Array(outputs * features);
  for (let o = 0; o < outputs; o++) {
    for (let f = 0; f < features; f++) {
      data[o * features + f] = consumer.scale * values[consumer.layout === 'outputs-first' ? o * features + f : f * outputs + o]!;
    }
  }
  return { rows: outputs, cols: features, data };
}

/** Writes W (outputs × features, the node's scale still in it) back in the layout and type of the stored weight. */
export function writeWeight(model: Model, consumer: Consumer, weight: Matrix): void {
  const old = held(model.graph, consumer.weight);
  const { rows: outputs, cols: features, data } = weight;
  const values = new Float64Array(data.length);
  for (let o = 0; o < outputs; o++) {
    for (let f = 0; f < features; f++) {
      values[consumer.layout === 'outputs-first' ? o * features + f : f * outputs + o] = data[o * features + f]! / consumer.scale;
    }
  }
  const dims = consumer.layout === 'outputs-first' ? [outputs, features] : [features, outputs];
  replaceConstant(model.graph, consumer.weight, floatTensor(old.name, dims, old.dtype as FloatType, values));
}

/** The constant term that the consumer adds to its outputs: one number for each. Zeros where it has none. */
export function readBias(model: Model, consumer: Consumer, outputs: number): Float64Array {
  const bias = new Float64Array(outputs);
  if (consumer.bias.kind !== 'holder') return bias;
  const values = toFloat64(held(model.graph, consumer.bias.holder));
  const { scale } = consumer.bias;
  return bias.map((_, i) => scale * values[values.length === 1 ? 0 : i]!);
}

/**
 * Adds `delta` (one number for each output) to the consumer's constant term. A Gemm without one is given a bias under a name made from
 * its weight's.
 * @throws Error when the consumer has no place for a constant: a bug of the caller.
 */
export function addToBias(model: Model, consumer: Consumer, delta: Float64Array): void {
  if (delta.every((d) => d === 0)) return;
  const { bias } = consumer;
  if (bias.kind === 'none') throw new Error(`node '${consumer.node.name}' has no constant term`);
  if (bias.kind === 'extend') {
    const dtype = held(model.graph, consumer.weight).dtype as FloatType;
    const name = extendedBiasName(consumer);
    const node = model.graph.nodes.find((n) => n.outputs[0] === consumer.output)!;
    const existing = model.graph.initializers.get(name);
    if (existing !== undefined) {
      const sum = toFloat64(existing).map((v, i) => v + delta[i]!);
      replaceConstant(model.graph, name, floatTensor(name, [delta.length], dtype, sum));
      return;
    }
    node.inputs[2] = name;
    model.graph.initializers.set(name, floatTensor(name, [delta.length], dtype, delta));
    return;
  }
  const old = held(model.graph, bias.holder);
  const values = toFloat64(old);
  const sum = delta.map((d, i) => values[values.length === 1 ? 0 : i]! + d / bias.scale);
  // A scalar bias grows into a vector; a vector keeps its leading ones.
  const dims = elementCount(old.dims) === delta.length && old.dims.length > 0 ? old.dims : [...old.dims.slice(0, -1), delta.length];
  replaceConstant(model.graph, bias.holder, floatTensor(old.name, dims, old.dtype as FloatType, sum));
}

/** Name of the bias that a Gemm without one is given. */
export function extendedBiasName(consumer: Consumer): string {
  return `${consumer.weight}_condensed_bias`;
}

/** The tensor held under a holder's name. */
export function held(graph: Graph, holder: string): Tensor {
  const direct = graph.initializers.get(holder);
  if (direct !== undefined) return direct;
  const found = constantAt(new UseIndex(graph), holder);
  if (found === undefined) throw new Error(`no constant is held under '${holder}'`);
  return found.tensor;
}
