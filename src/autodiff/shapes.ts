/** Gradients of operators that move elements: they go back to where they came from, and those that are copied add up. */
import { intAttribute, intsAttribute } from '../graph/attributes.js';
import { pad, reshape, slice, sumTo, transpose } from './emit.js';
import { refused, type GradientRule, type RuleContext } from './rule.js';

/** Everything that keeps the elements in their order. */
const backToShape: GradientRule = (c) => [reshape(c, c.outputGradients[0]!, c.shape(c.node.inputs[0]!))];

const axisOf = (c: RuleContext, fallback: number, rank: number): number => {
  const axis = intAttribute(c.node, 'axis', fallback);
  return axis < 0 ? axis + rank : axis;
};

const transposeRule: GradientRule = (c) => {
  const rank = c.shape(c.node.inputs[0]!).length;
  const perm = intsAttribute(c.node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const inverse = new Array<number>(rank);
  perm.forEach((from, to) => (inverse[from] = to));
  return [transpose(c, c.outputGradients[0]!, inverse)];
};

const concat: GradientRule = (c) => {
  const dims = c.shape(c.node.outputs[0]!);
  const axis = axisOf(c, 0, dims.length);
  let start = 0;
  return c.node.inputs.map((input, i) => {
    const end = start + c.shape(input)[axis]!;
    const part = c.needs(i) ? slice(c, c.outputGradients[0]!, [axis], [start], [end]) : undefined;
    start = end;
    return part;
  });
};

const split: GradientRule = (c) => {
  const x = c.node.inputs[0]!;
  const axis = axisOf(c, 0, c.shape(x).length);
  const parts = c.node.outputs.map((output, i) => {
    const g = c.outputGradients[i];
    if (g !== undefined) return g;
    const dims = c.shape(output);
    return c.floats(new Float64Array(dims.reduce((a, b) => a * b, 1)), dims, x);
  });
  return [parts.length === 1 ? parts[0] : c.emit('Concat', parts, { axis })];
};

/** A Slice: zeros around what it kept, and between its steps. */
const sliceRule: GradientRule = (c) => {
  const x = c.node.inputs[0]!;
  const [dx, dy] = [c.shape(x), c.shape(c.node.outputs[0]!)];
  const list = (input: number, name: string): readonly number[] | undefined => {
    if (c.opset < 10) return intsAttribute(c.node, name);
    const given = c.node.inputs[input] ?? '';
    return given === '' ? undefined : [...(c.constantValues(given) ?? [NaN])];
  };
  const starts = list(1, 'starts') ?? [];
  const axes = (list(3, 'axes') ?? starts.map((_, i) => i)).map((a) => (a < 0 ? a + dx.length : a));
  const steps = list(4, 'steps') ?? starts.map(() => 1);
  if ([...starts, ...axes, ...steps].some(Number.isNaN)) return refused('where it starts is computed');
  if (steps.some((s) => s < 1)) return refused('it goes backwards');
  let g = c.outputGradients[0]!;
  const dims = [...dy];
  for (const [k, axis] of axes.entries()) {
    const step = steps[k]!;
    if (step > 1) {
      // Every element becomes the first of `step`, the others 0.
      const wide = [...dims.slice(0, axis + 1), 1, ...dims.slice(axis + 1)];
      const pads = new Array<number>(2 * wide.length).fill(0);
      pads[wide.length + axis + 1] = step - 1;
      dims[axis] = dims[axis]! * step;
      g = reshape(c, pad(c, reshape(c, g, wide), pads), dims);
    }
    const length = dx[axis]!;
    const from = Math.min(Math.max(starts[k]! < 0 ? starts[k]! + length : starts[k]!, 0), length);
    const over = from + dims[axis]! - length;
    if (over > 0) {
      g = slice(c, g, [axis], [0], [dims[axis]! - over]);
      dims[axis] = dims[axis]! - over;
    }
    const pads = new Array<number>(2 * dims.length).fill(0);
    pads[axis] = from;
    pads[dims.length + axis] = length - from - dims[axis]!;
    g = pad(c, g, pads);
    dims[axis] = length;
  }
  return [g];
};

/** A constant Pad: what it put around goes. */
const padRule: GradientRule = (c) => {
  const mode = c.node.attributes.get('mode');
  if (mode?.type === 'string' && mode.value !== 'constant') return refused('it pads with what is there');
  if ((c.node.inputs[3] ?? '') !== '') return refused('it names axes');
  const dims = c.shape(c.node.inputs[0]!);
  const pads = c.opset < 11 ? intsAttribute(c.node, 'pads') : c.constantValues(c.node.inputs[1]!);
  if (pads === undefined) return refused('how much it pads is computed');
  const axes = dims.map((_, i) => i);
  const negative = axes.some((i) => pads[i]! < 0 || pads[dims.length + i]! < 0);
  if (negative) return refused('it cuts off');
  const starts = axes.map((i) => pads[i]!);
  return [
    slice(
      c,
      c.outputGradients[0]!,
      axes,
      starts,
      axes.map((i) => starts[i]! + dims[i]!),
    ),
  ];
};

const expand: GradientRule = (c) => {
  const [x, y] = [c.node.inputs[0]!, c.node.outputs[0]!];
  return [sumTo(c, c.outputGradients[0]!, c.shape(y), c.shape(x))];
};

/** Gather along an axis with constant indices: a product with a matrix that has a 1 where an element was taken from. */
const gather: GradientRule = (c) => {
  const [x, indices] = c.node.inputs as [string, string];
  const taken = c.constantValues(indices);
  if (taken === undefined) return refused('its indices are computed');
  const dims = c.shape(x);
  const axis = axisOf(c, 0, dims.length);
  const length = dims[axis]!;
  const before = dims.slice(0, axis).reduce((a, b) => a * b, 1);
  const after = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const places = new Float64Array(length * taken.length);
  taken.forEach((index, k) => (places[(index < 0 ? index + length : index) * taken.length + k] = 1));
  const matrix = c.floats(places, [length, taken.length], x);
  const g = reshape(c, c.outputGradients[0]!, [before, taken.length, after]);
  return [reshape(c, c.emit('MatMul', [matrix, g]), dims)];
};

const cast: GradientRule = (c) => {
  const types: Partial<Record<string, number>> = { float32: 1, float16: 10, float64: 11, bfloat16: 16 };
  if (!Object.values(types).includes(intAttribute(c.node, 'to', 1))) return refused('it makes whole numbers or bits');
  const to = types[c.dtype(c.node.inputs[0]!)];
  return to === undefined
    ? refused('its input is not a floating-point number')
    : [c.emit('Cast', [c.outputGradients[0]!], { to })];
};

export const SHAPE_RULES: Readonly<Record<string, GradientRule>> = {
  Reshape: backToShape,
  Flatten: backToShape,
  Squeeze: backToShape,
  Unsqueeze: backToShape,
  Transpose: transposeRule,
  Concat: concat,
  Split: split,
  Slice: sliceRule,
  Pad: padRule,
  Expand: expand,
  Gather: gather,
  Cast: cast,
};
