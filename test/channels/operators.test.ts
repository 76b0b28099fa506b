import { describe, expect, it } from 'vitest';
import { OPERATORS } from '../../src/channels/operators.js';
import type { Model, Node } from '../../src/graph/ir.js';
import { fromTypedArray } from '../../src/graph/tensor-data.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { buildModel, node } from '../build-model.js';
import {
  analyse,
  constant,
  cutOnly,
  dimsOf,
  integer,
  integers,
  keepFirst,
  randomFeeds,
  relativeDifference,
  summary,
  weights,
} from '../dense.js';

const FLOAT = 1;
const BOOL = 9;
const UINT8 = 2;

/** What stands between the layers `h` and `g` (4 channels each, both fed by x) and `a`, the input of the last layer. */
interface Case {
  readonly between: readonly Node[];
  /** The channels of h, or of h and g together, can be removed (`joins`: of h and g on their own); or why not. */
  readonly verdict: 'carries' | 'couples' | 'joins';
  readonly constants?: readonly Tensor[];
  readonly opset?: number;
}

/** Values in (0, 1), for functions that are not defined everywhere. */
const unit = node('Sigmoid', ['h'], ['s']);
const plain = (opType: string, opset = 17): Case => ({
  between: [node(opType, ['h'], ['a'])],
  verdict: 'carries',
  opset,
});
const onUnit = (opType: string): Case => ({ between: [unit, node(opType, ['s'], ['a'])], verdict: 'carries' });
const test = (opType: string): Case => ({
  between: [node(opType, ['h'], ['t']), node('Cast', ['t'], ['a'], { to: FLOAT })],
  verdict: 'carries',
});
const pair = (opType: string): Case => ({ between: [node(opType, ['h', 'g'], ['a'])], verdict: 'couples' });
const compare = (opType: string): Case => ({
  between: [node(opType, ['h', 'g'], ['t']), node('Cast', ['t'], ['a'], { to: FLOAT })],
  verdict: 'couples',
});
const logical = (opType: string): Case => ({
  between: [
    node('Cast', ['h'], ['h1'], { to: BOOL }),
    node('Greater', ['g', 'h'], ['g1']),
    node(opType, ['h1', 'g1'], ['t']),
    node('Cast', ['t'], ['a'], { to: FLOAT }),
  ],
  verdict: 'couples',
});
/** Over a pair of values of each channel, h and h². */
const normalizing = (opType: string, parameters: string[], opset = 17): Case => ({
  between: [
    node('Unsqueeze', ['h', 'last'], ['u']),
    node('Mul', ['u', 'u'], ['squares']),
    node('Concat', ['u', 'squares'], ['pairs'], { axis: 2 }),
    node(opType, ['pairs', ...parameters], ['n'], { axis: -1 }),
    node('ReduceSum', ['n', 'last'], ['a'], { keepdims: 0 }),
  ],
  verdict: 'carries',
  constants: [integers('last', [2]), ...parameters.map((name) => weights(name, [2]))],
  opset,
});
const alongRows = (opType: string): Case => ({
  between: [node(opType, ['h'], ['a'], { axis: 0 })],
  verdict: 'carries',
});
const overRows = (opType: string): Case => ({
  between: [unit, node(opType, ['s'], ['a'], { axes: [0] })],
  verdict: 'carries',
});
const all = (names: readonly string[], make: (name: string) => Case): Record<string, Case> =>
  Object.fromEntries(names.map((name) => [name, make(name)]));

/** A weight whose last row in four is zero: what channel 3 holds is not read. */
function readsThree(name: string, rows: number): Tensor {
  return constant(
    name,
    [rows, 2],
    Array.from({ length: rows * 2 }, (_, i) => (Math.floor(i / 2) % 4 === 3 ? 0 : Math.cos(i))),
  );
}
const middle = constant(
  'wm',
  [4, 4],
  Array.from({ length: 16 }, (_, i) => (i >= 12 ? 0 : Math.cos(i + 1))),
);
const perChannel = (name: string, ...values: number[]): Tensor => constant(name, [4], values);

/** An operator over [rows, 4, 1]. */
function onMap(middle: Node): Case {
  return {
    between: [node('Reshape', ['h', 'map'], ['u']), middle, node('Reshape', ['v', 'matrix'], ['a'])],
    verdict: 'carries',
    constants: axes,
  };
}
const axes = [integers('map', [-1, 4, 1]), integers('matrix', [-1, 4])];

