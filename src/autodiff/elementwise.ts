/** Gradients of operators that compute each element from one element of each operand: dL/dx = dL/dy · dy/dx, summed where x was broadcast. */
import { floatAttribute } from '../graph/attributes.js';
import { mask, sumTo } from './emit.js';
import { refused, type GradientRule, type RuleContext } from './rule.js';

type Derivative = (c: RuleContext, x: string, y: string) => string;

const one = (c: RuleContext, like: string): string => c.scalar(1, like);
const times = (c: RuleContext, a: string, b: string | number): string =>
  c.emit('Mul', [a, typeof b === 'number' ? c.scalar(b, a) : b]);
const plus = (c: RuleContext, a: string, b: string | number): string =>
  c.emit('Add', [a, typeof b === 'number' ? c.scalar(b, a) : b]);
const minus = (c: RuleContext, a: string, b: string): string => c.emit('Sub', [a, b]);
const positive = (c: RuleContext, x: string): string => mask(c, 'Greater', x, c.scalar(0, x), x);
const alpha = (c: RuleContext, fallback: number, name = 'alpha'): number => floatAttribute(c.node, name, fallback);

/** A unary operator by its derivative, which may be written in its input x and its output y. */
function unary(derivative: Derivative): GradientRule {
  return (c) => {
    const [g] = c.outputGradients;
    return [times(c, g!, derivative(c, c.node.inputs[0]!, c.node.outputs[0]!))];
  };
}

/** 1 where x > 0, else `below`. */
const split = (c: RuleContext, x: string, below: string): string => {
  const p = positive(c, x);
  return plus(c, p, times(c, minus(c, one(c, x), p), below));
};

/** The standard normal distribution function, (1 + erf(x / √2)) / 2. */
const normal = (c: RuleContext, x: string): string =>
  times(c, plus(c, c.emit('Erf', [times(c, x, Math.SQRT1_2)]), 1), 0.5);
/** exp(−x² / 2) / √(2π). */
const density = (c: RuleContext, x: string): string =>
  times(c, c.emit('Exp', [times(c, c.emit('Mul', [x, x]), -0.5)]), 1 / Math.sqrt(2 * Math.PI));

/** Gelu: Φ(x) + x φ(x); with `approximate`, x t(u)/2 + x/2 with t = tanh and u = √(2/π)(x + 0.044715 x³). */
const gelu: Derivative = (c, x) => {
  const approximate = c.node.attributes.get('approximate');
  if (approximate?.type !== 'string' || approximate.value !== 'tanh')
    return plus(c, normal(c, x), c.emit('Mul', [x, density(c, x)]));
  const k = Math.sqrt(2 / Math.PI);
  const square = c.emit('Mul', [x, x]);
  const t = c.emit('Tanh', [times(c, c.emit('Mul', [x, plus(c, times(c, square, 0.044715), 1)]), k)]);
  const du = times(c, plus(c, times(c, square, 3 * 0.044715), 1), k);
  const dt = c.emit('Mul', [minus(c, one(c, x), c.emit('Mul', [t, t])), du]);
  return times(c, plus(c, plus(c, t, 1), c.emit('Mul', [x, dt])), 0.5);
};

/** An operator of two operands by the gradients with respect to both, before they are summed to the operands' shapes. */
function binary(
  ofA: (c: RuleContext, g: string, a: string, b: string, y: string) => string,
  ofB: (c: RuleContext, g: string, a: string, b: string, y: string) => string,
): GradientRule {
  return (c) => {
    const g = c.outputGradients[0]!;
    const [a, b] = c.node.inputs as [string, string];
    const y = c.node.outputs[0]!;
    return [ofA, ofB].map((of, i) =>
      c.needs(i) ? sumTo(c, of(c, g, a, b, y), c.shape(y), c.shape(c.node.inputs[i]!)) : undefined,
    );
  };
}

/** Clip: 1 within the bounds, which are inputs from version 11 on. */
const clip: GradientRule = (c) => {
  const x = c.node.inputs[0]!;
  const bound = (input: number, name: string): string | undefined => {
    const given = c.node.inputs[input] ?? '';
    if (c.opset >= 11) return given === '' ? undefined : given;
    const attribute = c.node.attributes.get(name);
    return attribute?.type === 'float' ? c.scalar(attribute.value, x) : undefined;
  };
  let g = c.outputGradients[0]!;
  const [low, high] = [bound(1, 'min'), bound(2, 'max')];
  if (low !== undefined) g = c.emit('Mul', [g, mask(c, 'Greater', x, low, x)]);
  if (high !== undefined) g = c.emit('Mul', [g, mask(c, 'Less', x, high, x)]);
  return [g];
};

/** x^p with a constant p, one number: p x^(p − 1). */
const pow: GradientRule = (c) => {
  const [x, p] = c.node.inputs as [string, string];
  const exponent = c.constantValues(p);
  if (exponent?.length !== 1 || c.needs(1)) return refused('its exponent is not one constant number');
  const power = exponent[0]!;
  const derivative = power === 2 ? x : c.emit('Pow', [x, c.scalar(power - 1, x)]);
  return [c.emit('Mul', [c.outputGradients[0]!, times(c, derivative, power)])];
};

