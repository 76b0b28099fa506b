/** Operators that choose among the elements along an axis: ArgMax, ArgMin, TopK. Channels on another axis pass one by one. */
import { intAttribute } from '../graph/attributes.js';
import type { Node } from '../graph/ir.js';
import { carry, computedFromAll, type Behaviour } from './behaviours.js';
import { refusal } from './refusal.js';
import { label, type AxisMap, type Tracker } from './tracker.js';

export const topK: Behaviour = (node, tracker) => {
  const map = apartFrom(intAttribute(node, 'axis', -1), node, tracker);
  if (map !== undefined) carry('none')(node, tracker);
};

export const argMax: Behaviour = (node, tracker) => {
  const axis = intAttribute(node, 'axis', 0);
  const map = apartFrom(axis, node, tracker);
  if (map === undefined) return;
  const rank = tracker.shape(node.inputs[0]!)!.length;
  const gone = intAttribute(node, 'keepdims', 1) === 0 && (axis + rank) % rank < map.axis;
  tracker.weakenHomogeneity(map.channels, 'none');
  tracker.setMap(node.outputs[0]!, map.axis - (gone ? 1 : 0), map.channels);
};

/** The channels that the node reads, where they are on another axis than this; they are pinned where they are not. */
function apartFrom(axis: number, node: Node, tracker: Tracker): AxisMap | undefined {
  const value = node.inputs[0] ?? '';
  const map = tracker.map(value);
  if (map === undefined) return undefined;
  const rank = tracker.shape(value)?.length;
  // What is chosen differs from row to row and from position to position.
  tracker.markUneven(map.channels);
  if (rank !== undefined && (axis + rank) % rank !== map.axis) return map;
  tracker.pin(map.channels, rank === undefined ? refusal('SHAPE_UNKNOWN', [label(node)]) : computedFromAll(node));
  return undefined;
}
