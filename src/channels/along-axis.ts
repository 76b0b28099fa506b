/** Operators that work along an axis: reductions, Softmax, LayerNormalization. Channels on another axis pass one by one. */
import { intAttribute, intsAttribute } from '../graph/attributes.js';
import type { Node } from '../graph/ir.js';
import { toIntegers } from '../graph/tensor-data.js';
import { carry, computedFromAll, mixes, type Behaviour } from './behaviours.js';
import { normalizationAround, normalized } from './normalization.js';
import { refusal, type Refusal } from './refusal.js';
import { label, type Tracker } from './tracker.js';

/** Reductions that are linear: what they make of the channels could be made of fewer. */
const LINEAR_REDUCTIONS = new Set(['ReduceMean', 'ReduceSum']);

/** Reductions over axes that hold no channels carry them on (keepdims or not); over the channel axis they mix. */
export const reduce: Behaviour = (node, tracker) => {
  const value = node.inputs[0] ?? '';
  const map = tracker.map(value);
  if (map === undefined) return;
  const rank = tracker.shape(value)?.length;
  const fromInput = tracker.constant(node.inputs[1] ?? '');
  const axes = intsAttribute(node, 'axes') ?? (fromInput === undefined ? undefined : toIntegers(fromInput.tensor));
  if (rank === undefined || axes === undefined || axes.some((a) => (a + rank) % rank === map.axis)) {
    // Without axes it is all of them.
    const known = axes !== undefined || (node.inputs[1] ?? '') === '';
    const all = known && !LINEAR_REDUCTIONS.has(node.opType);
    tracker.pin(map.channels, normalizationAround(node, tracker) ?? (all ? computedFromAll(node) : mixes(node)));
    return;
  }
  const keep = intAttribute(node, 'keepdims', 1) !== 0;
  const before = axes.filter((a) => (a + rank) % rank < map.axis).length;
  tracker.weakenHomogeneity(map.channels, 'none');
  tracker.markUneven(map.channels);
  tracker.setMap(node.outputs[0]!, keep ? map.axis : map.axis - before, map.channels);
};

/** CumSum: along an axis without channels it is linear in each of them; along the channels each sum is made of several. */
export const cumulativeSum: Behaviour = (node, tracker) => {
  const value = node.inputs[0] ?? '';
  const map = tracker.map(value);
  if (map === undefined) return;
  const rank = tracker.shape(value)?.length;
  const given = tracker.constant(node.inputs[1] ?? '');
  const axis = given === undefined ? undefined : toIntegers(given.tensor)[0];
  if (rank === undefined || axis === undefined || (axis + rank) % rank === map.axis) {
    tracker.pin(map.channels, mixes(node));
    return;
  }
  // What was the same everywhere grows along the axis.
  tracker.markUneven(map.channels);
  carry('any')({ ...node, inputs: [value] }, tracker);
};

/** LayerNormalization and RMSNormalization: over the axes from `axis` on. Channels before that pass one by one. */
export const normalizeOver: Behaviour = (node, tracker) => {
  const value = node.inputs[0] ?? '';
  const map = tracker.map(value);
  if (map === undefined) return;
  const rank = tracker.shape(value)?.length;
  if (rank === undefined) {
    tracker.pin(map.channels, refusal('SHAPE_UNKNOWN', [label(node)]));
    return;
  }
  if (map.axis >= (intAttribute(node, 'axis', -1) + rank) % rank) {
    tracker.pin(map.channels, normalized(node, `the normalisation '${label(node)}' runs over the channels`));
    return;
  }
  tracker.markUneven(map.channels);
  carry('none')({ ...node, inputs: [value] }, tracker);
};

/** Softmax, LogSoftmax, Hardmax: channels pass one by one unless they are what it runs along. */
export const softmax: Behaviour = (node, tracker) => {
  const value = node.inputs[0] ?? '';
  const map = tracker.map(value);
  if (map === undefined) return;
  const rank = tracker.shape(value)?.length;
  const axis = intAttribute(node, 'axis', -1);
  tracker.markUneven(map.channels);
  // Before opset 13 these operators flattened everything behind the axis into one.
  const flattens = (tracker.model.opsets.get('') ?? 1) < 13;
  const apart = rank !== undefined && (flattens ? axis > map.axis : (axis + rank) % rank !== map.axis);
  if (apart) carry('none')(node, tracker);
  else tracker.pin(map.channels, scores(node, tracker) ?? computedFromAll(node));
};

/** Operators that only say how the elements are arranged. */
const ARRANGING = new Set(['Identity', 'Cast', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose']);

/** The refusal of class scores: what a Softmax makes is an output of the model. */
function scores(node: Node, tracker: Tracker): Refusal | undefined {
  const output = outputBehind(node.outputs[0]!, tracker);
  if (output === undefined) return undefined;
  const message = `the channels are an output of the model behind ${node.opType} '${label(node)}', and their number stays`;
  return refusal('GRAPH_OUTPUT', [output], message);
}

/** The output of the model that a value is, up to its arrangement. */
function outputBehind(value: string, tracker: Tracker): string | undefined {
  if (tracker.uses.isGraphOutput(value)) return value;
  for (const { node } of tracker.uses.uses(value)) {
    if (node.domain !== '' || !ARRANGING.has(node.opType) || node.inputs[0] !== value) continue;
    const found = outputBehind(node.outputs[0]!, tracker);
    if (found !== undefined) return found;
  }
  return undefined;
}
