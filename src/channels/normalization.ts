/**
 * Normalisation over the channels themselves: every channel then depends on all others through their mean, variance or norm, so none can go.
 * As operators, and as exporters write them out:
 *
 *     LayerNorm   x − mean(x), over √(mean((x − mean(x))²) + ε)
 *     RMSNorm     x / √(mean(x²) + ε)
 *     L2          x / ‖x‖
 */
import type { Node } from '../graph/ir.js';
import { toFloat64 } from '../graph/tensor-data.js';
import { refusal, type Refusal } from './refusal.js';
import { label, type Tracker } from './tracker.js';

/** What a reduction over the channels is a part of: the refusal of a normalisation, or undefined where it is none that is known. */
export function normalizationAround(node: Node, tracker: Tracker): Refusal | undefined {
  const value = node.inputs[0] ?? '';
  const [output] = node.outputs;
  const readers = tracker.uses.uses(output!).map((use) => use.node);
  if (node.opType === 'ReduceMean' && readers.some((n) => n.opType === 'Sub' && reads(n, value, output!)))
    return normalized(node, `a layer normalisation takes the mean over the channels at '${label(node)}'`);
  const squared = squaredBy(value, tracker);
  if (['ReduceMean', 'ReduceSum'].includes(node.opType) && squared !== undefined) {
    if (leadsToRoot(output!, tracker, 3))
      return normalized(node, `a normalisation takes the mean square over the channels at '${label(node)}'`);
  }
  if (node.opType === 'ReduceL2') {
    if (leadsToDivision(output!, value, tracker, 3))
      return normalized(node, `a normalisation takes the norm over the channels at '${label(node)}'`);
  }
  return undefined;
}

/** The refusal of a normalisation over the channels. */
export function normalized(node: Node, message: string): Refusal {
  return refusal('LAYER_NORM', [label(node)], message);
}

function reads(node: Node, first: string, second: string): boolean {
  return node.inputs[0] === first && node.inputs[1] === second;
}

/** The value whose square this is. */
function squaredBy(value: string, tracker: Tracker): string | undefined {
  const node = tracker.uses.producer(value)?.node;
  const [a, b = ''] = node?.inputs ?? [];
  if (node?.opType === 'Mul' && a === b) return a;
  const exponent = node?.opType === 'Pow' ? tracker.constant(b)?.tensor : undefined;
  return exponent !== undefined && toFloat64(exponent).every((n) => n === 2) ? a : undefined;
}

/** Whether a root is taken of a value at most `steps` nodes on (behind the ε that is added). */
function leadsToRoot(value: string, tracker: Tracker, steps: number): boolean {
  return tracker.uses.uses(value).some(({ node }) => {
    if (node.opType === 'Sqrt') return true;
    return (
      steps > 1 && ['Add', 'Max', 'Clip'].includes(node.opType) && leadsToRoot(node.outputs[0]!, tracker, steps - 1)
    );
  });
}

/** Whether `dividend` is divided by a value at most `steps` nodes on (behind bounds and repetition). */
function leadsToDivision(value: string, dividend: string, tracker: Tracker, steps: number): boolean {
  return tracker.uses.uses(value).some(({ node }) => {
    if (node.opType === 'Div' && reads(node, dividend, value)) return true;
    const further = ['Add', 'Max', 'Clip', 'Expand'].includes(node.opType);
    return steps > 1 && further && leadsToDivision(node.outputs[0]!, dividend, tracker, steps - 1);
  });
}
