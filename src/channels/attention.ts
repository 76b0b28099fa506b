/**
 * Products of two activations, as attention forms them: Z = A·B over the last two axes, with A [.., T, S] and B [.., S, d].
 *
 * Channels along a free axis (d of B, or T of A) pass one by one: Z_td = Σ_s A_ts B_sd has the same A for every d. So the values' channels
 * reach what reads the attended values. Channels along S, the axis that is summed over, meet those of the other operand: queries and keys
 * could only lose directions of both at once.
 */
import type { Node } from '../graph/ir.js';
import { refusal } from './refusal.js';
import { label, type AxisMap, type Tracker } from './tracker.js';

/** MatMul without a constant matrix on the right. */
export function product(node: Node, tracker: Tracker): void {
  const [a = '', b = ''] = node.inputs;
  const ranks = [tracker.shape(a)?.length ?? 0, tracker.shape(b)?.length ?? 0] as const;
  const [left, right] = [tracker.map(a), tracker.map(b)];
  if (Math.min(...ranks) < 2) {
    for (const map of [left, right]) tracker.pin(map?.channels, refusal('SHAPE_UNKNOWN', [label(node)]));
    report(node, undefined, tracker);
    return;
  }
  // Places are counted from the right, where the axes of the operands line up: 1 the last axis, 2 the one before, above 2 the batch.
  const [l, r] = [placeOf(left, ranks[0]), placeOf(right, ranks[1])];
  if (l === 1 || r === 2) {
    const names = leadsToSoftmax(node.outputs[0]!, tracker, STEPS_TO_SOFTMAX) ? 'queries and keys' : 'two activations';
    const message = `${names} meet in the product '${label(node)}', which sums over their channels`;
    const why = refusal('ATTENTION_QK', [label(node)], message);
    if (l === 1) tracker.pin(left!.channels, why);
    if (r === 2) tracker.pin(right!.channels, why);
  }
  const rank = Math.max(...ranks);
  const carried =
    (l ?? 0) > 2 || (r ?? 0) > 2
      ? alongBatch(node, { value: a, map: left, place: l }, { value: b, map: right, place: r }, tracker)
      : alongFreeAxis(node, l === 2 ? left : undefined, r === 1 ? right : undefined, tracker);
  if (carried !== undefined) {
    // Sums over rows differ from row to row.
    tracker.markUneven(carried.channels);
    tracker.setMap(node.outputs[0]!, rank - carried.place, carried.channels);
  }
  report(node, carried?.channels, tracker);
}

/** What may stand between the product of queries and keys and its Softmax: scales, masks, biases. */
const TO_SOFTMAX = new Set(['Mul', 'Div', 'Add', 'Sub', 'Where', 'Cast', 'Clip', 'Reshape', 'Transpose', 'Identity']);
const STEPS_TO_SOFTMAX = 6;

function leadsToSoftmax(value: string, tracker: Tracker, steps: number): boolean {
  return tracker.uses.uses(value).some(({ node }) => {
    if (node.opType === 'Softmax') return true;
    return steps > 1 && TO_SOFTMAX.has(node.opType) && leadsToSoftmax(node.outputs[0]!, tracker, steps - 1);
  });
}

interface Carried {
  readonly place: number;
  readonly channels: Int32Array;
}

interface Operand {
  readonly value: string;
  readonly map: AxisMap | undefined;
  readonly place: number | undefined;
}

/** One operand's free axis is followed; where both have channels there, they would span a plane, and the left ones stay. */
function alongFreeAxis(
  node: Node,
  rows: AxisMap | undefined,
  columns: AxisMap | undefined,
  tracker: Tracker,
): Carried | undefined {
  if (columns === undefined) return rows === undefined ? undefined : { place: 2, channels: rows.channels };
  const why = refusal('OPERATOR_MIXES', [label(node)], 'the product has channels along both of its axes');
  tracker.pin(rows?.channels, why);
  return { place: 1, channels: columns.channels };
}

/** Channels along a batch axis (whole heads): each is multiplied with its own part of the other operand, or all with the same. */
function alongBatch(node: Node, left: Operand, right: Operand, tracker: Tracker): Carried | undefined {
  const [lead, other] = (left.place ?? 0) > 2 ? [left, right] : [right, left];
  const place = lead.place!;
  const { channels } = lead.map!;
  const length = tracker.shape(other.value)!.at(-place) ?? 1;
  if (other.map !== undefined && other.place === place && length === channels.length) {
    tracker.tie(channels, other.map.channels, node);
    tracker.weakenHomogeneity(channels, 'none');
    return { place, channels };
  }
  if (other.map === undefined && length === 1 && channels.length > 1) return { place, channels };
  const why = refusal('COUPLED_TO_FIXED', [label(node)], 'the other operand of the product cannot lose these channels');
  tracker.pin(channels, why);
  tracker.pin(other.map?.channels, why);
  return undefined;
}

function placeOf(map: AxisMap | undefined, rank: number): number | undefined {
  return map === undefined ? undefined : rank - map.axis;
}

/** The product in the report: it gets narrower with the channels that pass, or says why it does not. */
function report(node: Node, channels: Int32Array | undefined, tracker: Tracker): void {
  if (channels !== undefined) {
    tracker.targets.push({ node, width: channels.length, channels, spaces: [], refusal: undefined });
    return;
  }
  const meeting = node.inputs
    .map((value) => tracker.map(value))
    .flatMap((map) => (map === undefined ? [] : [...map.channels]))
    .map((c) => tracker.pins.get(c))
    .find((why) => why !== undefined);
  const why = meeting ?? refusal('WEIGHT_NOT_CONSTANT', [label(node)], 'a product of two activations has no weight');
  tracker.targets.push({ node, width: undefined, channels: undefined, spaces: [], refusal: why });
}
