import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { GRADIENT_RULES } from '../../src/autodiff/rules.js';
import { gradientError, type NodeCase } from './check.js';

const dims = (min: number, max: number, least = 1, most = 4) =>
  fc.array(fc.integer({ min: least, max: most }), { minLength: min, maxLength: max });
const always = (given: NodeCase): fc.Arbitrary<NodeCase> => fc.constant(given);

/** Any shape; operands away from kinks where there are some. */
const unary = (
  opType: string,
  values?: NodeCase['values'],
  attributes: fc.Arbitrary<NonNullable<NodeCase['attributes']>> = fc.constant({}),
): fc.Arbitrary<NodeCase> =>
  fc.record({ operands: dims(1, 4).map((d) => [d]), attributes }).map(({ operands, attributes: a }) => ({
    ...{ opType, operands, attributes: a },
    ...(values === undefined ? {} : { values }),
  }));
const alpha = fc.integer({ min: 1, max: 15 }).map((a) => ({ alpha: { float: a / 10 } }));

/** Two operands that broadcast against each other, in either rank. */
const broadcast = (opType: string, values?: NodeCase['values']): fc.Arbitrary<NodeCase> =>
  fc
    .record({
      shape: dims(1, 4, 2),
      ones: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
      drop: fc.nat(2),
      swap: fc.boolean(),
    })
    .map(({ shape, ones, drop, swap }) => {
      const a = shape.map((d, i) => (ones[i]! ? 1 : d));
      const b = shape.map((d, i) => (ones[i + 4]! && !ones[i]! ? 1 : d)).slice(Math.min(drop, shape.length - 1));
      return { opType, operands: swap ? [b, a] : [a, b], ...(values === undefined ? {} : { values }) };
    });

const gemm = fc
  .record({
    sizes: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    transA: fc.nat(1),
    transB: fc.nat(1),
    bias: fc.constantFrom('none', 'row', 'full', 'one'),
    scales: fc.boolean(),
  })
  .map(({ sizes: [m, k, n], transA, transB, bias, scales }): NodeCase => ({
    opType: 'Gemm',
    operands: [
      transA === 1 ? [k, m] : [m, k],
      transB === 1 ? [n, k] : [k, n],
      ...(bias === 'none' ? [] : [bias === 'row' ? [n] : bias === 'full' ? [m, n] : [1]]),
    ],
    attributes: { transA, transB, ...(scales ? { alpha: { float: 0.5 }, beta: { float: -2 } } : {}) },
  }));

const matmul = fc
  .constantFrom<NodeCase['operands']>(
    [
      [3, 4],
      [4, 2],
    ],
    [
      [2, 3, 4],
      [4, 2],
    ],
    [
      [2, 3, 4],
      [2, 4, 5],
    ],
    [
      [2, 1, 3, 4],
      [3, 4, 2],
    ],
    [
      [3, 4],
      [2, 4, 2],
    ],
    [[4], [4, 2]],
    [[3, 4], [4]],
    [[4], [4]],
    [[2, 3, 4], [4]],
    [[4], [2, 4, 3]],
  )
  .map((operands): NodeCase => ({ opType: 'MatMul', operands }));

/** Convolutions in one or two dimensions, strided, dilated, padded unevenly, with a kernel that does not reach the end. */
const spatial = fc.record({
  rank: fc.integer({ min: 1, max: 2 }),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })),
  dilations: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  pads: fc.tuple(fc.nat(2), fc.nat(1), fc.nat(1), fc.nat(2)),
  size: fc.tuple(fc.integer({ min: 5, max: 8 }), fc.integer({ min: 5, max: 7 })),
  bias: fc.boolean(),
  same: fc.boolean(),
});
type Spatial = typeof spatial extends fc.Arbitrary<infer T> ? T : never;

const geometry = ({ rank, kernel, strides, dilations, pads, same }: Spatial, auto: boolean) => ({
  kernel_shape: kernel.slice(0, rank),
  strides: strides.slice(0, rank),
  dilations: dilations.slice(0, rank),
  ...(same && auto ? { auto_pad: 'SAME_UPPER' } : { pads: rank === 1 ? [pads[0], pads[2]] : [...pads] }),
});

/** Channels read and made, and groups. */
const CHANNELS = { none: [3, 2, 1], depthwise: [2, 2, 2], multiplied: [2, 4, 2], grouped: [6, 4, 2] } as const;

