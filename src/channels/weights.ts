import { addInitializer, replaceConstant } from '../graph/edit.js';
import type { Graph, Model } from '../graph/ir.js';
import { elementCount, type Tensor } from '../graph/tensor.js';
import { floatTensor, toFloat64 } from '../graph/tensor-data.js';
import { constantAt, UseIndex } from '../graph/uses.js';
import type { Matrix } from '../linalg/matrix.js';
import type { Consumer, WeightView } from './types.js';

type FloatType = 'float32' | 'float64' | 'float16';

/** Taps of a consumer's kernel; 1 for Gemm and MatMul. */
export function tapsOf({ kernel }: Consumer): number {
  return kernel === undefined ? 1 : elementCount(kernel.shape);
}

/** Number of outputs of a consumer. */
export function outputsOf(model: Model, { weight, outputWeightAxis }: Consumer): number {
  return held(model.graph, weight).dims[outputWeightAxis]!;
}

/** W of a consumer in its view (or another), with the node's own scale applied: y = W x + bias. */
export function readWeight(model: Model, consumer: Consumer, view: WeightView = consumer.view): Matrix {
  const tensor = held(model.graph, consumer.weight);
  const outputs = tensor.dims[consumer.outputWeightAxis]!;
  const features = tensor.dims[consumer.featureWeightAxis]!;
  const taps = tapsOf(consumer);
  const values = toFloat64(tensor);
  const [rows, cols] = view === 'channels' ? [outputs * taps, features] : [outputs, features * taps];
  const data = new Float64Array(rows * cols);
  const at = places(consumer, outputs, features, taps, view);
  for (let i = 0; i < data.length; i++) data[at(i)] = consumer.scale * values[i]!;
  return { rows, cols, data };
}

/** Numbers for each row of W as one number for each output: taps that are rows of their own are added up. */
export function perOutput(consumer: Consumer, values: Float64Array): Float64Array {
  const taps = consumer.view === 'channels' ? tapsOf(consumer) : 1;
  if (taps === 1) return values;
  const result = new Float64Array(values.length / taps);
  values.forEach((v, i) => (result[Math.floor(i / taps)]! += v));
  return result;
}

/** Writes W (the node's scale still in it) back in the layout and type of the stored weight. */
export function writeWeight(model: Model, consumer: Consumer, weight: Matrix, view: WeightView = consumer.view): void {
  const old = held(model.graph, consumer.weight);
  const taps = tapsOf(consumer);
  const [outputs, features] =
    view === 'channels' ? [weight.rows / taps, weight.cols] : [weight.rows, weight.cols / taps];
  const at = places(consumer, outputs, features, taps, view);
  const values = new Float64Array(weight.data.length);
  for (let i = 0; i < values.length; i++) values[i] = weight.data[at(i)]! / consumer.scale;
  const dims = [...old.dims];
  dims[consumer.outputWeightAxis] = outputs;
  dims[consumer.featureWeightAxis] = features;
  replaceConstant(model.graph, consumer.weight, floatTensor(old.name, dims, old.dtype as FloatType, values));
}

/** From the place of an element in the stored tensor to its place in the matrix. */
function places(
  { featureWeightAxis }: Consumer,
  outputs: number,
  features: number,
  taps: number,
  view: WeightView,
): (stored: number) => number {
  return (stored) => {
    const tap = stored % taps;
    const pair = Math.floor(stored / taps);
    const second = featureWeightAxis === 0 ? outputs : features;
    const [first, rest] = [Math.floor(pair / second), pair % second];
    const [o, f] = featureWeightAxis === 0 ? [rest, first] : [first, rest];
    return view === 'channels' ? (o * taps + tap) * features + f : (o * features + f) * taps + tap;
  };
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
  addInitializer(model, floatTensor(name, [outputs], dtype, new Float64Array(outputs)));
  graph.nodes.find((n) => n.outputs[0] === consumer.output)!.inputs[2] = name;
}

/** The tensor held under a holder's name. */
export function held(graph: Graph, holder: string): Tensor {
  const direct = graph.initializers.get(holder);
  if (direct !== undefined) return direct;
  const found = constantAt(new UseIndex(graph), holder);
  if (found === undefined) throw new Error(`no constant is held under '${holder}'`);
  return found.tensor;
}
