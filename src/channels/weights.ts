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
      data[o * features + f] =
        consumer.scale * values[consumer.layout === 'outputs-first' ? o * features + f : f * outputs + o]!;
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
      values[consumer.layout === 'outputs-first' ? o * features + f : f * outputs + o] =
        data[o * features + f]! / consumer.scale;
    }
  }
  const dims = consumer.layout === 'outputs-first' ? [outputs, features] : [features, outputs];
  replaceConstant(model.graph, consumer.weight, floatTensor(old.name, dims, old.dtype as FloatType, values));
}

/** The constant term that the consumer adds to its outputs: one number for each. Zeros where it has none. */
export function readBias(model: Model, consumer: Consumer, outputs: number): Float64Array {
  const zeros = new Float64Array(outputs);
  const { bias } = consumer;
  if (bias.kind === 'none') return zeros;
  const tensor = bias.kind === 'extend' ? model.graph.initializers.get(bias.name) : held(model.graph, bias.holder);
  if (tensor === undefined) return zeros;
  const values = toFloat64(tensor);
  return zeros.map((_, i) => bias.scale * values[values.length === 1 ? 0 : i]!);
}

/**
 * Adds `delta` (one number for each output) to the consumer's constant term. A Gemm without one is given a bias; a scalar one grows into a
 * vector.
 * @throws Error when the consumer has no place for a constant: a bug of the caller.
 */
export function addToBias(model: Model, consumer: Consumer, delta: Float64Array): void {
  if (delta.every((d) => d === 0)) return;
  const { bias } = consumer;
  if (bias.kind === 'none') throw new Error(`node '${consumer.node.name}' has no constant term`);
  if (bias.kind === 'extend') extendBias(model, consumer, bias.name, delta.length);
  const holder = bias.kind === 'extend' ? bias.name : bias.holder;
  const old = held(model.graph, holder);
  const values = toFloat64(old);
  const sum = delta.map((d, i) => values[values.length === 1 ? 0 : i]! + d / bias.scale);
  // A scalar bias grows into a vector; a vector keeps its leading ones.
  const dims =
    elementCount(old.dims) === delta.length && old.dims.length > 0
      ? old.dims
      : [...old.dims.slice(0, -1), delta.length];
  replaceConstant(model.graph, holder, floatTensor(old.name, dims, old.dtype as FloatType, sum));
}

/** Gives the consumer, a Gemm without a bias, one of zeros; nothing where it has been given one before. */
export function extendBias(model: Model, consumer: Consumer, name: string, outputs: number): void {
  const { graph } = model;
  if (graph.initializers.has(name)) return;
  const dtype = held(graph, consumer.weight).dtype as FloatType;
  graph.initializers.set(name, floatTensor(name, [outputs], dtype, new Float64Array(outputs)));
  graph.nodes.find((n) => n.outputs[0] === consumer.output)!.inputs[2] = name;
  // Before IR version 4 every initializer had to be a graph input as well.
  if (model.irVersion < 4) graph.inputs.push({ name, dtype, shape: [outputs] });
}

/** The tensor held under a holder's name. */
export function held(graph: Graph, holder: string): Tensor {
  const direct = graph.initializers.get(holder);
  if (direct !== undefined) return direct;
  const found = constantAt(new UseIndex(graph), holder);
  if (found === undefined) throw new Error(`no constant is held under '${holder}'`);
  return found.tensor;
}
