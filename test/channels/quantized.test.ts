import { beforeEach, describe, expect, it } from 'vitest';
import { condense, type Model } from '../../src/index.js';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { fromTypedArray } from '../../src/graph/tensor-data.js';
import { buildModel, node } from '../build-model.js';
import { analyse, constant, randomFeeds, summary, weights } from '../dense.js';
import { writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
let here: string;
beforeEach(() => {
  here = folder();
});

const bytes = (name: string, dims: readonly number[]): Tensor => {
  const count = dims.reduce((a, b) => a * b, 1);
  return fromTypedArray(
    name,
    dims,
    'int8',
    Int8Array.from({ length: count }, (_, i) => ((i * 37) % 200) - 100),
  );
};

/** x → q1 → Relu → q2 → y with weights in 8 bits behind DequantizeLinear; `middle` replaces the Relu. */
const dequantised = (middle = [node('Relu', ['h'], ['a'])], more: readonly Tensor[] = []): Model =>
  buildModel({
    inputs: [{ name: 'x', shape: ['rows', 4] }],
    nodes: [
      node('DequantizeLinear', ['w1', 's'], ['d1']),
      node('Gemm', ['x', 'd1'], ['h'], {}, { name: 'q1' }),
      ...middle,
      node('DequantizeLinear', ['w2', 's'], ['d2']),
      node('Gemm', ['a', 'd2'], ['y'], {}, { name: 'q2' }),
    ],
    initializers: [bytes('w1', [4, 6]), bytes('w2', [6, 3]), constant('s', [], [0.01]), ...more],
    outputs: [{ name: 'y' }],
  });

describe('quantised weights', () => {
  it('are refused by name, and what is between them is still condensed', async () => {
    const middle = [
      node('Gemm', ['h', 'w'], ['g'], {}, { name: 'm1' }),
      node('Relu', ['g'], ['r']),
      node('Gemm', ['r', 'v'], ['a'], {}, { name: 'm2' }),
    ];
    const model = dequantised(middle, [weights('w', [6, 8]), weights('v', [8, 6])]);
    expect(summary(await analyse(model))).toEqual({ q1: 'QUANTIZED', m1: 8, m2: 'QUANTIZED', q2: 'QUANTIZED' });
  });

  it('are refused in products of whole numbers too', async () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 4] }],
      nodes: [
        node('DynamicQuantizeLinear', ['x'], ['q', 's', 'z']),
        node('MatMulInteger', ['q', 'w', 'z'], ['i'], {}, { name: 'q1' }),
        node('Cast', ['i'], ['y'], { to: 1 }),
      ],
      initializers: [bytes('w', [4, 3])],
      outputs: [{ name: 'y' }],
    });
    expect(summary(await analyse(model))).toEqual({ q1: 'QUANTIZED' });
  });

  it('everywhere: the advice is to condense first', async () => {
    const model = dequantised();
    const data = writeNpz(here, 'x.npz', Object.fromEntries(randomFeeds(model, 20)));
    const error: unknown = await condense(model, { data: [data], keepParams: 0.5 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CondenseError);
    expect((error as CondenseError).diagnostic).toMatchObject({
      code: 'MODEL_QUANTIZED',
      exitCode: 4,
      message: 'the model is quantised: all of its 2 matrix products and convolutions have quantised weights',
      advice: 'Condense the model in floating point first, then quantise the result.',
    });
  });
});
