/** Behaviour of the operators that mix channels linearly with a constant weight: consumers of one axis map, producers of another. */
import { floatAttribute, intAttribute } from '../graph/attributes.js';
import type { Node } from '../graph/ir.js';
import type { ConstantHolder } from '../graph/uses.js';
import { product } from './attention.js';
import type { Behaviour } from './behaviours.js';
import { refusal, type Refusal } from './refusal.js';
import { label, type Tracker } from './tracker.js';
import { FIXED, type BiasPlace, type Consumer } from './types.js';

export const WEIGHT_TYPES = new Set(['float32', 'float64', 'float16']);

/** Gemm: Y = alpha·A'·B' + beta·C, with B the weight. */
export const gemm: Behaviour = (node, tracker) => {
  const [a = '', b = '', c = ''] = node.inputs;
  const weight = usableWeight(node, b, tracker);
  if ('code' in weight) {
    refuse(node, weight, tracker);
    return;
  }
  const transposed = intAttribute(node, 'transB', 0) !== 0;
  const [rows, cols] = weight.tensor.dims as [number, number];
  const outputs = transposed ? rows : cols;
  const beta = floatAttribute(node, 'beta', 1);
  const scale = floatAttribute(node, 'alpha', 1);
  // Where beta is 0 nothing that stands in the bias's place reaches the output.
  let bias: BiasPlace =
    beta === 0
      ? { kind: 'none' }
      : { kind: 'extend', name: tracker.freeName(`${weight.name}_condensed_bias`), scale: beta };
  let problem =
    scale === 0
      ? refusal('OPERATOR_MIXES', [label(node)], 'alpha is 0: the weight has no part in the output')
      : undefined;
  const constant = tracker.constant(c);
  if (c !== '') {
    const dims = constant?.tensor.dims;
    const vector =
      dims !== undefined && dims.slice(0, -1).every((d) => d === 1) && [1, outputs].includes(dims.at(-1) ?? 1);
    if (constant === undefined || !vector)
      problem ??= refusal('OPERATOR_MIXES', [label(node)], 'Gemm adds something other than a bias vector');
    else if (beta !== 0) bias = { kind: 'holder', holder: constant.name, scale: beta };
    if (constant !== undefined && tracker.constantUseCount(constant.name) > 1) {
      problem ??= refusal('WEIGHT_SHARED', [label(node)], 'the bias is used at more than one place');
    }
  }
  if (problem !== undefined) {
    refuse(node, problem, tracker);
    return;
  }
  const featureAxis = intAttribute(node, 'transA', 0) !== 0 ? 0 : 1;
  consume(
    node,
    {
      input: a,
      featureAxis,
      rank: 2,
      weight: weight.name,
      featureWeightAxis: transposed ? 1 : 0,
      outputWeightAxis: transposed ? 0 : 1,
      kernel: undefined,
      view: 'channels',
      scale,
      bias,
      output: node.outputs[0]!,
      outputAxis: 1,
    },
    tracker,
  );
  const channels = produce(node, weight, transposed ? 0 : 1, 1, tracker);
  if (constant !== undefined && outputs > 1 && (constant.tensor.dims.at(-1) ?? 1) === outputs) {
    tracker.cut({ holder: constant.name, axis: constant.tensor.dims.length - 1, channels, role: 'produce' });
  } else if (constant !== undefined) tracker.weakenHomogeneity(channels, 'none');
};

/** MatMul with a constant matrix on the right, for any rank of the left operand; without, a product of two activations. */
export const matmul: Behaviour = (node, tracker) => {
  const [a = '', b = ''] = node.inputs;
  if (tracker.isActivation(b)) {
    product(node, tracker);
    return;
  }
  const weight = usableWeight(node, b, tracker);
  const rank = tracker.shape(a)?.length;
  if ('code' in weight || rank === undefined || rank < 2) {
    refuse(node, 'code' in weight ? weight : refusal('SHAPE_UNKNOWN', [label(node)]), tracker);
    return;
  }
  const output = node.outputs[0]!;
  const bias = addedBias(output, weight.tensor.dims[1]!, tracker);
  const place = {
    input: a,
    featureAxis: rank - 1,
    rank,
    weight: weight.name,
    featureWeightAxis: 0,
    outputWeightAxis: 1,
    kernel: undefined,
    view: 'channels',
    scale: 1,
    bias,
    output,
    outputAxis: rank - 1,
  } as const;
  consume(node, place, tracker);
  produce(node, weight, 1, rank - 1, tracker);
};