/** The larger (smaller) of two operands passes the gradient; where they are equal, the second. */
const pickOne = (comparison: 'Greater' | 'Less'): GradientRule => {
  const rule = binary(
    (c, g, a, b) => c.emit('Mul', [g, mask(c, comparison, a, b, g)]),
    (c, g, a, b) => minus(c, g, c.emit('Mul', [g, mask(c, comparison, a, b, g)])),
  );
  return (c) => (c.node.inputs.length === 2 ? rule(c) : refused('it has more or fewer than two operands'));
};

const prelu: GradientRule = binary(
  (c, g, x, slope) => c.emit('Mul', [g, split(c, x, slope)]),
  (c, g, x) => c.emit('Mul', [g, c.emit('Mul', [x, minus(c, one(c, x), positive(c, x))])]),
);

export const ELEMENTWISE_RULES: Readonly<Record<string, GradientRule>> = {
  Identity: (c) => [c.outputGradients[0]],
  Dropout: (c) => [c.outputGradients[0]],
  Neg: (c) => [c.emit('Neg', [c.outputGradients[0]!])],
  Abs: unary((c, x) => {
    const zero = c.scalar(0, x);
    return c.emit('Sub', [mask(c, 'Greater', x, zero, x), mask(c, 'Less', x, zero, x)]);
  }),
  Sqrt: unary((c, _, y) => c.emit('Div', [c.scalar(0.5, y), y])),
  Reciprocal: unary((c, _, y) => c.emit('Neg', [c.emit('Mul', [y, y])])),
  Exp: unary((_, __, y) => y),
  Log: unary((c, x) => c.emit('Reciprocal', [x])),
  Erf: unary((c, x) => times(c, c.emit('Exp', [c.emit('Neg', [c.emit('Mul', [x, x])])]), 2 / Math.sqrt(Math.PI))),
  // The runtime's Sign is several times slower.
  Relu: unary((c, _, y) => positive(c, y)),
  LeakyRelu: unary((c, x) => split(c, x, c.scalar(alpha(c, 0.01), x))),
  // Below 0, y = α (eˣ − 1).
  Elu: unary((c, x, y) => split(c, x, plus(c, y, alpha(c, 1)))),
  // Above 0, y = γ x; below, y = γ α (eˣ − 1).
  Selu: unary((c, x, y) => {
    const gamma = alpha(c, 1.0507009873554804934193349852946, 'gamma');
    const a = alpha(c, 1.6732632423543772848170429916717);
    const p = positive(c, x);
    return plus(c, times(c, p, gamma), c.emit('Mul', [minus(c, one(c, x), p), plus(c, y, gamma * a)]));
  }),
  Sigmoid: unary((c, _, y) => c.emit('Mul', [y, minus(c, one(c, y), y)])),
  HardSigmoid: unary((c, _, y) =>
    times(
      c,
      c.emit('Mul', [mask(c, 'Greater', y, c.scalar(0, y), y), mask(c, 'Less', y, c.scalar(1, y), y)]),
      alpha(c, 0.2),
    ),
  ),
  // x · min(max(0, x/6 + 1/2), 1): (2x + 3)/6 between −3 and 3, 1 above.
  HardSwish: unary((c, x) => {
    const above = mask(c, 'Greater', x, c.scalar(3, x), x);
    const inside = c.emit('Sub', [mask(c, 'Greater', x, c.scalar(-3, x), x), above]);
    return plus(c, above, c.emit('Mul', [inside, plus(c, times(c, x, 1 / 3), 0.5)]));
  }),
  Tanh: unary((c, _, y) => minus(c, one(c, y), c.emit('Mul', [y, y]))),
  Softplus: unary((c, x) => c.emit('Sigmoid', [x])),
  // x tanh(s), s = softplus(x): tanh(s) + x (1 − tanh²(s)) σ(x).
  Mish: unary((c, x) => {
    const t = c.emit('Tanh', [c.emit('Softplus', [x])]);
    const slope = c.emit('Mul', [minus(c, one(c, x), c.emit('Mul', [t, t])), c.emit('Sigmoid', [x])]);
    return plus(c, t, c.emit('Mul', [x, slope]));
  }),
  Gelu: unary(gelu),
  Clip: clip,
  Pow: pow,
  PRelu: prelu,
  Max: pickOne('Greater'),
  Min: pickOne('Less'),
  Add: binary(
    (_, g) => g,
    (_, g) => g,
  ),
  Sub: binary(
    (_, g) => g,
    (c, g) => c.emit('Neg', [g]),
  ),
  Mul: binary(
    (c, g, _, b) => c.emit('Mul', [g, b]),
    (c, g, a) => c.emit('Mul', [g, a]),
  ),
  Div: binary(
    (c, g, _, b) => c.emit('Div', [g, b]),
    (c, g, _, b, y) => c.emit('Neg', [c.emit('Div', [c.emit('Mul', [g, y]), b])]),
  ),
};