/** A kernel [4, 4, 1] or with padding [4, 4, 3] that does not read feature 3; `order` says on which axis outputs and features are. */
function kernelReadingThree([outputAxis, featureAxis]: [number, number]): Tensor {
  const taps = outputAxis === 0 ? 3 : 1;
  return constant(
    'kernel',
    [4, 4, taps],
    Array.from({ length: 16 * taps }, (_, i) => {
      const at = [Math.floor(i / taps / 4), Math.floor(i / taps) % 4];
      return at[featureAxis] === 3 ? 0 : Math.cos(i + 1);
    }),
  );
}

const CASES: Record<string, Case> = {
  Gemm: { between: [node('Gemm', ['h', 'wm'], ['a'])], verdict: 'carries', constants: [middle] },
  MatMul: { between: [node('MatMul', ['h', 'wm'], ['a'])], verdict: 'carries', constants: [middle] },
  Conv: {
    ...onMap(node('Conv', ['u', 'kernel'], ['v'], { pads: [1, 1] })),
    constants: [...axes, kernelReadingThree([0, 1])],
  },
  ConvTranspose: {
    ...onMap(node('ConvTranspose', ['u', 'kernel'], ['v'])),
    constants: [...axes, kernelReadingThree([1, 0])],
  },
  ...all(['AveragePool', 'MaxPool', 'LpPool'], (opType) => onMap(node(opType, ['u'], ['v'], { kernel_shape: [1] }))),
  ...all(['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'], (opType) => onMap(node(opType, ['u'], ['v']))),
  InstanceNormalization: {
    ...onMap(node('InstanceNormalization', ['u', 'scale', 'shift'], ['v'])),
    constants: [...axes, perChannel('scale', 1, 2, 3, 4), perChannel('shift', 4, 3, 2, 1)],
  },
  Pad: {
    between: [node('Pad', ['h', 'pads'], ['p']), node('Slice', ['p', 'first', 'last', 'one'], ['a'])],
    verdict: 'carries',
    constants: [integers('pads', [0, 2, 0, 1]), integers('first', [2]), integers('last', [-1]), integers('one', [1])],
  },
  Slice: {
    between: [
      node('Slice', ['h', 'zero', 'two', 'one'], ['front']),
      node('Slice', ['h', 'two', 'far', 'one'], ['back']),
      node('Concat', ['front', 'back'], ['a'], { axis: 1 }),
    ],
    verdict: 'carries',
    constants: [integers('zero', [0]), integers('one', [1]), integers('two', [2]), integers('far', [99])],
  },
  Split: {
    between: [
      node('Split', ['h', 'sizes'], ['front', 'back'], { axis: 1 }),
      node('Concat', ['front', 'back'], ['a'], { axis: 1 }),
    ],
    verdict: 'carries',
    constants: [integers('sizes', [1, 3])],
  },
  Gather: {
    between: [node('Gather', ['h', 'swap'], ['t'], { axis: 1 }), node('Gather', ['t', 'swap'], ['a'], { axis: 1 })],
    verdict: 'carries',
    constants: [integers('swap', [2, 1, 0, -1])],
  },
  Resize: {
    ...onMap(node('Resize', ['u', '', '', 'sizes'], ['v'])),
    constants: [...axes, integers('sizes', [5, 4, 1])],
  },
  Upsample: {
    ...onMap(node('Upsample', ['u', 'scales'], ['v'])),
    constants: [...axes, constant('scales', [3], [1, 1, 1])],
    opset: 9,
  },
  ...all(
    ['Identity', 'Dropout', 'Neg', 'Relu', 'LeakyRelu', 'Abs', 'Asinh', 'Atan', 'Ceil', 'Celu', 'Cos', 'Cosh'],
    plain,
  ),
  ...all(
    ['Elu', 'Erf', 'Exp', 'Floor', 'HardSigmoid', 'HardSwish', 'Round', 'Selu', 'Shrink', 'Sigmoid', 'Sin'],
    plain,
  ),
  ...all(['Sign', 'Sinh', 'Softplus', 'Softsign', 'Tan', 'Tanh', 'ThresholdedRelu'], plain),
  ...all(['Acos', 'Asin', 'Atanh', 'Log', 'Reciprocal', 'Sqrt'], onUnit),
  Acosh: { between: [node('Cosh', ['h'], ['s']), node('Acosh', ['s'], ['a'])], verdict: 'carries' },
  Mish: plain('Mish', 18),
  Gelu: plain('Gelu', 20),
  Swish: plain('Swish', 24),
  Clip: {
    between: [node('Clip', ['h', 'low', 'high'], ['a'])],
    verdict: 'carries',
    constants: [constant('low', [], [-0.5]), constant('high', [], [0.5])],
  },
  Cast: {
    between: [node('Cast', ['h'], ['t'], { to: 11 }), node('Cast', ['t'], ['a'], { to: FLOAT })],
    verdict: 'carries',
  },
  ...all(['IsNaN', 'IsInf'], test),
  Not: {
    between: [
      node('Cast', ['h'], ['s'], { to: BOOL }),
      node('Not', ['s'], ['t']),
      node('Cast', ['t'], ['a'], { to: FLOAT }),
    ],
    verdict: 'carries',
  },
  ...all(['Add', 'Sub', 'Sum', 'Mul', 'PRelu', 'Max', 'Min', 'Mean'], pair),
  Div: { between: [node('Exp', ['g'], ['s']), node('Div', ['h', 's'], ['a'])], verdict: 'couples' },
  Pow: { between: [unit, node('Pow', ['s', 'g'], ['a'])], verdict: 'couples' },
  Mod: { between: [node('Exp', ['g'], ['t']), node('Mod', ['h', 't'], ['a'], { fmod: 1 })], verdict: 'couples' },
  ...all(['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual'], compare),
  ...all(['And', 'Or', 'Xor'], logical),
  Where: {
    between: [node('Where', ['mask', 'h', 'g'], ['a'])],
    verdict: 'couples',
    constants: [fromTypedArray('mask', [4], 'bool', Uint8Array.of(1, 0, 0, 1))],
  },
  BitShift: {
    between: [
      node('Abs', ['h'], ['h1']),
      node('Abs', ['g'], ['g1']),
      node('Cast', ['h1'], ['h2'], { to: UINT8 }),
      node('Cast', ['g1'], ['g2'], { to: UINT8 }),
      node('BitShift', ['h2', 'g2'], ['t'], { direction: 'LEFT' }),
      node('Cast', ['t'], ['a'], { to: FLOAT }),
    ],
    verdict: 'couples',
  },
  BatchNormalization: {
    between: [node('BatchNormalization', ['h', 'scale', 'shift', 'mean', 'variance'], ['a'])],
    verdict: 'carries',
    constants: [
      perChannel('scale', 1, 2, 3, 4),
      perChannel('shift', 4, 3, 2, 1),
      perChannel('mean', 0.1, 0.2, 0.3, 0.4),
      perChannel('variance', 1, 2, 1, 2),
    ],
  },
  Reshape: {
    between: [node('Reshape', ['h', 'shape'], ['a'])],
    verdict: 'carries',
    constants: [integers('shape', [-1, 4])],
  },
  Flatten: { between: [node('Flatten', ['h'], ['a'])], verdict: 'carries' },
  ...all(['Squeeze', 'Unsqueeze'], () => ({
    between: [node('Unsqueeze', ['h', 'one'], ['t']), node('Squeeze', ['t', 'one'], ['a'])],
    verdict: 'carries',
    constants: [integers('one', [1])],
  })),
  Transpose: {
    between: [
      node('Transpose', ['h'], ['t']),
      node('Relu', ['t'], ['r']),
      node('Transpose', ['r'], ['a'], { perm: [1, 0] }),
    ],
    verdict: 'carries',
  },
  Shape: {
    between: [
      node('Shape', ['h'], ['lengths']),
      node('Slice', ['lengths', 'zero', 'one'], ['rows']),
      node('Gather', ['lengths', 'one'], ['count'], { axis: 0 }),
      node('Concat', ['rows', 'one', 'count'], ['deep'], { axis: 0 }),
      node('Reshape', ['h', 'deep'], ['t']),
      node('Squeeze', ['t', 'one'], ['a']),
    ],
    verdict: 'carries',
    constants: [integers('zero', [0]), integers('one', [1])],
  },
  Concat: { between: [node('Concat', ['h', 'g'], ['a'], { axis: 1 })], verdict: 'joins' },
  ...all(['Softmax', 'LogSoftmax', 'Hardmax'], alongRows),
  CumSum: {
    between: [node('CumSum', ['h', 'rows'], ['a'])],
    verdict: 'carries',
    constants: [integer('rows', 0)],
  },
  ...all(['ArgMax', 'ArgMin'], (opType) => ({
    between: [node(opType, ['h'], ['t'], { axis: -2 }), node('Cast', ['t'], ['a'], { to: FLOAT })],
    verdict: 'carries',
  })),
  TopK: {
    between: [node('TopK', ['h', 'two'], ['a', 'places'], { axis: 0 })],
    verdict: 'carries',
    constants: [integers('two', [2])],
  },
  LayerNormalization: normalizing('LayerNormalization', ['scale', 'shift']),
  RMSNormalization: normalizing('RMSNormalization', ['scale'], 23),
  SimplifiedLayerNormalization: normalizing('SimplifiedLayerNormalization', ['scale']),
  ...all(
    [
      'ReduceMean',
      'ReduceMax',
      'ReduceMin',
      'ReduceL1',
      'ReduceL2',
      'ReduceLogSumExp',
      'ReduceProd',
      'ReduceSumSquare',
    ],
    overRows,
  ),
  ReduceSum: {
    between: [node('ReduceSum', ['h', 'rows'], ['a'])],
    verdict: 'carries',
    constants: [integers('rows', [0])],
  },
};