const conv = fc
  .record({ s: spatial, group: fc.constantFrom('none', 'depthwise', 'multiplied', 'grouped') })
  .map(({ s, group }): NodeCase => {
    const [inputs, outputs, groups] = CHANNELS[group];
    const per = inputs / groups;
    return {
      opType: 'Conv',
      operands: [
        [2, inputs, ...s.size.slice(0, s.rank)],
        [outputs, per, ...s.kernel.slice(0, s.rank)],
        ...(s.bias ? [[outputs]] : []),
      ],
      // The runtime wants dilations of 1 where it works out the padding.
      attributes: {
        ...geometry({ ...s, dilations: s.same ? [1, 1] : s.dilations }, true),
        group: groups,
      },
    };
  });

const convTranspose = fc.record({ s: spatial, group: fc.constantFrom(1, 2) }).map(({ s, group }): NodeCase => ({
  opType: 'ConvTranspose',
  operands: [
    [2, 4, ...s.size.slice(0, s.rank).map((d) => d - 3)],
    [4, 3, ...s.kernel.slice(0, s.rank)],
    ...(s.bias ? [[3 * group]] : []),
  ],
  attributes: {
    group,
    ...geometry({ ...s, pads: [0, 0, 0, 0] }, false),
    output_padding: s.strides.slice(0, s.rank).map((stride, i) => Math.min(stride, s.dilations[i]!) - 1),
  },
}));

const pool = (opType: string) =>
  fc.record({ s: spatial, all: fc.nat(1) }).map(({ s, all }): NodeCase => {
    // The runtime works out negative padding where windows leave gaps, and refuses it.
    const same = s.same && s.kernel.every((k, i) => k >= s.strides[i]!);
    const pads = s.pads.map((p, i) => Math.min(p, s.kernel[i % 2]! - 1)) as Spatial['pads'];
    const { dilations, ...rest } = geometry({ ...s, pads, same }, true);
    return {
      opType,
      operands: [[2, 2, ...s.size.slice(0, s.rank)]],
      attributes: {
        ...rest,
        ...(opType === 'AveragePool' ? { count_include_pad: all } : same ? {} : { dilations }),
      },
      values: 'apart',
    };
  });

const reduction = (opType: string, inputFrom: number, leastAxis = -2) =>
  fc
    .record({
      shape: dims(2, 4),
      axes: fc.uniqueArray(fc.integer({ min: leastAxis, max: 1 }), { minLength: 1, maxLength: 1 }),
      keepdims: fc.nat(1),
      all: fc.boolean(),
    })
    .map(({ shape, axes, keepdims, all }): NodeCase => ({
      opType,
      operands: [shape],
      attributes: { keepdims, ...(all || inputFrom <= 17 ? {} : { axes }) },
      ...(all || inputFrom > 17 ? {} : { integers: [axes] }),
    }));

const last = (opType: string) =>
  fc.record({ shape: dims(1, 4, 2), at: fc.nat(3) }).map(({ shape, at }): NodeCase => ({
    opType,
    operands: [shape],
    attributes: { axis: at % shape.length },
  }));

