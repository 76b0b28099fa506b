/**
 * What an operator does with the channels of its inputs, as small functions that the operator table puts together. Each reads the maps of the
 * node's inputs, and writes the maps of its outputs, the cuts of its constants, and pins for what it cannot follow.
 */
import { intAttribute, intsAttribute } from '../graph/attributes.js';
import type { Node } from '../graph/ir.js';
import { elementCount } from '../graph/tensor.js';
import { adopt } from './adopt.js';
import { carryThroughReshape, divideByReshape } from './reshape.js';
import { refusal, type Refusal } from './refusal.js';
import { settleAttribute, settleLength, settleNumbers } from './shape-places.js';
import { label, type AxisMap, type Tracker } from './tracker.js';
import { FIXED, type Homogeneity } from './types.js';

export type Behaviour = (node: Node, tracker: Tracker) => void;

/** Channels pass from the first input to every output one by one; the other inputs are parameters without channels. */
export function carry(homogeneity: Homogeneity): Behaviour {
  return (node, tracker) => {
    const map = tracker.map(node.inputs[0] ?? '');
    node.inputs.slice(1).forEach((value) => {
      tracker.pinValue(value, mixes(node));
    });
    if (map === undefined) return;
    tracker.weakenHomogeneity(map.channels, homogeneity);
    for (const output of node.outputs) if (output !== '') tracker.setMap(output, map.axis, map.channels);
  };
}

/** Cast: lets a factor through between floating-point types; whole numbers and truth values do not scale. */
export const cast: Behaviour = (node, tracker) => {
  carry(FLOAT_CODES.has(intAttribute(node, 'to', 1)) ? 'any' : 'none')(node, tracker);
};

/** ONNX type numbers of float32, float16, float64 and bfloat16. */
const FLOAT_CODES: ReadonlySet<number> = new Set([1, 10, 11, 16]);

/** What a binary or variadic elementwise operator does to a channel that is scaled: with a constant, and with another activation. */
export interface ElementwiseTraits {
  readonly perChannelConstant: { readonly role: 'produce' | 'factor'; readonly homogeneity: Homogeneity };
  readonly scalarConstant: Homogeneity;
  readonly activations: Homogeneity;
}

/** Broadcasting elementwise operator: couples the activations it combines; constants along the channel axis are cut with it. */
export function couple(traits: ElementwiseTraits): Behaviour {
  return (node, tracker) => {
    const values = node.inputs.filter((name) => name !== '');
    const mapped = values.flatMap((value) => {
      const map = tracker.map(value);
      return map === undefined ? [] : [{ value, map }];
    });
    if (mapped.length === 0) return;
    const shapes = values.map((value) => tracker.shape(value));
    if (shapes.some((s) => s === undefined)) {
      for (const { map } of mapped) tracker.pin(map.channels, refusal('SHAPE_UNKNOWN', [label(node)]));
      return;
    }
    const fromRight = (value: string, axis: number): number => tracker.shape(value)!.length - axis;
    const lead = mapped[0]!;
    const position = fromRight(lead.value, lead.map.axis);
    const { channels } = lead.map;
    if (
      mapped.some(
        ({ value, map }) => fromRight(value, map.axis) !== position || map.channels.length !== channels.length,
      )
    ) {
      for (const { map } of mapped) tracker.pin(map.channels, mixes(node));
      return;
    }
    const lengths = shapes.map((shape) => lengthAlong(shape!, shape!.length - position));
    if (lengths.some((length) => length !== 1 && length !== channels.length)) {
      // A single channel is repeated along its axis.
      for (const { map } of mapped) tracker.pin(map.channels, mixes(node));
      return;
    }
    values.forEach((value, i) => {
      const shape = shapes[i]!;
      const axis = shape.length - position;
      const map = tracker.map(value);
      if (map !== undefined) {
        tracker.tie(channels, map.channels, node);
        if (value !== lead.value || i !== values.indexOf(value))
          tracker.weakenHomogeneity(channels, traits.activations);
        return;
      }
      const along = lengths[i]!;
      const constant = tracker.constant(value);
      if (constant === undefined || elementCount(shape) > along) tracker.markUneven(channels);
      if (constant !== undefined) {
        if (along === 1) tracker.weakenHomogeneity(channels, traits.scalarConstant);
        else {
          tracker.cut({ holder: constant.name, axis, channels, role: traits.perChannelConstant.role });
          tracker.weakenHomogeneity(channels, traits.perChannelConstant.homogeneity);
        }
      } else if (along === 1) tracker.weakenHomogeneity(channels, traits.scalarConstant);
      else if (adopt(value, axis, channels, tracker)) {
        // It was made of what is added to the channels: it acts like one more of their activations.
        tracker.weakenHomogeneity(channels, traits.activations);
      } else
        tracker.pin(
          channels,
          refusal('COUPLED_TO_FIXED', [label(node)], `'${value}' is combined with the channels and cannot be cut`),
        );
    });
    const rank = Math.max(...shapes.map((s) => s!.length));
    tracker.setMap(node.outputs[0]!, rank - position, channels);
  };
}

