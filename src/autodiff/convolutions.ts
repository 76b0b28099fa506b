/**
 * Gradients of convolutions and pools. A convolution is linear in its input and in its weight; ConvTranspose is the adjoint of Conv with the same
 * weight, so each is the other's gradient with respect to the input. With respect to the weight each tap k has a product of its own:
 *
 *     dW[m, c, k] = Σ_{n, p} G[n, m, p] X[n, c, s p + d k]
 */
import { intAttribute, intsAttribute } from '../graph/attributes.js';
import type { Attribute } from '../graph/ir.js';
import { kernelGeometry, type KernelGeometry } from '../graph/kernel.js';
import { expand, mask, pad, reduceSum, reshape, slice, transpose } from './emit.js';
import { refused, type GradientRule, type RuleContext } from './rule.js';

interface Geometry extends KernelGeometry {
  readonly group: number;
}

function geometryOf(
  c: RuleContext,
  shape: readonly number[],
  input: readonly number[],
  output: readonly number[],
): Geometry {
  return { ...kernelGeometry(c.node, shape, input, output), group: intAttribute(c.node, 'group', 1) };
}

/** A convolution of x whose output has the gradient g; dims of x, of the weight and of the output. */
interface Convolved {
  readonly x: string;
  readonly g: string;
  readonly geometry: Geometry;
  readonly dx: readonly number[];
  readonly dw: readonly number[];
  readonly dy: readonly number[];
}

/** What a kernel at the last position does not reach: how much longer the padded input is than it has to be. */
function slack(
  { shape: kernel, strides, dilations, padsBegin: begins, padsEnd: ends }: KernelGeometry,
  input: readonly number[],
  output: readonly number[],
): number[] {
  return kernel.map(
    (k, i) => input[i]! + begins[i]! + ends[i]! - ((output[i]! - 1) * strides[i]! + (k - 1) * dilations[i]! + 1),
  );
}

/**
 * The adjoint of a convolution with respect to its input. At stride 1 that is a convolution with the weight turned around, for which the runtime has
 * faster kernels than for ConvTranspose.
 * @param weight [M, C / group, …]
 */
function adjoint(
  c: RuleContext,
  g: string,
  weight: { readonly name: string; readonly dims: readonly number[] },
  geometry: Geometry,
  rest: readonly number[],
): string {
  const { shape: kernel, strides, dilations, padsBegin: begins, padsEnd: ends, group } = geometry;
  const reach = kernel.map((k, i) => dilations[i]! * (k - 1));
  const inside = [...begins, ...ends].every((p, i) => p <= reach[i % kernel.length]!);
  const single = group === weight.dims[0] && weight.dims[1] === 1;
  if (c.opset >= 10 && strides.every((s) => s === 1) && inside && (group === 1 || single)) {
    const rank = weight.dims.length;
    const swapped = group === 1 ? exchanged(c, weight.name, rank) : weight.name;
    return c.emit('Conv', [g, turned(c, swapped, kernel)], {
      kernel_shape: kernel,
      dilations,
      pads: [...begins.map((p, i) => reach[i]! - p), ...ends.map((p, i) => reach[i]! - p)],
      group,
    });
  }
  const attributes: Record<string, number | readonly number[] | Attribute> = {
    kernel_shape: kernel,
    strides,
    dilations,
    // What the kernel does not reach comes back as zeros beyond the end: less is cut off there, or some is put on.
    pads: [...begins, ...ends.map((e, i) => Math.max(0, e - rest[i]!))],
    output_padding: rest.map((r, i) => Math.max(0, r - ends[i]!)),
    group,
  };
  return c.emit('ConvTranspose', [g, weight.name], attributes);
}

/** A weight [M, C, …] with every kernel back to front. */
function turned(c: RuleContext, weight: string, kernel: readonly number[]): string {
  const axes = kernel.flatMap((k, i) => (k > 1 ? [i + 2] : []));
  if (axes.length === 0) return weight;
  return slice(
    c,
    weight,
    axes,
    axes.map(() => -1),
    axes.map(() => -BEYOND),
    axes.map(() => -1),
  );
}

/** Past the start of every axis. */
const BEYOND = 2 ** 31 - 1;

