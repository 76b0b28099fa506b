import type { Model } from '../src/graph/ir.js';
import type { Example } from './conv-networks.js';
import { convModel, type Net } from './conv.js';

const OUTPUT = 'GRAPH_OUTPUT';
const QK = 'ATTENTION_QK';
const NORM = 'LAYER_NORM';

/** Width of the sequence, heads, and width of a head's values: no two lengths are the same. */
export const [TOKENS, WIDTH, HEADS, HEAD] = [5, 7, 2, 4];
const INNER = HEADS * HEAD;

/** How the lengths behind a Reshape are found: [rows, tokens, …rest]. */
type Shaping = (net: Net, x: string, rest: readonly number[]) => string;

const copied: Shaping = (net, _x, rest) => net.ints(0, 0, ...rest);

/** Rows and tokens as the graph asks for them, the others as numbers. */
const asked: Shaping = (net, x, rest) => {
  const shape = net.op('Shape', [x]);
  const two = [0, 1].map((i) => net.op('Gather', [shape, net.ints(i)]));
  return net.op('Concat', [...two, ...rest.map((n) => net.ints(n))], { axis: 0 });
};

/** The lengths come out of a number of channels: of what is asked, an n-th each. */
const computed =
  (of: string, length: number): Shaping =>
  (net, x, rest) => {
    const shape = net.op('Shape', [x]);
    const two = [0, 1].map((i) => net.op('Gather', [shape, net.ints(i)]));
    const whole = net.op('Gather', [net.op('Shape', [of]), net.ints(-1)]);
    const parts = rest.map((n) => net.op('Div', [net.op('Mul', [whole, net.ints(n)]), net.ints(length)]));
    return net.op('Concat', [...two, ...parts], { axis: 0 });
  };

/** Attention over heads and the projection behind it, from the three [rows, TOKENS, INNER]; O reads the values. */
function attend(net: Net, q: string, k: string, v: string, shaping: Shaping = copied, out = WIDTH): string {
  const heads = (x: string): string =>
    net.op('Transpose', [net.op('Reshape', [x, shaping(net, x, [HEADS, HEAD])])], { perm: [0, 2, 1, 3] });
  const keys = net.op('Transpose', [net.op('Reshape', [k, shaping(net, k, [HEADS, HEAD])])], { perm: [0, 2, 3, 1] });
  const scores = net.op('Mul', [net.product(heads(q), keys), net.floats(1 / Math.sqrt(HEAD))]);
  const attended = net.product(net.op('Softmax', [scores], { axis: -1 }), heads(v));
  const back = net.op('Transpose', [attended], { perm: [0, 2, 1, 3] });
  return net.linear(net.op('Reshape', [back, shaping(net, back, [INNER])]), [INNER, out]);
}

/** Separate projections of x. */
function selfAttention(net: Net, x: string, shaping: Shaping = copied, out = WIDTH): string {
  const [q, k, v] = [0, 1, 2].map(() => net.linear(x, [WIDTH, INNER])) as [string, string, string];
  return attend(net, q, k, v, shaping, out);
}

const sequences = (build: (net: Net) => string, opset = 17): Model => convModel([TOKENS, WIDTH], build, { opset });

/** m1 … m3 are Q, K, V; m4 Q·Kᵀ, m5 P·V, m6 the projection. */
const separate = { m1: QK, m2: QK, m3: INNER, m4: QK, m5: HEAD, m6: OUTPUT };

const layerNorm = (net: Net, x: string, width: number): string =>
  net.op('LayerNormalization', [x, net.made([width]), net.made([width])], { axis: -1 });

/** LayerNorm as exporters before opset 17 write it. */
const writtenNorm = (net: Net, x: string): string => {
  const centred = net.op('Sub', [x, net.op('ReduceMean', [x], { axes: [-1] })]);
  const variance = net.op('ReduceMean', [net.op('Pow', [centred, net.floats(2)])], { axes: [-1] });
  return net.op('Div', [centred, net.op('Sqrt', [net.op('Add', [variance, net.floats(1e-5)])])]);
};

const gelu = (net: Net, x: string): string => {
  const bell = net.op('Add', [net.op('Erf', [net.op('Div', [x, net.floats(Math.SQRT2)])]), net.floats(1)]);
  return net.op('Mul', [net.op('Mul', [x, bell]), net.floats(0.5)]);
};

const tanhGelu = (net: Net, x: string): string => {
  const cubic = net.op('Add', [x, net.op('Mul', [net.op('Pow', [x, net.floats(3)]), net.floats(0.044715)])]);
  const bell = net.op('Add', [net.op('Tanh', [net.op('Mul', [cubic, net.floats(0.79788)])]), net.floats(1)]);
  return net.op('Mul', [net.op('Mul', [x, bell]), net.floats(0.5)]);
};