/** Random nodes for every operator. */
const CASES: Readonly<Record<string, fc.Arbitrary<NodeCase>>> = {
  Identity: unary('Identity'),
  Dropout: unary('Dropout'),
  Neg: unary('Neg'),
  Abs: unary('Abs', 'apart'),
  Sqrt: unary('Sqrt', 'positive'),
  Reciprocal: unary('Reciprocal', 'positive'),
  Exp: unary('Exp'),
  Log: unary('Log', 'positive'),
  Erf: unary('Erf'),
  Relu: unary('Relu', 'apart'),
  LeakyRelu: unary('LeakyRelu', 'apart', alpha),
  Elu: unary('Elu', 'apart', alpha),
  Selu: unary('Selu', 'apart'),
  Sigmoid: unary('Sigmoid'),
  HardSigmoid: unary('HardSigmoid', 'apart', fc.constant({ alpha: { float: 0.25 } })),
  HardSwish: unary('HardSwish', 'apart'),
  Tanh: unary('Tanh'),
  Softplus: unary('Softplus'),
  Mish: unary('Mish').map((c) => ({ ...c, opset: 18 })),
  Gelu: unary('Gelu', undefined, fc.constantFrom({}, { approximate: 'tanh' })).map((c) => ({ ...c, opset: 20 })),
  Clip: unary('Clip', 'apart').map((c) => ({ ...c, floats: [[-0.4], [0.6]] })),
  Pow: fc
    .record({ c: unary('Pow', 'positive'), p: fc.constantFrom(2, 3, 0.5, -1) })
    .map(({ c, p }) => ({ ...c, floats: [[p]] })),
  PRelu: fc.constantFrom<NodeCase>(
    {
      opType: 'PRelu',
      operands: [
        [2, 3, 4],
        [3, 1],
      ],
      values: 'apart',
    },
    { opType: 'PRelu', operands: [[2, 3], [1]], values: 'apart' },
  ),
  Max: broadcast('Max', 'apart'),
  Min: broadcast('Min', 'apart'),
  Add: broadcast('Add'),
  Sub: broadcast('Sub'),
  Mul: broadcast('Mul'),
  Div: broadcast('Div', 'positive'),
  Gemm: gemm,
  MatMul: matmul,
  BatchNormalization: dims(0, 2).map((rest) => ({
    opType: 'BatchNormalization',
    operands: [[2, 3, ...rest], [3], [3], [3], [3]],
    values: 'positive',
    constant: [3, 4],
    attributes: { epsilon: { float: 1e-3 } },
  })),
  Conv: conv,
  ConvTranspose: convTranspose,
  GlobalAveragePool: dims(1, 2).map((rest) => ({ opType: 'GlobalAveragePool', operands: [[2, 3, ...rest]] })),
  GlobalMaxPool: dims(1, 2).map((rest) => ({ opType: 'GlobalMaxPool', operands: [[2, 3, ...rest]], values: 'apart' })),
  AveragePool: pool('AveragePool'),
  MaxPool: pool('MaxPool'),
  ReduceMean: reduction('ReduceMean', 18),
  ReduceSum: reduction('ReduceSum', 13),
  CumSum: fc
    .record({ shape: dims(1, 3), axis: fc.integer({ min: -1, max: 0 }), exclusive: fc.nat(1), reverse: fc.nat(1) })
    .map(({ shape, axis, ...attributes }) => ({
      opType: 'CumSum',
      operands: [shape],
      integers: [[axis]],
      attributes,
    })),
  Softmax: last('Softmax'),
  LogSoftmax: last('LogSoftmax'),
  LayerNormalization: fc.constantFrom<NodeCase>(
    { opType: 'LayerNormalization', operands: [[2, 3, 5], [5], [5]] },
    { opType: 'LayerNormalization', operands: [[4, 6], [6]] },
    {
      opType: 'LayerNormalization',
      operands: [
        [2, 3, 4],
        [3, 4],
        [3, 4],
      ],
      attributes: { axis: 1 },
    },
  ),
  Reshape: always({ opType: 'Reshape', operands: [[2, 3, 4]], integers: [[4, -1]] }),
  Flatten: always({ opType: 'Flatten', operands: [[2, 3, 4]] }),
  Squeeze: always({ opType: 'Squeeze', operands: [[2, 1, 4]], integers: [[1]] }),
  Unsqueeze: always({ opType: 'Unsqueeze', operands: [[2, 4]], integers: [[1]] }),
  Transpose: fc.constantFrom<NodeCase>(
    { opType: 'Transpose', operands: [[2, 3, 4]], attributes: { perm: [1, 2, 0] } },
    { opType: 'Transpose', operands: [[2, 3, 4]] },
  ),
  Concat: fc
    .record({ axis: fc.integer({ min: -2, max: 1 }), first: fc.integer({ min: 1, max: 3 }) })
    .map(({ axis, first }) => ({
      opType: 'Concat',
      operands:
        axis === 0 || axis === -2
          ? [
              [first, 3],
              [2, 3],
              [1, 3],
            ]
          : [
              [2, first],
              [2, 4],
            ],
      attributes: { axis },
    })),
  Split: fc.constantFrom<NodeCase>(
    { opType: 'Split', operands: [[2, 6]], attributes: { axis: 1 }, integers: [[1, 2, 3]], outputs: 3 },
    { opType: 'Split', operands: [[6, 2]], attributes: { axis: -2 }, integers: [[4, 2]], outputs: 2 },
  ),
  Slice: fc.constantFrom<NodeCase>(
    { opType: 'Slice', operands: [[5, 6]], integers: [[1], [4]] },
    {
      opType: 'Slice',
      operands: [[5, 7]],
      integers: [
        [0, 1],
        [5, 100],
        [0, 1],
        [2, 3],
      ],
    },
    { opType: 'Slice', operands: [[5, 7]], integers: [[-3], [-1], [-1]] },
    {
      opType: 'Slice',
      operands: [[1, 2, 8, 8]],
      integers: [
        [0, 0],
        [100, 100],
        [2, 3],
        [2, 2],
      ],
    },
  ),
  Pad: fc.constantFrom<NodeCase>(
    { opType: 'Pad', operands: [[2, 3]], integers: [[1, 0, 0, 2]] },
    { opType: 'Pad', operands: [[2, 3]], integers: [[0, 0, 0, 0]] },
  ),
  Expand: fc.constantFrom<NodeCase>(
    { opType: 'Expand', operands: [[3, 1]], integers: [[2, 3, 4]] },
    { opType: 'Expand', operands: [[1]], integers: [[2, 2]] },
  ),
  Gather: fc.constantFrom<NodeCase>(
    { opType: 'Gather', operands: [[4, 3]], integers: [[2, 0, 2, -1]] },
    { opType: 'Gather', operands: [[2, 5, 3]], integers: [[4, 1]], attributes: { axis: 1 } },
  ),
  Resize: fc
    .record({
      mode: fc.constantFrom('nearest', 'linear'),
      coordinate_transformation_mode: fc.constantFrom(
        'half_pixel',
        'asymmetric',
        'align_corners',
        'pytorch_half_pixel',
      ),
      nearest_mode: fc.constantFrom('round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'),
      from: fc.tuple(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 2, max: 5 })),
      to: fc.tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 2, max: 9 })),
    })
    .map(({ from, to, ...attributes }): NodeCase => ({
      opType: 'Resize',
      operands: [[1, 2, ...from]],
      attributes,
      integers: ['', '', [1, 2, ...to]],
    })),
  Upsample: always({ opType: 'Upsample', operands: [[1, 2, 3, 3]], floats: [[1, 1, 2, 2]], opset: 9 }),
  Cast: always({ opType: 'Cast', operands: [[2, 3]], attributes: { to: 1 } }),
};

