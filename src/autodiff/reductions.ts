/** Gradients of sums and means over axes, and of what is normalised over them. */
import { floatAttribute, intAttribute, intsAttribute } from '../graph/attributes.js';
import { expand, reduceSum, reshape, sumTo } from './emit.js';
import { refused, type GradientRule, type RuleContext } from './rule.js';

/** The axes of a reduction, as numbers from 0; undefined where they are computed. */
function axesOf(c: RuleContext, fromInput: number): number[] | undefined {
  const rank = c.shape(c.node.inputs[0]!).length;
  const given = c.node.inputs[1] ?? '';
  const listed = c.opset >= fromInput && given !== '' ? c.constantValues(given) : intsAttribute(c.node, 'axes');
  if (c.opset >= fromInput && given !== '' && listed === undefined) return undefined;
  const axes = listed === undefined || listed.length === 0 ? Array.from({ length: rank }, (_, i) => i) : [...listed];
  return axes.map((a) => (a < 0 ? a + rank : a));
}

/** Every element that a result was formed from gets its gradient, divided by their number for a mean. */
const reduction =
  (fromInput: number, mean: boolean): GradientRule =>
  (c) => {
    const dims = c.shape(c.node.inputs[0]!);
    if (intAttribute(c.node, 'noop_with_empty_axes', 0) === 1) return refused('it may leave out what it is for');
    const axes = axesOf(c, fromInput);
    if (axes === undefined) return refused('its axes are computed');
    const kept = dims.map((length, i) => (axes.includes(i) ? 1 : length));
    const count = axes.reduce((product, axis) => product * dims[axis]!, 1);
    let g = c.outputGradients[0]!;
    if (mean) g = c.emit('Mul', [g, c.scalar(1 / count, g)]);
    return [expand(c, reshape(c, g, kept), dims)];
  };

/** Each element is part of the sums behind it: its gradient is the sum of theirs, taken the other way round. */
const cumulativeSum: GradientRule = (c) => {
  const exclusive = intAttribute(c.node, 'exclusive', 0);
  const reverse = 1 - intAttribute(c.node, 'reverse', 0);
  return [c.emit('CumSum', [c.outputGradients[0]!, c.node.inputs[1]!], { exclusive, reverse })];
};

/** The axis of a Softmax. Before version 13 it flattens everything behind its axis, which is the same only at the last one. */
function softmaxAxis(c: RuleContext): number | undefined {
  const rank = c.shape(c.node.inputs[0]!).length;
  const axis = intAttribute(c.node, 'axis', c.opset < 13 ? 1 : -1);
  const at = axis < 0 ? axis + rank : axis;
  return c.opset < 13 && at !== rank - 1 ? undefined : at;
}

/** y = softmax(x): dx = y (g − Σ g y). */
const softmax: GradientRule = (c) => {
  const axis = softmaxAxis(c);
  if (axis === undefined) return refused('it runs over several axes');
  const [g, y] = [c.outputGradients[0]!, c.node.outputs[0]!];
  const total = reduceSum(c, c.emit('Mul', [g, y]), [axis], true);
  return [c.emit('Mul', [y, c.emit('Sub', [g, total])])];
};

/** y = log softmax(x): dx = g − eʸ Σ g. */
const logSoftmax: GradientRule = (c) => {
  const axis = softmaxAxis(c);
  if (axis === undefined) return refused('it runs over several axes');
  const [g, y] = [c.outputGradients[0]!, c.node.outputs[0]!];
  return [c.emit('Sub', [g, c.emit('Mul', [c.emit('Exp', [y]), reduceSum(c, g, [axis], true)])])];
};

/**
 * y = s n + b with n = (x − μ) / σ over the last axes: with h = g s, dx = (h − mean h − n mean(h n)) / σ.
 */
const layerNormalization: GradientRule = (c) => {
  const [x, scale, bias] = c.node.inputs as [string, string, string?];
  const g = c.outputGradients[0]!;
  const dims = c.shape(x);
  const axis = intAttribute(c.node, 'axis', -1);
  const first = axis < 0 ? axis + dims.length : axis;
  const axes = dims.map((_, i) => i).filter((i) => i >= first);
  const count = axes.reduce((product, i) => product * dims[i]!, 1);
  const mean = (value: string): string => c.emit('Mul', [reduceSum(c, value, axes, true), c.scalar(1 / count, value)]);
  const centred = c.emit('Sub', [x, mean(x)]);
  const epsilon = floatAttribute(c.node, 'epsilon', 1e-5);
  const variance = mean(c.emit('Mul', [centred, centred]));
  const deviation = c.emit('Sqrt', [c.emit('Add', [variance, c.scalar(epsilon, x)])]);
  const normal = c.emit('Div', [centred, deviation]);
  const ofX = (): string => {
    const h = c.emit('Mul', [g, scale]);
    const along = c.emit('Mul', [normal, mean(c.emit('Mul', [h, normal]))]);
    return c.emit('Div', [c.emit('Sub', [c.emit('Sub', [h, mean(h)]), along]), deviation]);
  };
  return [
    c.needs(0) ? ofX() : undefined,
    c.needs(1) ? sumTo(c, c.emit('Mul', [g, normal]), dims, c.shape(scale)) : undefined,
    bias !== undefined && bias !== '' && c.needs(2) ? sumTo(c, g, dims, c.shape(bias)) : undefined,
  ];
};

export const REDUCTION_RULES: Readonly<Record<string, GradientRule>> = {
  ReduceMean: reduction(18, true),
  ReduceSum: reduction(13, false),
  CumSum: cumulativeSum,
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  LayerNormalization: layerNormalization,
};