const conv: GradientRule = (c) => {
  const g = c.outputGradients[0]!;
  const [x, w, bias] = c.node.inputs as [string, string, string?];
  const [dx, dw, dy] = [c.shape(x), c.shape(w), c.shape(c.node.outputs[0]!)];
  const geometry = geometryOf(c, dw.slice(2), dx.slice(2), dy.slice(2));
  const rest = slack(geometry, dx.slice(2), dy.slice(2));
  const depthwise = geometry.group > 1 && dw[1] === 1;
  return [
    c.needs(0) ? adjoint(c, g, { name: w, dims: dw }, geometry, rest) : undefined,
    c.needs(1)
      ? depthwise
        ? depthwiseWeight(c, { x, g, geometry, dx, dw, dy })
        : weightGradient(c, { x, g, geometry, dx, dw, dy })
      : undefined,
    bias !== undefined && bias !== '' && c.needs(2) ? channelSums(c, g, dy) : undefined,
  ];
};

function channelSums(c: RuleContext, g: string, dims: readonly number[]): string {
  return reduceSum(
    c,
    g,
    dims.map((_, i) => i).filter((i) => i !== 1),
    false,
  );
}

/** Batch and channels in each other's place. */
function exchanged(c: RuleContext, x: string, rank: number): string {
  return transpose(c, x, [1, 0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2)]);
}

/**
 * dW of a convolution, in the shape of its weight [M, C / group, …]: for each tap the product of the gradient with what the tap saw, group by group,
 * summed over the batch.
 */
function weightGradient(c: RuleContext, { x, g, geometry, dx, dw, dy }: Convolved): string {
  const { shape: kernel, group } = geometry;
  const taps = kernel.reduce((a, b) => a * b, 1);
  if (taps > MOST_TAPS && group === 1) return wholeWeight(c, { x, g, geometry, dx, dw, dy });
  const positions = dy.slice(2).reduce((a, b) => a * b, 1);
  const groups = group === 1 ? [] : [group];
  const perm = group === 1 ? [0, 2, 1] : [0, 1, 3, 2];
  const gradient = reshape(c, g, [dy[0]!, ...groups, dy[1]! / group, positions]);
  const parts = seenByTaps(c, x, geometry, dy).map((seen) => {
    const rows = transpose(c, reshape(c, seen, [dx[0]!, ...groups, dx[1]! / group, positions]), perm);
    return reshape(c, reduceSum(c, c.emit('MatMul', [gradient, rows]), [0], false), [dw[0]!, dw[1]!, 1]);
  });
  return reshape(c, parts.length === 1 ? parts[0]! : c.emit('Concat', parts, { axis: 2 }), dw);
}

/** More products of single taps than this cost more than one convolution. */
const MOST_TAPS = 32;

/** The same as a convolution in which batch and channels change places: Conv(Xᵀ, Gᵀ) with strides d and dilations s, its first positions. */
function wholeWeight(c: RuleContext, { x, g, geometry, dx, dw, dy }: Convolved): string {
  const { shape: kernel, strides, dilations, padsBegin: begins, padsEnd: ends } = geometry;
  const rank = dw.length;
  const product = c.emit('Conv', [exchanged(c, x, rank), exchanged(c, g, rank)], {
    strides: dilations,
    dilations: strides,
    pads: [...begins, ...ends],
  });
  // Positions beyond the kernel are those of what it does not reach.
  const rest = slack(geometry, dx.slice(2), dy.slice(2));
  const axes = kernel.flatMap((_, i) => (Math.floor(rest[i]! / dilations[i]!) > 0 ? [i + 2] : []));
  const [starts, stops] = [axes.map(() => 0), axes.map((axis) => kernel[axis - 2]!)];
  return exchanged(c, axes.length === 0 ? product : slice(c, product, axes, starts, stops), rank);
}

