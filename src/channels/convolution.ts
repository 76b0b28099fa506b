/** Convolutions in any number of dimensions: full ones consume and produce channels, depthwise ones carry them. */
import { intAttribute } from '../graph/attributes.js';
import type { Node } from '../graph/ir.js';
import { kernelGeometry } from '../graph/kernel.js';
import type { ConstantHolder } from '../graph/uses.js';
import type { Behaviour } from './behaviours.js';
import { consume, ownBias, produce, refuse, usableConstant, usedAsRows } from './linear.js';
import { refusal, type Refusal } from './refusal.js';
import { label, type Tracker } from './tracker.js';
import type { BiasPlace, Kernel } from './types.js';

/** Conv (weight [outputs, inputs / group, kernel…]) and ConvTranspose (weight [inputs, outputs / group, kernel…]). */
export const convolution: Behaviour = (node, tracker) => {
  const [x = '', w = '', b = ''] = node.inputs;
  const weight = usableConstant(node, w, tracker);
  if ('code' in weight) {
    refuse(node, weight, tracker);
    return;
  }
  const { dims } = weight.tensor;
  const kernel = kernelOf(node, dims.slice(2), tracker);
  const bias = biasOf(node, b, weight, tracker);
  const problem = kernel === undefined ? refusal('SHAPE_UNKNOWN', [label(node)]) : 'code' in bias ? bias : undefined;
  if (problem !== undefined || kernel === undefined || 'code' in bias) {
    refuse(node, problem ?? refusal('SHAPE_UNKNOWN', [label(node)]), tracker);
    return;
  }
  const group = intAttribute(node, 'group', 1);
  if (group === 1) {
    const [outputWeightAxis, featureWeightAxis] = kernel.transposed ? [1, 0] : [0, 1];
    const place = { featureAxis: 1, rank: dims.length, outputAxis: 1, scale: 1, view: 'channels' } as const;
    const names = { input: x, weight: weight.name, output: node.outputs[0]! };
    consume(node, { ...place, ...names, featureWeightAxis, outputWeightAxis, kernel, bias }, tracker);
    const channels = produce(node, weight, outputWeightAxis, 1, tracker);
    cutBias(b, channels, tracker);
    return;
  }
  if (dims[kernel.transposed ? 0 : 1] === (kernel.transposed ? group : 1)) {
    depthwise(node, weight, bias, group, kernel, tracker);
    return;
  }
  refuse(node, refusal('GROUPED', [label(node)]), tracker);
};

/** A group for each channel: the channels pass one by one, each to as many outputs as the multiplier says. */
function depthwise(
  node: Node,
  weight: ConstantHolder,
  bias: BiasPlace,
  group: number,
  kernel: Kernel,
  tracker: Tracker,
): void {
  const map = tracker.map(node.inputs[0] ?? '');
  const { dims } = weight.tensor;
  const width = kernel.transposed ? dims[1]! * group : dims[0]!;
  const multiplier = width / group;
  if (map === undefined || map.axis !== 1 || (kernel.transposed && multiplier !== 1)) {
    const why =
      map === undefined
        ? refusal(
            'COUPLED_TO_FIXED',
            [label(node)],
            'a depthwise convolution keeps the channels of its input, which stay',
          )
        : usedAsRows(node, map.axis, kernel);
    refuse(node, why, tracker);
    return;
  }
  const channels = Int32Array.from({ length: width }, (_, i) => map.channels[Math.floor(i / multiplier)]!);
  tracker.cut({ holder: weight.name, axis: 0, channels, role: 'factor' });
  cutBias(node.inputs[2] ?? '', channels, tracker);
  const output = node.outputs[0]!;
  tracker.shapeEntries.push({
    place: { kind: 'attribute', output, attribute: 'group', entry: 0 },
    channels: map.channels,
  });
  // Near a padded border a constant channel is no longer the same everywhere.
  if (kernel.transposed || [...kernel.padsBegin, ...kernel.padsEnd].some((p) => p > 0)) tracker.markUneven(channels);
  tracker.setMap(output, 1, channels);
  tracker.targets.push({ node, width, channels, spaces: [], refusal: undefined });
}

/** The geometry of a convolution; undefined where the shapes are not known. */
function kernelOf(node: Node, shape: readonly number[], tracker: Tracker): Kernel | undefined {
  const input = tracker.shape(node.inputs[0] ?? '')?.slice(2);
  const output = tracker.shape(node.outputs[0] ?? '')?.slice(2);
  if (input?.length !== shape.length || output?.length !== shape.length) return undefined;
  const transposed = node.opType === 'ConvTranspose';
  const geometry = kernelGeometry(node, shape, transposed ? output : input, transposed ? input : output);
  return { ...geometry, transposed, input, output };
}

function cutBias(value: string, channels: Int32Array, tracker: Tracker): void {
  const bias = tracker.constant(value);
  if (bias !== undefined) tracker.cut({ holder: bias.name, axis: 0, channels, role: 'produce' });
}

function biasOf(node: Node, value: string, weight: ConstantHolder, tracker: Tracker): BiasPlace | Refusal {
  if (value === '') return { kind: 'extend', name: tracker.freeName(`${weight.name}_condensed_bias`), scale: 1 };
  const constant = tracker.constant(value);
  if (constant === undefined) return refusal('COUPLED_TO_FIXED', [label(node)], 'the bias is computed at run time');
  return ownBias(constant.name, 1, tracker);
}