/** Length of an operand along the axis that holds the channels; 1 where broadcasting adds the axis. */
function lengthAlong(shape: readonly number[], axis: number): number {
  return axis < 0 ? 1 : shape[axis]!;
}

/** Input 0 carries channels on axis 1; the inputs listed are per-channel parameter vectors (BatchNormalization and the like). */
export function perChannelParameters(inputs: readonly number[], homogeneity: Homogeneity): Behaviour {
  const through = carry(homogeneity);
  return (node, tracker) => {
    const map = tracker.map(node.inputs[0] ?? '');
    if (map === undefined) return;
    if (map.axis !== 1) {
      tracker.pin(map.channels, mixes(node));
      return;
    }
    for (const i of inputs) {
      const value = node.inputs[i] ?? '';
      if (value === '') continue;
      const constant = tracker.constant(value);
      if (constant === undefined) {
        const message = `the parameters of ${node.opType} are computed at run time`;
        tracker.pin(map.channels, refusal('COUPLED_TO_FIXED', [label(node)], message));
      } else tracker.cut({ holder: constant.name, axis: 0, channels: map.channels, role: 'factor' });
    }
    through({ ...node, inputs: [node.inputs[0]!] }, tracker);
  };
}

/** Reshape, Flatten, Squeeze, Unsqueeze: channels are followed through the row-major order of the elements. */
export const reshape: Behaviour = (node, tracker) => {
  const value = node.inputs[0] ?? '';
  const output = node.outputs[0]!;
  const map = tracker.map(value);
  if (map === undefined) {
    if (node.opType === 'Reshape') settleNumbers(node, 1, tracker, () => undefined);
    return;
  }
  const from = tracker.shape(value);
  const to = tracker.shape(output);
  if (from === undefined || to === undefined) {
    tracker.pin(map.channels, refusal('SHAPE_UNKNOWN', [label(node)]));
    return;
  }
  const carried = carryThroughReshape(from, map, to) ?? divided(node, map, from, to, tracker);
  if (carried === undefined) {
    tracker.pin(map.channels, mixes(node));
    return;
  }
  if (node.opType === 'Reshape') followShape(node, map, carried, tracker);
  tracker.setMap(output, carried.axis, carried.channels);
};

/** Ties the channels that a reshape puts at the same position of its longest axis. */
function divided(
  node: Node,
  map: AxisMap,
  from: readonly number[],
  to: readonly number[],
  tracker: Tracker,
): AxisMap | undefined {
  const found = divideByReshape(from, map, to);
  if (found === undefined) return undefined;
  const { axis, positions } = found;
  const lead = new Int32Array(to[axis]!).fill(FIXED);
  positions.forEach((position, i) => {
    const channel = map.channels[i]!;
    if (i === positions.indexOf(position)) lead[position] = channel;
    else tracker.tie(lead.subarray(position, position + 1), Int32Array.of(channel), node);
  });
  return { axis, channels: lead };
}