/** What each tap of a kernel sees of an input, in the shape [N, C, …] of the output. */
function seenByTaps(
  c: RuleContext,
  x: string,
  { shape: kernel, strides, dilations, padsBegin: begins, padsEnd: ends }: KernelGeometry,
  dy: readonly number[],
  padding = 0,
): string[] {
  const padded = pad(c, x, [0, 0, ...begins, 0, 0, ...ends], padding);
  const taps = positionsOf(kernel);
  const whole = strides.every((s) => s === 1) && taps.length === 1;
  if (whole) return [padded];
  const axes = kernel.map((_, i) => i + 2);
  return taps.map((tap) => {
    const starts = tap.map((t, i) => t * dilations[i]!);
    const stops = starts.map((s, i) => s + (dy[i + 2]! - 1) * strides[i]! + 1);
    if (c.opset >= 10 || strides.every((s) => s === 1)) return slice(c, padded, axes, starts, stops, strides);
    // Before operator set 10 no slice takes every other element, but a window of one does.
    const ones = kernel.map(() => 1);
    return c.emit('MaxPool', [slice(c, padded, axes, starts, stops)], { kernel_shape: ones, strides });
  });
}

/** dW of a depthwise convolution [C·m, 1, …]: for each tap the sum over positions of what it saw times the gradient. */
function depthwiseWeight(c: RuleContext, { x, g, geometry, dx, dw, dy }: Convolved): string {
  const [channels, outputs] = [dx[1]!, dw[0]!];
  const multiplier = outputs / channels;
  const gradient = multiplier === 1 ? g : reshape(c, g, [dx[0]!, channels, multiplier, ...dy.slice(2)]);
  const sums = seenByTaps(c, x, geometry, dy).map((seen) => {
    // [N, C, 1, …] against [N, C, m, …].
    const spread = multiplier === 1 ? seen : reshape(c, seen, [dx[0]!, channels, 1, ...dy.slice(2)]);
    const product = c.emit('Mul', [spread, gradient]);
    const first = multiplier === 1 ? 2 : 3;
    const summed = reduceSum(c, product, [0, ...dy.slice(2).map((_, i) => i + first)], false);
    return reshape(c, summed, [outputs, 1, 1]);
  });
  const joined = sums.length === 1 ? sums[0]! : c.emit('Concat', sums, { axis: 2 });
  return reshape(c, joined, dw);
}

/** Every position in a box, the last axis fastest. */
function positionsOf(box: readonly number[]): number[][] {
  return box.reduce<number[][]>(
    (list, length) => list.flatMap((head) => Array.from({ length }, (_, i) => [...head, i])),
    [[]],
  );
}

const convTranspose: GradientRule = (c) => {
  const g = c.outputGradients[0]!;
  const [x, w, bias] = c.node.inputs as [string, string, string?];
  const [dx, dw, dy] = [c.shape(x), c.shape(w), c.shape(c.node.outputs[0]!)];
  const auto = c.node.attributes.get('auto_pad');
  if (auto?.type === 'string' && auto.value !== 'NOTSET') return refused('its padding is left to the runtime');
  if (c.node.attributes.has('output_shape')) return refused('its padding follows from the shape of its output');
  // Of the convolution that it is the adjoint of: from y to x.
  const geometry = geometryOf(c, dw.slice(2), dy.slice(2), dx.slice(2));
  const { group, strides, dilations, padsBegin: begins, padsEnd: ends, shape: kernel } = geometry;
  return [
    c.needs(0)
      ? c.emit('Conv', [g, w], { kernel_shape: kernel, strides, dilations, group, pads: [...begins, ...ends] })
      : undefined,
    c.needs(1) ? weightGradient(c, { x: g, g: x, geometry, dx: dy, dw, dy: dx }) : undefined,
    bias !== undefined && bias !== '' && c.needs(2) ? channelSums(c, g, dy) : undefined,
  ];
};

/** A mean over everything but batch and channels. */
const globalAveragePool: GradientRule = (c) => {
  const dims = c.shape(c.node.inputs[0]!);
  const count = dims.slice(2).reduce((a, b) => a * b, 1);
  const g = c.outputGradients[0]!;
  return [expand(c, c.emit('Mul', [g, c.scalar(1 / count, g)]), dims)];
};

/** Every element that is the largest passes the gradient. */
const globalMaxPool: GradientRule = (c) => {
  const x = c.node.inputs[0]!;
  const y = c.node.outputs[0]!;
  const equal = c.emit('Sub', [c.scalar(1, x), mask(c, 'Greater', y, x, x)]);
  return [c.emit('Mul', [c.outputGradients[0]!, equal])];
};

