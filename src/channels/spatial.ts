/** Operators over space that treat channels alike: pooling, padding, resizing, normalisation of instances. */
import { intAttribute, intsAttribute } from '../graph/attributes.js';
import type { Node } from '../graph/ir.js';
import { toFloat64, toIntegers } from '../graph/tensor-data.js';
import type { Behaviour } from './behaviours.js';
import { refusal } from './refusal.js';
import { settleLength, settleNumbers } from './shape-places.js';
import { label, type Tracker } from './tracker.js';
import type { Homogeneity, NumberPlace } from './types.js';

/** Pools each channel of [N, C, …] over space. */
export function pool(homogeneity: Homogeneity): Behaviour {
  return (node, tracker) => {
    const map = tracker.map(node.inputs[0] ?? '');
    if (map === undefined) return;
    if (map.axis !== 1) {
      const window = intsAttribute(node, 'kernel_shape')?.[map.axis - 2];
      const code = (window ?? 1) > 1 ? 'SLIDING_WINDOW' : 'OPERATOR_MIXES';
      tracker.pin(map.channels, refusal(code, [label(node)], `${node.opType} runs over the axis of the channels`));
      return;
    }
    tracker.weakenHomogeneity(map.channels, homogeneity);
    // Zeros at the border enter the mean of a window, or are missing in its norm.
    const padded = intsAttribute(node, 'pads')?.some((p) => p > 0) === true || node.attributes.has('auto_pad');
    if (padded && (node.opType === 'LpPool' || intAttribute(node, 'count_include_pad', 0) !== 0))
      tracker.markUneven(map.channels);
    tracker.setMap(node.outputs[0]!, 1, map.channels);
    // The second output of MaxPool holds positions within the whole tensor: they would change with the channels.
    const indices = node.outputs[1] ?? '';
    if (indices !== '' && (tracker.uses.uses(indices).length > 0 || tracker.uses.isGraphOutput(indices)))
      tracker.pin(map.channels, refusal('OPERATOR_MIXES', [label(node)], 'the indices of MaxPool count the channels'));
  };
}

/** Pad: over space channels pass; new zero channels in front and behind may go together with those that they are added to. */
export const pad: Behaviour = (node, tracker) => {
  const value = node.inputs[0] ?? '';
  const map = tracker.map(value);
  if (map === undefined) return;
  const rank = tracker.shape(value)?.length;
  const output = node.outputs[0]!;
  const attribute = intsAttribute(node, 'pads') ?? intsAttribute(node, 'paddings');
  const constant = tracker.constant(node.inputs[1] ?? '');
  const pads = attribute ?? (constant === undefined ? undefined : toIntegers(constant.tensor));
  const axesConstant = tracker.constant(node.inputs[3] ?? '');
  const axes =
    axesConstant !== undefined
      ? toIntegers(axesConstant.tensor)
      : (node.inputs[3] ?? '') === '' && rank !== undefined
        ? Array.from({ length: rank }, (_, i) => i)
        : undefined;
  if (rank === undefined || pads === undefined || axes === undefined) {
    padUnknown(node, map.axis, map.channels, tracker);
    return;
  }
  const at = axes.findIndex((a) => (a + rank) % rank === map.axis);
  const [front, behind] = at < 0 ? [0, 0] : [pads[at]!, pads[axes.length + at]!];
  tracker.markUneven(map.channels);
  tracker.weakenHomogeneity(map.channels, isZero(node, tracker) ? 'any' : 'none');
  if (front === 0 && behind === 0) {
    tracker.setMap(output, map.axis, map.channels);
    return;
  }
  const mode = node.attributes.get('mode');
  if (front < 0 || behind < 0 || (mode?.type === 'string' && mode.value !== 'constant')) {
    tracker.pin(map.channels, refusal('OPERATOR_MIXES', [label(node)], 'Pad cuts or repeats channels'));
    return;
  }
  const [before, after] = [tracker.newChannels(front), tracker.newChannels(behind)];
  tracker.markUneven(before);
  tracker.markUneven(after);
  const place = (entry: number): NumberPlace =>
    attribute === undefined
      ? { kind: 'constant', output, input: 1, entry }
      : {
          kind: 'attribute',
          output,
          attribute: intsAttribute(node, 'pads') === undefined ? 'paddings' : 'pads',
          entry,
        };
  if (front > 0) tracker.shapeEntries.push({ place: place(at), channels: before });
  if (behind > 0) tracker.shapeEntries.push({ place: place(axes.length + at), channels: after });
  tracker.setMap(output, map.axis, Int32Array.from([...before, ...map.channels, ...after]));
};

/** Pads that are computed: over space, as the lengths of the channel axis before and behind say. */
function padUnknown(node: Node, axis: number, channels: Int32Array, tracker: Tracker): void {
  const after = tracker.shape(node.outputs[0]!)?.[axis];
  if (after === channels.length) {
    tracker.markUneven(channels);
    tracker.weakenHomogeneity(channels, 'none');
    tracker.setMap(node.outputs[0]!, axis, channels);
  } else tracker.pin(channels, refusal('SHAPE_NAMED', [label(node)]));
}

function isZero(node: Node, tracker: Tracker): boolean {
  const value = node.inputs[2] ?? '';
  if (value === '') return true;
  const constant = tracker.constant(value);
  return constant !== undefined && toFloat64(constant.tensor).every((v) => v === 0);
}

/** Resize and Upsample: channels pass where their own axis is not resized. */
export const resize: Behaviour = (node, tracker) => {
  const value = node.inputs[0] ?? '';
  const map = tracker.map(value);
  if (map === undefined) {
    settleNumbers(node, 3, tracker, () => undefined);
    return;
  }
  const output = node.outputs[0]!;
  const [rank, after] = [tracker.shape(value)?.length, tracker.shape(output)?.[map.axis]];
  if (rank === undefined || after !== map.channels.length) {
    tracker.pin(
      map.channels,
      refusal('OPERATOR_MIXES', [label(node)], `${node.opType} resizes the axis of the channels`),
    );
    return;
  }
  const axes = intsAttribute(node, 'axes') ?? Array.from({ length: rank }, (_, i) => i);
  const at = axes.findIndex((a) => (a + rank) % rank === map.axis);
  if (node.opType === 'Resize' && (node.inputs[3] ?? '') !== '' && at >= 0) {
    if (!settleLength(node, 3, at, map.channels, tracker)) return;
  } else settleNumbers(node, 3, tracker, () => undefined);
  const mode = node.attributes.get('coordinate_transformation_mode');
  if (mode?.type === 'string' && mode.value === 'tf_crop_and_resize') {
    // Beyond the map stands a constant of the node's own.
    tracker.markUneven(map.channels);
    tracker.weakenHomogeneity(map.channels, 'none');
  }
  tracker.setMap(output, map.axis, map.channels);
};
