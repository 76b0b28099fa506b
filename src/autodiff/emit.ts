/** Nodes that many rules need, in the form that the operator set of the model has. */
import type { RuleContext } from './rule.js';

/** Sums over axes, which stay with a length of 1 where `keep` says so. */
export function reduceSum(c: RuleContext, x: string, axes: readonly number[], keep: boolean): string {
  const keepdims = keep ? 1 : 0;
  if (axes.length === 0) return x;
  return c.opset >= 13
    ? c.emit('ReduceSum', [x, c.integers(axes)], { keepdims })
    : c.emit('ReduceSum', [x], { axes, keepdims });
}

export function reshape(c: RuleContext, x: string, dims: readonly number[]): string {
  return c.emit('Reshape', [x, c.integers(dims)]);
}

export function transpose(c: RuleContext, x: string, perm: readonly number[]): string {
  return perm.every((p, i) => p === i) ? x : c.emit('Transpose', [x], { perm });
}

/** A value repeated along axes of length 1, and along new ones in front. */
export function expand(c: RuleContext, x: string, dims: readonly number[]): string {
  if (c.opset >= 8) return c.emit('Expand', [x, c.integers(dims)]);
  const count = dims.reduce((a, b) => a * b, 1);
  return c.emit('Mul', [x, c.floats(new Float64Array(count).fill(1), dims, x)]);
}

/** The elements from `starts` to before `ends` on some axes. `steps` other than 1 want operator set 10. */
export function slice(
  c: RuleContext,
  x: string,
  axes: readonly number[],
  starts: readonly number[],
  ends: readonly number[],
  steps?: readonly number[],
): string {
  if (c.opset < 10) {
    if (steps?.some((s) => s !== 1)) throw new Error('no slice has steps before operator set 10');
    return c.emit('Slice', [x], { axes, starts, ends });
  }
  return c.emit('Slice', [
    x,
    c.integers(starts),
    c.integers(ends),
    c.integers(axes),
    ...(steps === undefined ? [] : [c.integers(steps)]),
  ]);
}

/** Zeros (or another number) around a value; begins of all axes, then ends. */
export function pad(c: RuleContext, x: string, pads: readonly number[], value = 0): string {
  if (pads.every((p) => p === 0)) return x;
  if (c.opset < 11) return c.emit('Pad', [x], { pads, value: { name: 'value', type: 'float', value } });
  return c.emit('Pad', [x, c.integers(pads), c.scalar(value, x)]);
}

/**
 * The sum of a gradient over the axes along which an operand was broadcast.
 * @param from shape of the gradient; to: shape of the operand
 */
export function sumTo(c: RuleContext, gradient: string, from: readonly number[], to: readonly number[]): string {
  const extra = from.length - to.length;
  const axes = from.flatMap((length, i) => (i < extra || (to[i - extra] === 1 && length !== 1) ? [i] : []));
  const summed = reduceSum(c, gradient, axes, true);
  return extra === 0 ? summed : reshape(c, summed, to);
}

/** 1 where a comparison holds and 0 elsewhere, in the type of `like`. */
export function mask(c: RuleContext, comparison: 'Greater' | 'Less', a: string, b: string, like: string): string {
  return c.emit('Cast', [c.emit(comparison, [a, b])], { to: ELEMENT_TYPES[c.dtype(like)] ?? 1 });
}

const ELEMENT_TYPES: Partial<Record<string, number>> = { float32: 1, float16: 10, float64: 11 };