function modelOf({ between, verdict, constants = [], opset = 17 }: Case): Model {
  const second = between.some((n) => n.inputs.includes('g'));
  return buildModel({
    opset,
    irVersion: 10,
    inputs: [{ name: 'x', shape: ['rows', 3] }],
    nodes: [
      node('Gemm', ['x', 'w1', 'b1'], ['h']),
      ...(second ? [node('Gemm', ['x', 'w3', 'b3'], ['g'])] : []),
      ...between,
      // Before opset 11 Gemm wants a bias.
      node('Gemm', opset < 11 ? ['a', 'w2', 'b2'] : ['a', 'w2'], ['y']),
    ],
    initializers: [
      weights('w1', [3, 4]),
      weights('b1', [4]),
      ...(second ? [weights('w3', [3, 4]), weights('b3', [4])] : []),
      ...constants,
      ...(opset < 11 ? [weights('b2', [2])] : []),
      readsThree('w2', verdict === 'joins' ? 8 : 4),
    ],
    outputs: [{ name: 'y' }],
  });
}

describe('every operator of the table', () => {
  it.each([...OPERATORS.keys()])('%s', async (opType) => {
    const wanted = CASES[opType]!;
    expect(wanted, 'a case for the operator').toBeDefined();
    expect(
      wanted.between.map((n) => n.opType),
      'the case exercises it',
    ).toContain(opType);
    const model = modelOf(wanted);
    const analysis = await analyse(model);
    const found = summary(analysis);
    expect(found['h']).toBe(4);
    const spaceOf = (name: string) => analysis.targets.find((t) => t.node.name === name)?.spaces;
    if (wanted.verdict !== 'carries') expect(found['g']).toBe(4);
    if (wanted.verdict === 'couples') expect(spaceOf('g')).toEqual(spaceOf('h'));
    if (wanted.verdict === 'joins') expect(spaceOf('g')).not.toEqual(spaceOf('h'));

    // Channel 3 is not read: without it the model computes the same, if every constant and shape followed.
    const cut = await cutOnly(model, analysis, keepFirst(analysis, 3));
    expect(dimsOf(cut, 'w1', 'b1')).toEqual([[3, 3], [3]]);
    expect(await relativeDifference(model, cut, randomFeeds(model, 5))).toBeLessThan(1e-6);
  });
});

it('CumSum makes what was constant uneven: it grows along the axis', async () => {
  const [summed, left] = await Promise.all(
    [CASES['CumSum']!, CASES['Identity']!].map(async (given) => (await analyse(modelOf(given))).spaces[0]!),
  );
  expect([summed!.uneven, left!.uneven]).toEqual([true, false]);
});
