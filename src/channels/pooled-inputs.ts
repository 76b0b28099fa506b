/**
 * Consumers behind a mean over all positions of a map, as classifiers are behind global average pooling. A linear map commutes with the mean,
 *
 *     W mean_p(x_p) + b = mean_p(W x_p + b),
 *
 * so W may be judged and fitted position by position: a row of data then counts as many times as the map has positions, where a pooled row
 * counts once. Where rows are few for the features that decides how well a fit holds on others.
 */
import { intAttribute, intsAttribute } from '../graph/attributes.js';
import type { Model, Node } from '../graph/ir.js';
import { elementCount } from '../graph/tensor.js';
import { toIntegers } from '../graph/tensor-data.js';
import { constantAt, UseIndex } from '../graph/uses.js';
import type { KnownShapes } from './tracker.js';
import type { ChannelAnalysis, Consumer } from './types.js';
import { held } from './weights.js';

/** The consumers that read pooled positions, each with the form in which it reads the positions themselves. */
export function beforePooling(
  model: Model,
  analysis: ChannelAnalysis,
  shapes: KnownShapes,
): ReadonlyMap<Consumer, Consumer> {
  const index = new UseIndex(model.graph);
  const found = new Map<Consumer, Consumer>();
  for (const consumer of analysis.consumers) {
    // A kernel of more than one tap sees padding beside the pooled value.
    if (consumer.kernel !== undefined && elementCount(consumer.kernel.shape) > 1) continue;
    const source = pooledFrom(consumer.input, index, shapes);
    const dims = source === undefined ? undefined : shapes.get(source.value);
    if (source === undefined || dims === undefined || dims[source.axis] !== consumer.features.length) continue;
    // Positions are run through a convolution, which the runtime does not have in double.
    if (held(model.graph, consumer.weight).dtype === 'float64') continue;
    const positions = dims.filter((_, i) => i !== 0 && i !== source.axis);
    if (elementCount(positions) < 2) continue;
    found.set(consumer, {
      ...consumer,
      input: source.value,
      featureAxis: source.axis,
      rank: dims.length,
      kernel: undefined,
      view: 'channels',
      pooled: positions,
    });
  }
  return found;
}

/** The map whose positions a value is the mean of, and its channel axis; the value holds one number for each row and channel, in order. */
function pooledFrom(
  value: string,
  index: UseIndex,
  shapes: KnownShapes,
): { readonly value: string; readonly axis: number } | undefined {
  let name = value;
  for (;;) {
    const node = index.producer(name)?.node;
    if (node === undefined || node.domain !== '' || node.outputs[0] !== name) return undefined;
    const input = node.inputs[0] ?? '';
    if (RESHAPING.has(node.opType)) {
      // Only the first axis and the channels are longer than 1, on both sides: their order stays.
      if (!oneNumberPerChannel(shapes.get(name)) || !oneNumberPerChannel(shapes.get(input))) return undefined;
      name = input;
      continue;
    }
    const axis = channelAxis(node, shapes.get(input), index);
    return axis === undefined ? undefined : { value: input, axis };
  }
}

const RESHAPING: ReadonlySet<string> = new Set(['Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Identity', 'Dropout']);

/** [rows, channels] with any number of ones beside them. */
function oneNumberPerChannel(dims: readonly number[] | undefined): boolean {
  return dims !== undefined && dims.slice(1).filter((d) => d > 1).length <= 1;
}

/** The axis that a pooling node keeps beside the rows; undefined where it is no mean over all others. */
function channelAxis(node: Node, dims: readonly number[] | undefined, index: UseIndex): number | undefined {
  if (dims === undefined || dims.length < 3) return undefined;
  switch (node.opType) {
    case 'GlobalAveragePool':
      return 1;
    case 'AveragePool': {
      const kernel = intsAttribute(node, 'kernel_shape') ?? [];
      const padded = (intsAttribute(node, 'pads') ?? []).some((p) => p > 0);
      const whole = kernel.length === dims.length - 2 && kernel.every((k, i) => k === dims[i + 2]);
      return whole && !padded && !node.attributes.has('auto_pad') ? 1 : undefined;
    }
    case 'ReduceMean': {
      const constant = constantAt(index, node.inputs[1] ?? '');
      const axes = intsAttribute(node, 'axes') ?? (constant === undefined ? [] : toIntegers(constant.tensor));
      const reduced = new Set(axes.map((a) => (a + dims.length) % dims.length));
      const left = dims.map((_, i) => i).filter((i) => !reduced.has(i));
      return left.length === 2 && left[0] === 0 && intAttribute(node, 'noop_with_empty_axes', 0) === 0
        ? left[1]
        : undefined;
    }
    default:
      return undefined;
  }
}