const mlp = (activation: (net: Net, x: string) => string, opset = 17): Model =>
  sequences((net) => net.linear(activation(net, net.linear('x', [WIDTH, 9])), [9, 3]), opset);

const MLPS: Record<string, Example> = {
  'MLP with Gelu of Erf': { model: mlp(gelu), verdict: { m1: 9, m2: OUTPUT } },
  'MLP with Gelu of Tanh': { model: mlp(tanhGelu), verdict: { m1: 9, m2: OUTPUT } },
  'MLP with the operator Gelu': { model: mlp((net, x) => net.op('Gelu', [x]), 20), verdict: { m1: 9, m2: OUTPUT } },
  'MLP with SwiGLU': {
    model: sequences((net) => {
      const [gate, up] = [net.linear('x', [WIDTH, 9]), net.linear('x', [WIDTH, 9])];
      const swish = net.op('Mul', [gate, net.op('Sigmoid', [gate])]);
      return net.linear(net.op('Mul', [swish, up]), [9, 3]);
    }),
    verdict: { m1: 9, m2: 9, m3: OUTPUT },
  },
};

const ATTENTION: Record<string, Example> = {
  'separate projections': { model: sequences((net) => selfAttention(net, 'x')), verdict: separate },
  'shapes that are asked for': { model: sequences((net) => selfAttention(net, 'x', asked)), verdict: separate },
  'lengths computed from the width of the stream': {
    model: sequences((net) => {
      // The stream itself can be cut: what is computed from its width is then written down.
      const stream = net.linear('x', [WIDTH, WIDTH]);
      return selfAttention(net, stream, computed(stream, WIDTH));
    }),
    verdict: { m1: WIDTH, m2: QK, m3: QK, m4: INNER, m5: QK, m6: HEAD, m7: OUTPUT },
  },
  'one head': {
    model: sequences((net) => {
      const [q, k, v] = [0, 1, 2].map(() => net.linear('x', [WIDTH, INNER])) as [string, string, string];
      const weights = net.op('Softmax', [net.product(q, net.op('Transpose', [k], { perm: [0, 2, 1] }))], { axis: -1 });
      return net.linear(net.product(weights, v), [INNER, 3]);
    }),
    verdict: { ...separate, m5: INNER },
  },
  'one projection, taken apart by Split': {
    model: sequences((net) => {
      const packed = net.linear('x', [WIDTH, 3 * INNER]);
      const parts = net.ops('Split', [packed, net.ints(INNER, INNER, INNER)], 3, { axis: -1 });
      return attend(net, parts[0]!, parts[1]!, parts[2]!);
    }),
    verdict: { m1: INNER, m2: QK, m3: HEAD, m4: OUTPUT },
  },
  'one projection, taken apart by a Split without sizes': {
    model: sequences((net) => {
      const parts = net.ops('Split', [net.linear('x', [WIDTH, 3 * INNER])], 3, { axis: 2 });
      return attend(net, parts[0]!, parts[1]!, parts[2]!);
    }),
    verdict: { m1: INNER, m2: QK, m3: HEAD, m4: OUTPUT },
  },
  'one projection, taken apart by a Split without sizes (opset 18)': {
    model: sequences((net) => {
      const parts = net.ops('Split', [net.linear('x', [WIDTH, 3 * INNER])], 3, { axis: 2, num_outputs: 3 });
      return attend(net, parts[0]!, parts[1]!, parts[2]!);
    }, 18),
    verdict: { m1: INNER, m2: QK, m3: HEAD, m4: OUTPUT },
  },
  'one projection, in thirds of what its width is': {
    model: sequences((net) => {
      const packed = net.linear('x', [WIDTH, 3 * INNER]);
      const whole = net.op('Gather', [net.op('Shape', [packed]), net.ints(-1)]);
      const third = net.op('Div', [net.op('Add', [whole, net.ints(2)]), net.ints(3)]);
      const bounds = [0, 1, 2, 3].map((n) => net.op('Mul', [third, net.ints(n)]));
      const part = (i: number): string => net.op('Slice', [packed, bounds[i]!, bounds[i + 1]!, net.ints(2)]);
      return attend(net, part(0), part(1), part(2));
    }),
    verdict: { m1: INNER, m2: QK, m3: HEAD, m4: OUTPUT },
  },
  'one projection, stacked by a Reshape: the values are tied to queries and keys': {
    model: sequences((net) => {
      const packed = net.op('Reshape', [net.linear('x', [WIDTH, 3 * INNER]), net.ints(0, 0, 3, HEADS, HEAD)]);
      const stacked = net.op('Transpose', [packed], { perm: [2, 0, 3, 1, 4] });
      const [q, k, v] = [0, 1, 2].map((i) =>
        net.op('Squeeze', [net.op('Gather', [stacked, net.ints(i)], { axis: 0 }), net.ints(0)]),
      ) as [string, string, string];
      const scores = net.product(q, net.op('Transpose', [k], { perm: [0, 1, 3, 2] }));
      const attended = net.product(net.op('Softmax', [scores], { axis: -1 }), v);
      const back = net.op('Transpose', [attended], { perm: [0, 2, 1, 3] });
      return net.linear(net.op('Reshape', [back, net.ints(0, 0, INNER)]), [INNER, 3]);
    }),
    verdict: { m1: QK, m2: QK, m3: QK, m4: OUTPUT },
  },
  'a mixture of tokens by a constant matrix': {
    model: sequences((net) => {
      const hidden = net.linear('x', [WIDTH, 6]);
      return net.linear(net.product(net.made([3, TOKENS]), hidden), [6, 3]);
    }),
    verdict: { m1: 6, m2: 6, m3: OUTPUT },
  },
  'values as rows': {
    model: sequences((net) => {
      const v = net.op('Transpose', [net.linear('x', [WIDTH, 6])], { perm: [0, 2, 1] });
      const likeness = net.product('x', net.op('Transpose', ['x'], { perm: [0, 2, 1] }));
      const mixed = net.product(v, net.op('Softmax', [likeness], { axis: 1 }));
      return net.linear(net.op('Transpose', [mixed], { perm: [0, 2, 1] }), [6, 3]);
    }),
    verdict: { m1: 6, m2: 'WEIGHT_NOT_CONSTANT', m3: 6, m4: OUTPUT },
  },
};