/** A depthwise convolution with equal weights; how many elements each mean is over depends on the padding alone. */
const averagePool: GradientRule = (c) => {
  const [dx, dy] = [c.shape(c.node.inputs[0]!), c.shape(c.node.outputs[0]!)];
  if (intAttribute(c.node, 'ceil_mode', 0) === 1) return refused('it rounds its size up');
  const geometry = geometryOf(c, intsAttribute(c.node, 'kernel_shape')!, dx.slice(2), dy.slice(2));
  const { shape: kernel, strides, dilations, padsBegin: begins } = geometry;
  const taps = kernel.reduce((a, b) => a * b, 1);
  const all = intAttribute(c.node, 'count_include_pad', 0) === 1;
  const counts = positionsOf(dy.slice(2)).map((position) =>
    all
      ? taps
      : position.reduce((product, p, i) => {
          const first = p * strides[i]! - begins[i]!;
          const inside = Array.from({ length: kernel[i]! }, (_, k) => first + k * dilations[i]!);
          return product * inside.filter((at) => at >= 0 && at < dx[i + 2]!).length;
        }, 1),
  );
  const g = c.outputGradients[0]!;
  const shares = c.floats(
    counts.map((n) => 1 / Math.max(n, 1)),
    [1, 1, ...dy.slice(2)],
    g,
  );
  const ones = c.floats(new Float64Array(dx[1]! * taps).fill(1), [dx[1]!, 1, ...kernel], g);
  const spread = { ...geometry, group: dx[1]! };
  const weight = { name: ones, dims: [dx[1]!, 1, ...kernel] };
  return [adjoint(c, c.emit('Mul', [g, shares]), weight, spread, slack(spread, dx.slice(2), dy.slice(2)))];
};

/** The first element that is the largest of its window, in the order of the taps, passes the gradient. */
const maxPool: GradientRule = (c) => {
  const x = c.node.inputs[0]!;
  const y = c.node.outputs[0]!;
  const [dx, dy] = [c.shape(x), c.shape(y)];
  if (c.node.outputs.length > 1 && c.node.outputs[1] !== '') return refused('it gives indices too');
  if (intAttribute(c.node, 'ceil_mode', 0) === 1) return refused('it rounds its size up');
  const geometry = geometryOf(c, intsAttribute(c.node, 'kernel_shape')!, dx.slice(2), dy.slice(2));
  const { shape: kernel } = geometry;
  const g = c.outputGradients[0]!;
  const taps = positionsOf(kernel);
  // What of the gradient is still to be given away.
  let left = g;
  const parts = seenByTaps(c, x, geometry, dy, LOWEST).map((seen) => {
    const largest = c.emit('Sub', [c.scalar(1, x), mask(c, 'Greater', y, seen, x)]);
    const part = c.emit('Mul', [left, largest]);
    left = c.emit('Sub', [left, part]);
    return reshape(c, part, [dx[0]!, dx[1]!, 1, ...dy.slice(2)]);
  });
  const stacked = reshape(c, parts.length === 1 ? parts[0]! : c.emit('Concat', parts, { axis: 2 }), [
    dx[0]!,
    dx[1]! * taps.length,
    ...dy.slice(2),
  ]);
  // Each channel's parts go back through one tap each: weight [C · taps, 1, …] of a transposed convolution in C groups.
  const once = new Float64Array(dx[1]! * taps.length * taps.length);
  for (let i = 0; i < dx[1]! * taps.length; i++) once[i * taps.length + (i % taps.length)] = 1;
  const weight = c.floats(once, [dx[1]! * taps.length, 1, ...kernel], g);
  const spread = { ...geometry, group: dx[1]! };
  const weights = { name: weight, dims: [dx[1]! * taps.length, 1, ...kernel] };
  return [adjoint(c, stacked, weights, spread, slack(spread, dx.slice(2), dy.slice(2)))];
};

/** Below everything that a network computes, also in half precision. */
const LOWEST = -65504;

export const CONVOLUTION_RULES: Readonly<Record<string, GradientRule>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  AveragePool: averagePool,
  MaxPool: maxPool,
};
