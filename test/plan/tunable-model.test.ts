import { afterAll, describe, expect, it } from 'vitest';
import { keepMask } from '../../src/channels/keep.js';
import { spanReduction } from '../../src/condense/span.js';
import { parameterCount } from '../../src/graph/edit.js';
import { WidthCost } from '../../src/plan/cost.js';
import { TunableModel, type Trial } from '../../src/plan/tunable-model.js';
import { Blas } from '../../src/runtime/blas.js';
import { keptIndices } from '../../src/channels/keep.js';
import { cutChannels } from '../../passes/cut-channels.js';
import { buildModel, node } from '../build-model.js';
import { analyse, CPU, momentsOf, outputsOf, randomFeeds, weights } from '../dense.js';

const blas = new Blas();
afterAll(() => blas.release());

describe('a trial on the full widths', () => {
  it.each([
    ['a vector', [4], {}],
    ['a row', [1, 4], { beta: { float: 2 } }],
    ['a scalar', [], { beta: { float: -1 } }],
    ['one number', [1], {}],
    ['none', undefined, { beta: { float: 0.5 } }],
    ['none that counts', [4], { beta: { float: 0 } }],
  ] as const)(
    'computes what the cut model computes, at the cost that was planned; bias: %s',
    async (_, bias, attributes) => {
      const model = buildModel({
        inputs: [{ name: 'x', shape: ['rows', 3] }],
        nodes: [
          node('Gemm', ['x', 'w1', 'b1'], ['h']),
          node('Sigmoid', ['h'], ['a']),
          node('Gemm', bias === undefined ? ['a', 'w2'] : ['a', 'w2', 'b2'], ['g'], attributes),
          node('Tanh', ['g'], ['c']),
          node('Gemm', ['c', 'w3'], ['y']),
        ],
        initializers: [
          ...[weights('w1', [3, 5]), weights('b1', [5]), weights('w2', [5, 4]), weights('w3', [4, 2])],
          ...(bias === undefined ? [] : [weights('b2', bias)]),
        ],
        outputs: [{ name: 'y' }],
      });
      const analysis = await analyse(model);
      const feeds = randomFeeds(model, 30);
      const kept = new Map(analysis.spaces.map((s) => [s.id, s.channels.slice(0, 3)]));
      const keep = keepMask(analysis, kept);
      const reduction = await spanReduction(model, analysis, keep, await momentsOf(model, analysis, feeds), blas);
      const cut = (await cutChannels.run(model, reduction)).model;

      const trials = [...reduction.absorbed].map(([consumer, { weight, biasDelta }]): Trial => {
        return { consumer, weight, biasDelta, kept: keptIndices(consumer.features, keep) };
      });
      const tunable = await TunableModel.open(model, [...reduction.absorbed.keys()], CPU);
      const [trial] = await tunable.run([feeds], trials);
      const [original] = await tunable.run([feeds], []);
      await tunable.release();
      const close = (found: typeof trial, wanted: typeof trial): void => {
        const data = wanted!.get('y')!.data as Float32Array;
        (found!.get('y')!.data as Float32Array).forEach((v, i) => expect(v).toBeCloseTo(data[i]!, 5));
      };
      close(trial, await outputsOf(cut, feeds));
      close(original, await outputsOf(model, feeds));
      expect(parameterCount(cut)).toBe(new WidthCost(model, analysis, new Map(), 1).parameters([3, 3]));
    },
  );
});