/** A block: attention and an MLP around a stream, each behind a normalisation. */
const block = (normalise: (net: Net, x: string) => string): Model =>
  sequences((net) => {
    const stream = net.linear('x', [WIDTH, WIDTH]);
    const attended = net.op('Add', [stream, selfAttention(net, normalise(net, stream))]);
    const hidden = gelu(net, net.linear(normalise(net, attended), [WIDTH, 9]));
    return net.linear(normalise(net, net.op('Add', [attended, net.linear(hidden, [9, WIDTH])])), [WIDTH, 3]);
  });

/** m1 makes the stream, m2 … m7 the attention, m8 and m9 the MLP. */
const inBlock = (stream: number | string) => ({
  ...{ m1: stream, m2: QK, m3: QK, m4: INNER, m5: QK, m6: HEAD, m7: stream, m8: 9, m9: stream, m10: OUTPUT },
});

const BLOCKS: Record<string, Example> = {
  'a block with LayerNormalization': {
    model: block((net, x) => layerNorm(net, x, WIDTH)),
    verdict: inBlock(NORM),
  },
  'a block with LayerNorm written out': { model: block(writtenNorm), verdict: inBlock(NORM) },
  'a block without normalisation': { model: block((_, x) => x), verdict: inBlock(WIDTH) },
  'a class token and positions': {
    model: sequences((net) => {
      const rows = net.op('Gather', [net.op('Shape', ['x']), net.ints(0)]);
      const zeros = net.op('ConstantOfShape', [net.op('Concat', [rows, net.ints(1), net.ints(6)], { axis: 0 })]);
      const token = net.op('Add', [zeros, net.made([6])]);
      const joined = net.op('Concat', [token, net.linear('x', [WIDTH, 6])], { axis: 1 });
      return net.linear(net.op('Add', [joined, net.made([TOKENS + 1, 6])]), [6, 3]);
    }),
    verdict: { m1: 6, m2: OUTPUT },
  },
  'a class token that is expanded': {
    model: sequences((net) => {
      const rows = net.op('Gather', [net.op('Shape', ['x']), net.ints(0)]);
      const shape = net.op('Concat', [rows, net.ints(1), net.ints(6)], { axis: 0 });
      const token = net.op('Expand', [net.made([1, 1, 6]), shape]);
      return net.linear(net.op('Concat', [token, net.linear('x', [WIDTH, 6])], { axis: 1 }), [6, 3]);
    }),
    verdict: { m1: 6, m2: OUTPUT },
  },
  'a class token that something else reads too': {
    model: sequences((net) => {
      const rows = net.op('Gather', [net.op('Shape', ['x']), net.ints(0)]);
      const shape = net.op('Concat', [rows, net.ints(1), net.ints(6)], { axis: 0 });
      const token = net.op('Expand', [net.made([1, 1, 6]), shape]);
      const joined = net.op('Concat', [token, net.linear('x', [WIDTH, 6])], { axis: 1 });
      const far = net.op('ReduceSum', [token, net.ints(2)]);
      return net.op('Add', [net.linear(joined, [6, 3]), far]);
    }),
    verdict: { m1: 'COUPLED_TO_FIXED', m2: OUTPUT },
  },
};

/** Transformers and parts of them. */
export const TRANSFORMERS: Record<string, Example> = { ...MLPS, ...ATTENTION, ...BLOCKS };