/** Notes which entry of Reshape's shape has to change with the channels; pins them where that cannot be done. */
function followShape(node: Node, before: AxisMap, { axis, channels }: AxisMap, tracker: Tracker): void {
  // -1 adapts by itself, and 0 copies the length of the axis at the same place.
  const adapts = (n: number): boolean => n === -1 || (n === 0 && before.axis === axis);
  const attribute = intsAttribute(node, 'shape');
  if (attribute !== undefined) {
    if (!adapts(attribute[axis]!)) settleAttribute(node, 'shape', axis, { channels }, tracker);
    return;
  }
  settleLength(node, 1, axis, channels, tracker, adapts);
}

export const transpose: Behaviour = (node, tracker) => {
  const value = node.inputs[0] ?? '';
  const map = tracker.map(value);
  if (map === undefined) return;
  const rank = tracker.shape(value)?.length;
  if (rank === undefined) {
    tracker.pin(map.channels, refusal('SHAPE_UNKNOWN', [label(node)]));
    return;
  }
  const order = intsAttribute(node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  tracker.setMap(node.outputs[0]!, order.indexOf(map.axis), map.channels);
};

/** Concat: along the channel axis the maps stand one behind the other, along another axis they are tied. */
export const concat: Behaviour = (node, tracker) => {
  const maps = node.inputs.map((value) => tracker.map(value));
  const lead = maps.find((map) => map !== undefined);
  if (lead === undefined) return;
  const shapes = node.inputs.map((value) => tracker.shape(value));
  const rank = shapes[0]?.length;
  if (rank === undefined || shapes.some((s) => s === undefined)) {
    for (const map of maps) tracker.pin(map?.channels, refusal('SHAPE_UNKNOWN', [label(node)]));
    return;
  }
  const axis = (intAttribute(node, 'axis', 0) + rank) % rank;
  if (maps.some((map) => map !== undefined && map.axis !== lead.axis)) {
    for (const map of maps) tracker.pin(map?.channels, mixes(node));
    return;
  }
  if (axis !== lead.axis) {
    maps.forEach((map, i) => {
      const value = node.inputs[i]!;
      if (map === undefined) {
        if (!adopt(value, lead.axis, lead.channels, tracker))
          tracker.pin(
            lead.channels,
            refusal('COUPLED_TO_FIXED', [label(node)], `'${value}' stands beside the channels and cannot be cut`),
          );
      } else tracker.tie(lead.channels, map.channels, node);
    });
    tracker.markUneven(lead.channels);
    tracker.setMap(node.outputs[0]!, lead.axis, lead.channels);
    return;
  }
  const joined: number[] = [];
  maps.forEach((map, i) => {
    if (map === undefined) joined.push(...new Array<number>(shapes[i]![axis]!).fill(FIXED));
    else joined.push(...map.channels);
  });
  tracker.setMap(node.outputs[0]!, axis, Int32Array.from(joined));
};

/** Reads the lengths of its input's axes alone. */
export const lengthsOnly: Behaviour = () => undefined;

/** Anything that is not followed: whatever channels the node reads have to stay. */
export const mix: Behaviour = (node, tracker) => {
  for (const value of node.inputs) tracker.pinValue(value, mixes(node));
};

/** The refusal of channels that an operator runs along, so that none of its results is what it was without one of them. */
export function computedFromAll(node: Node): Refusal {
  return refusal(
    'COMPUTED_FROM_ALL',
    [label(node)],
    `${node.opType} computes each of its results from all of the channels`,
  );
}

/** The refusal of an operator that is not followed. */
export function mixes(node: Node): Refusal {
  return refusal('OPERATOR_MIXES', [label(node)], `${node.opType} mixes, reorders or counts the channels`);
}
