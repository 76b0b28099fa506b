import { cumulativeSum, normalizeOver, reduce, softmax } from './along-axis.js';
import {
  carry,
  lengthsOnly,
  cast,
  concat,
  couple,
  mix,
  perChannelParameters,
  reshape,
  transpose,
  type Behaviour,
} from './behaviours.js';
import { argMax, topK } from './choices.js';
import { convolution } from './convolution.js';
import { gemm, matmul, quantized } from './linear.js';
import { gather, slice, split } from './select-operators.js';
import { pad, pool, resize } from './spatial.js';

/**
 * How each operator of the default domain treats channels. The one table that the analysis reads: adding an operator is one entry here (and,
 * if nothing fits, one behaviour) and one test. An operator that is not listed mixes: the channels it reads stay.
 */
export const OPERATORS: ReadonlyMap<string, Behaviour> = new Map<string, Behaviour>([
  // Linear with a constant weight: consume one set of channels, produce another.
  ['Gemm', gemm],
  ['MatMul', matmul],
  ...entries(['Conv', 'ConvTranspose'], convolution),

  // Elementwise functions of one value. Homogeneous ones let a scale factor through.
  ...entries(['Identity', 'Dropout', 'Neg'], carry('any')),
  ['Cast', cast],
  ...entries(['Relu', 'LeakyRelu', 'Abs'], carry('positive')),
  ...entries(
    [
      ...[
        'Acos',
        'Acosh',
        'Asin',
        'Asinh',
        'Atan',
        'Atanh',
        'Ceil',
        'Celu',
        'Clip',
        'Cos',
        'Cosh',
        'Elu',
        'Erf',
        'Exp',
        'Floor',
        'Gelu',
      ],
      ...[
        'HardSigmoid',
        'HardSwish',
        'IsNaN',
        'IsInf',
        'Log',
        'Mish',
        'Not',
        'Reciprocal',
        'Round',
        'Selu',
        'Shrink',
        'Sigmoid',
        'Sin',
        'Sign',
        'Sinh',
      ],
      ...['Softplus', 'Softsign', 'Sqrt', 'Swish', 'Tan', 'Tanh', 'ThresholdedRelu'],
    ],
    carry('none'),
  ),

  // Elementwise functions of several values: couple activations, cut constants along the channel axis.
  ...entries(
    ['Add', 'Sub', 'Sum'],
    couple({ perChannelConstant: { role: 'produce', homogeneity: 'any' }, scalarConstant: 'none', activations: 'any' }),
  ),
  [
    'Mul',
    couple({ perChannelConstant: { role: 'factor', homogeneity: 'any' }, scalarConstant: 'any', activations: 'none' }),
  ],
  [
    'PRelu',
    couple({
      perChannelConstant: { role: 'factor', homogeneity: 'positive' },
      scalarConstant: 'positive',
      activations: 'none',
    }),
  ],
  ...entries(
    ['Max', 'Min', 'Mean'],
    couple({
      perChannelConstant: { role: 'factor', homogeneity: 'none' },
      scalarConstant: 'none',
      activations: 'positive',
    }),
  ),
  ...entries(
    [
      'Div',
      'Pow',
      'Mod',
      'Where',
      'Equal',
      'Less',
      'LessOrEqual',
      'Greater',
      'GreaterOrEqual',
      'And',
      'Or',
      'Xor',
      'BitShift',
    ],
    couple({
      perChannelConstant: { role: 'factor', homogeneity: 'none' },
      scalarConstant: 'none',
      activations: 'none',
    }),
  ),

  // Per-channel parameters as further inputs.
  ['BatchNormalization', perChannelParameters([1, 2, 3, 4], 'none')],
  ['InstanceNormalization', perChannelParameters([1, 2], 'none')],

  ...entries(['LayerNormalization', 'RMSNormalization', 'SimplifiedLayerNormalization'], normalizeOver),

  // Over space.
  ...entries(['AveragePool', 'GlobalAveragePool'], pool('any')),
  ...entries(['MaxPool', 'GlobalMaxPool', 'LpPool', 'GlobalLpPool'], pool('positive')),
  ['Pad', pad],
  ...entries(['Resize', 'Upsample'], resize),

  // Reads lengths, not values; what becomes of them is followed in `shape-numbers.ts`.
  ['Shape', lengthsOnly],

  // Take channels apart.
  ['Slice', slice],
  ['Split', split],
  ['Gather', gather],

  // Shape and order.
  ...entries(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'], reshape),
  ['Transpose', transpose],
  ['Concat', concat],
  ...entries(['Softmax', 'LogSoftmax', 'Hardmax'], softmax),
  ['CumSum', cumulativeSum],
  ...entries(['ArgMax', 'ArgMin'], argMax),
  ['TopK', topK],
  ...entries(
    [
      'ReduceMean',
      'ReduceSum',
      'ReduceMax',
      'ReduceMin',
      'ReduceL1',
      'ReduceL2',
      'ReduceLogSumExp',
      'ReduceProd',
      'ReduceSumSquare',
    ],
    reduce,
  ),
]);

/** Products of quantised numbers, of the default domain and of the runtime's own. */
const QUANTIZED: ReadonlySet<string> = new Set([
  ...['QLinearConv', 'QLinearMatMul', 'ConvInteger', 'MatMulInteger'],
  ...['QGemm', 'MatMulIntegerToFloat', 'DynamicQuantizeMatMul', 'MatMulNBits'],
]);

/** The behaviour of an operator: that of the table, or `mix`. */
export function behaviourOf(opType: string, domain: string): Behaviour {
  if (QUANTIZED.has(opType) && ['', 'com.microsoft'].includes(domain)) return quantized;
  return (domain === '' ? OPERATORS.get(opType) : undefined) ?? mix;
}

function entries(names: readonly string[], behaviour: Behaviour): [string, Behaviour][] {
  return names.map((name) => [name, behaviour]);
}