function usableWeight(node: Node, value: string, tracker: Tracker): ConstantHolder | Refusal {
  const weight = usableConstant(node, value, tracker);
  return 'code' in weight || weight.tensor.dims.length === 2
    ? weight
    : refusal('OPERATOR_MIXES', [label(node)], 'the weight is not a matrix');
}

/** The constant weight of a node, if it can be rewritten for this node alone. */
export function usableConstant(node: Node, value: string, tracker: Tracker): ConstantHolder | Refusal {
  const weight = tracker.constant(value);
  if (weight === undefined)
    return refusal(isDequantized(value, tracker) ? 'QUANTIZED' : 'WEIGHT_NOT_CONSTANT', [label(node)]);
  if (!WEIGHT_TYPES.has(weight.tensor.dtype))
    return refusal('WEIGHT_TYPE', [label(node)], `the weight is of type ${weight.tensor.dtype}`);
  if (tracker.constantUseCount(weight.name) > 1) return refusal('WEIGHT_SHARED', [label(node)]);
  return weight;
}

/** Whether a value is made from quantised numbers that are constant. */
function isDequantized(value: string, tracker: Tracker): boolean {
  const maker = tracker.uses.producer(value)?.node;
  return maker?.opType === 'DequantizeLinear' && tracker.constant(maker.inputs[0] ?? '') !== undefined;
}

/** Matrix products and convolutions of quantised numbers, whose weights carry scales and zero points of their own. */
export const quantized: Behaviour = (node, tracker) => {
  refuse(node, refusal('QUANTIZED', [label(node)]), tracker);
};

/** The constant that the only reader of `output`, an Add, adds to it along the last axis. */
function addedBias(output: string, outputs: number, tracker: Tracker): BiasPlace {
  const [use, second] = tracker.uses.uses(output);
  if (use === undefined || second !== undefined || tracker.uses.isGraphOutput(output)) return { kind: 'none' };
  if (use.input < 0 || use.node.domain !== '' || use.node.opType !== 'Add') return { kind: 'none' };
  const constant = tracker.constant(use.node.inputs[1 - use.input] ?? '');
  const dims = constant?.tensor.dims;
  if (constant === undefined || dims === undefined || tracker.constantUseCount(constant.name) > 1)
    return { kind: 'none' };
  const rank = tracker.shape(output)?.length ?? 0;
  if (dims.length > rank || dims.at(-1) !== outputs || dims.slice(0, -1).some((d) => d !== 1)) return { kind: 'none' };
  return { kind: 'holder', holder: constant.name, scale: 1 };
}

/** Reports the node as left alone, and pins what it reads. */
export function refuse(node: Node, why: Refusal, tracker: Tracker): void {
  for (const value of node.inputs) tracker.pinValue(value, why);
  tracker.targets.push({ node, width: undefined, channels: undefined, spaces: [], refusal: why });
}

/** Notes the node as a reader of the channels along its feature axis. */
export function consume(node: Node, place: Omit<Consumer, 'node' | 'features'>, tracker: Tracker): void {
  const map = tracker.map(place.input);
  const { dims } = tracker.constant(place.weight)!.tensor;
  const asRows = map !== undefined && map.axis !== place.featureAxis;
  if (asRows)
    tracker.pin(map.channels, refusal('OPERATOR_MIXES', [label(node)], `${node.opType} uses the channels as rows`));
  if (map === undefined || asRows) {
    const features = new Int32Array(dims[place.featureWeightAxis]!).fill(FIXED);
    tracker.consumers.push({ node, ...place, features });
    return;
  }
  tracker.consumers.push({ node, ...place, features: map.channels });
  tracker.cut({
    holder: place.weight,
    axis: place.featureWeightAxis,
    channels: map.channels,
    role: 'consume',
  });
}

/** Notes the node as the maker of new channels. */
export function produce(
  node: Node,
  weight: ConstantHolder,
  weightAxis: number,
  outputAxis: number,
  tracker: Tracker,
): Int32Array {
  const width = weight.tensor.dims[weightAxis]!;
  const channels = tracker.newChannels(width);
  tracker.cut({ holder: weight.name, axis: weightAxis, channels, role: 'produce' });
  tracker.setMap(node.outputs[0]!, outputAxis, channels);
  tracker.targets.push({ node, width, channels, spaces: [], refusal: undefined });
  return channels;
}