const ofOpset = (opset: number, cases: fc.Arbitrary<NodeCase>): fc.Arbitrary<NodeCase> =>
  cases.map((c) => ({ ...c, opset }));

/** What older operator sets say otherwise. */
const OLDER: readonly (readonly [string, fc.Arbitrary<NodeCase>])[] = [
  ...[7, 9, 11].flatMap((opset) =>
    ['Abs', 'GlobalAveragePool', 'GlobalMaxPool', 'Add', 'Relu', 'MatMul'].map(
      (op) => [`${op}, operator set ${opset}`, ofOpset(opset, CASES[op]!)] as const,
    ),
  ),
  // Gemm wants a bias before operator set 11.
  ...[7, 9].map(
    (opset) =>
      [
        `Gemm, operator set ${opset}`,
        ofOpset(
          opset,
          gemm.filter((c) => c.operands.length === 3),
        ),
      ] as const,
  ),
  ...[7, 9, 11].map((opset) => [`Conv, operator set ${opset}`, ofOpset(opset, conv)] as const),
  // Windows of pools are not dilated before operator set 10.
  ...[8, 9].map(
    (opset) =>
      [
        `MaxPool, operator set ${opset}`,
        pool('MaxPool').map(({ attributes: { dilations: _, ...attributes } = {}, ...c }) => ({
          ...c,
          attributes,
          opset,
        })),
      ] as const,
  ),
  ['AveragePool, operator set 9', ofOpset(9, pool('AveragePool'))],
  ...[7, 9, 11].flatMap((opset) =>
    ['ReduceSum', 'ReduceMean'].map(
      (op) => [`${op}, operator set ${opset}`, ofOpset(opset, reduction(op, 18, 0))] as const,
    ),
  ),
  ['Softmax, operator set 11', always({ opType: 'Softmax', operands: [[3, 4]], attributes: { axis: 1 }, opset: 11 })],
  [
    'Clip, operator set 9',
    unary('Clip', 'apart', fc.constant({ min: { float: -0.4 }, max: { float: 0.6 } })).map((c) => ({ ...c, opset: 9 })),
  ],
  ['Pad, operator set 9', always({ opType: 'Pad', operands: [[2, 3]], attributes: { pads: [1, 0, 0, 2] }, opset: 9 })],
  [
    'Slice, operator set 9',
    always({ opType: 'Slice', operands: [[5, 6]], attributes: { axes: [1], starts: [1], ends: [4] }, opset: 9 }),
  ],
  [
    'Split, operator set 11',
    always({ opType: 'Split', operands: [[2, 6]], attributes: { axis: 1, split: [1, 2, 3] }, outputs: 3, opset: 11 }),
  ],
  [
    'Squeeze, operator set 11',
    always({ opType: 'Squeeze', operands: [[2, 1, 4]], attributes: { axes: [1] }, opset: 11 }),
  ],
];

describe('gradients', () => {
  it('every rule is checked', () => {
    expect(Object.keys(CASES).sort()).toEqual(Object.keys(GRADIENT_RULES).sort());
  });

  it.each([...Object.entries(CASES), ...OLDER])('%s: as a central difference says', async (_, cases) => {
    await fc.assert(
      fc.asyncProperty(cases, fc.integer({ min: 1, max: 1e6 }), async (given, seed) => {
        const { error, tolerance, stops } = await gradientError(given, seed);
        expect(stops).toEqual([]);
        expect(error).toBeLessThanOrEqual(tolerance);
      }),
      { numRuns: 12, seed: 5 },
    );
  });
});
