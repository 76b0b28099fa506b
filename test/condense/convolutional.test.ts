import { afterAll, describe, expect, it } from 'vitest';
import type { ChannelAnalysis } from '../../src/channels/types.js';
import { held } from '../../src/channels/weights.js';
import { cosineReduction } from '../../src/condense/cosine.js';
import { exactReduction } from '../../src/condense/exact.js';
import { replaceConstant } from '../../src/graph/edit.js';
import type { Model } from '../../src/graph/ir.js';
import { floatTensor, toFloat64 } from '../../src/graph/tensor-data.js';
import { Blas } from '../../src/runtime/blas.js';
import { cutChannels } from '../../passes/cut-channels.js';
import { foldBatchNormalization } from '../../passes/fold-batch-normalization.js';
import { convModel, siteMoments, type Net } from '../conv.js';
import { EXAMPLES } from '../conv-networks.js';
import { analyse, outputsOf, randomFeeds, relativeDifference, summary } from '../dense.js';
import { plant, type Plant } from '../fuzz/plant.js';

const blas = new Blas();
afterAll(() => blas.release());

const ROWS = 3;
const CONDENSABLE = Object.entries(EXAMPLES).filter(([, e]) =>
  Object.values(e.verdict).some((v) => typeof v === 'number'),
);

/** One round of `exact`, or of `cosine` at a threshold. */
async function reduce(model: Model, how: 'weights' | 'data' | number = 'weights'): Promise<Model> {
  const analysis = await analyse(model, ROWS);
  const moments = await siteMoments(model, analysis, randomFeeds(model, 20, 5));
  const reduction =
    typeof how === 'number'
      ? await cosineReduction(model, analysis, moments, how, blas)
      : await exactReduction(model, analysis, moments, how, blas);
  return (await cutChannels.run(model, reduction)).model;
}

const widths = async (model: Model): Promise<Record<string, number | string>> => summary(await analyse(model, ROWS));
const difference = (a: Model, b: Model): Promise<number> => relativeDifference(a, b, randomFeeds(a, 6, 9));

/** Writes numbers into an output channel of a convolution: what `values` makes of those of another channel. */
function setChannel(
  model: Model,
  name: string,
  channel: number,
  from: number,
  values: (v: number, isBias: boolean) => number,
): Model {
  model.graph.nodes
    .find((n) => n.name === name)!
    .inputs.slice(1)
    .forEach((input, i) => {
      const old = held(model.graph, input);
      const data = toFloat64(old);
      const width = data.length / old.dims[0]!;
      for (let k = 0; k < width; k++) data[channel * width + k] = values(data[from * width + k]!, i === 1);
      replaceConstant(model.graph, input, floatTensor(input, old.dims, 'float32', data));
    });
  return model;
}

describe('exact on convolutional networks', () => {
  it.each(CONDENSABLE)('removes nothing where nothing is redundant: %s', async (_, { model }) => {
    expect(await reduce(model)).toBe(model);
  });

  /** Conv → BatchNormalization → Relu → depthwise → BatchNormalization → Relu → Conv. */
  const separable = (): Model =>
    convModel([3, 6, 6], (net) => {
      const wide = net.op('Relu', [net.normalised(net.conv('x', [3, 5]), 5)]);
      return net.conv(net.op('Relu', [net.normalised(net.depthwise(wide, 5), 5)]), [5, 2]);
    });

  it.each(['duplicate', 'unread'] as const)(
    'finds what is planted into Conv + BN + Relu + depthwise + Conv: %s',
    async (kind) => {
      const plain = separable();
      let model = plain;
      for (const at of [3, 1, 0]) {
        const analysis = await analyse(model, ROWS);
        model = plant(model, analysis, analysis.spaces[0]!.channels[at]!, kind)!;
      }
      expect(await widths(model)).toEqual({ c1: 8, c2: 8, c3: 'GRAPH_OUTPUT' });
      const reduced = await reduce(model);
      expect(await widths(reduced)).toEqual(await widths(plain));
      expect(await difference(model, reduced)).toBeLessThan(1e-5);
      if (kind === 'unread') expect(await difference(plain, reduced)).toBeLessThan(1e-5);
    },
  );

  it('finds multiples as well once BatchNormalization is folded', async () => {
    const { model: plain } = await foldBatchNormalization.run(separable(), undefined);
    const analysis = await analyse(plain, ROWS);
    expect(analysis.spaces.map((s) => s.homogeneity)).toEqual(['positive']);
    // The bias of the depthwise layer is one that it adds: it scales with the channel.
    const model = plant(plain, analysis, analysis.spaces[0]!.channels[2]!, 'scaled')!;
    const reduced = await reduce(model);
    expect(await widths(reduced)).toEqual(await widths(plain));
    expect(await difference(model, reduced)).toBeLessThan(1e-5);
  });

  it.each([
    'identity shortcuts',
    'Slice and Pad as shortcut (option A)',
    'a shuffle by Reshape and Transpose',
    'squeeze and excite with convolutions',
    'Flatten with the channels outside',
    'channels inside (NHWC)',
    'depthwise with two outputs for each channel',
    'a U-Net',
    'Split in named parts, read at different places',
    'ConvTranspose with stride = kernel',
  ])('finds duplicates in every space: %s', async (name) => {
    const plain = EXAMPLES[name]!.model;
    let model = plain;
    const spaces = (await analyse(plain, ROWS)).spaces.length;
    for (let id = 0; id < spaces; id++) {
      const analysis: ChannelAnalysis = await analyse(model, ROWS);
      model = plant(model, analysis, analysis.spaces[id]!.channels[0]!, 'duplicate')!;
    }
    expect(await widths(model)).not.toEqual(await widths(plain));
    // Behind a duplicate that is gone another may show: one round for each space.
    let reduced = model;
    for (let round = 0; round < spaces; round++) reduced = await reduce(reduced);
    expect(await widths(reduced)).toEqual(await widths(plain));
    expect(await difference(model, reduced)).toBeLessThan(1e-5);
  });
});

describe('a constant channel', () => {
  /** Channel 2 of c1 (4 channels) has the value `value` everywhere, for any input. */
  function network(value: number, between: (net: Net, x: string) => string): Model {
    const model = convModel([3, 6, 6], (net) => between(net, net.op('Relu', [net.conv('x', [3, 4])])));
    return setChannel(model, 'c1', 2, 2, (_, isBias) => (isBias ? value : 0));
  }
  const open = { attributes: {} };

  const cases: [string, Model, 3 | 4][] = [
    ['goes into the bias of a convolution that does not pad', network(0.9, (net, x) => net.conv(x, [4, 2], open)), 3],
    ['also where that has no bias yet', network(0.9, (net, x) => net.conv(x, [4, 2], { ...open, bias: false })), 3],
    ['stays in front of one that pads', network(0.9, (net, x) => net.conv(x, [4, 2])), 4],
    [
      'stays in front of one that pads by name',
      network(0.9, (net, x) => net.conv(x, [4, 2], { attributes: { auto_pad: 'SAME_UPPER' } })),
      4,
    ],
    ['goes if it is zero, whatever pads', network(-0.9, (net, x) => net.conv(x, [4, 2])), 3],
    ['stays in front of a transposed convolution', network(0.9, (net, x) => net.transposed(x, [4, 2])), 4],
    ['goes in front of one if it is zero', network(-0.9, (net, x) => net.transposed(x, [4, 2])), 3],
    [
      'stays where one of two readers pads',
      network(0.9, (net, x) =>
        net.op('Add', [net.conv(x, [4, 2]), net.conv(x, [4, 2], { kernel: [1, 1], attributes: {} })]),
      ),
      4,
    ],
    [
      'passes a depthwise layer that does not pad',
      network(0.9, (net, x) => net.conv(net.depthwise(x, 4, 1, { attributes: { pads: [0, 0, 0, 0] } }), [4, 2], open)),
      3,
    ],
    ['is none behind one that pads', network(0.9, (net, x) => net.conv(net.depthwise(x, 4), [4, 2], open)), 4],
    [
      'passes a pool',
      network(0.9, (net, x) =>
        net.gemm(
          net.op('Flatten', [
            net.op('GlobalAveragePool', [net.op('MaxPool', [x], { kernel_shape: [2, 2], pads: [1, 1, 1, 1] })]),
          ]),
          [4, 2],
        ),
      ),
      3,
    ],
    [
      'is none behind a pool that counts zeros',
      network(0.9, (net, x) =>
        net.conv(
          net.op('AveragePool', [x], { kernel_shape: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 }),
          [4, 2],
          open,
        ),
      ),
      4,
    ],
    [
      'is none behind Pad',
      network(0.9, (net, x) => net.conv(net.op('Pad', [x, net.ints(0, 0, 1, 1, 0, 0, 1, 1)]), [4, 2], open)),
      4,
    ],
    [
      'passes Resize',
      network(0.9, (net, x) =>
        net.conv(net.op('Resize', [x, '', net.floats(1, 1, 2, 2)], { mode: 'linear' }), [4, 2], open),
      ),
      3,
    ],
    [
      'is none where Resize crops beyond the map',
      network(0.9, (net, x) =>
        net.conv(
          net.op('Resize', [x, net.floats(0, 0, -0.5, -0.5, 1, 1, 1, 1), '', net.ints(20, 4, 6, 6)], {
            mode: 'linear',
            coordinate_transformation_mode: 'tf_crop_and_resize',
          }),
          [4, 2],
          open,
        ),
      ),
      4,
    ],
    ['moves through Flatten', network(0.9, (net, x) => net.gemm(net.op('Flatten', [x]), [144, 2])), 3],
    [
      'moves through a gate',
      network(0.9, (net, x) => net.conv(net.op('Concat', [net.op('Sigmoid', [x]), x], { axis: 1 }), [8, 2], open)),
      3,
    ],
  ];

  it.each(cases)('%s', async (_, model, left) => {
    // One batch size: a constant number of rows may be named.
    const fixed = model.graph.nodes.some(
      (n) => n.inputs[3] !== undefined && n.opType === 'Resize' && n.inputs[3] !== '',
    );
    const rows = fixed ? 20 : ROWS;
    const analysis = await analyse(model, rows);
    const moments = await siteMoments(model, analysis, randomFeeds(model, 20, 5));
    const { model: reduced } = await cutChannels.run(
      model,
      await exactReduction(model, analysis, moments, 'weights', blas),
    );
    expect(held(reduced.graph, model.graph.nodes[0]!.inputs[1]!).dims[0]).toBe(left);
    expect(await relativeDifference(model, reduced, randomFeeds(model, 20, 9))).toBeLessThan(1e-5);
  });

  it('on the sample: a channel that never fires goes too, and one that does stays', async () => {
    const model = convModel([3, 6, 6], (net) => net.conv(net.op('Relu', [net.conv('x', [3, 4])]), [4, 2]));
    setChannel(model, 'c1', 1, 1, (v, isBias) => (isBias ? -100 : v));
    expect((await widths(await reduce(model)))['c1']).toBe(4);
    const reduced = await reduce(model, 'data');
    expect((await widths(reduced))['c1']).toBe(3);
    expect(await difference(model, reduced)).toBeLessThan(1e-5);
  });
});

describe('cosine on convolutional networks', () => {
  it.each(CONDENSABLE)('keeps the shapes of the outputs: %s', async (_, { model }) => {
    const reduced = await reduce(model, 0.6);
    const [before, after] = [
      await outputsOf(model, randomFeeds(model, ROWS)),
      await outputsOf(reduced, randomFeeds(model, ROWS)),
    ];
    expect([...after].map(([name, v]) => [name, v.dims])).toEqual([...before].map(([name, v]) => [name, v.dims]));
  });

  it.each(['duplicate', 'scaled'] as Plant[])('merges what is collinear without a loss: %s', async (kind) => {
    const plain = convModel([3, 6, 6], (net) =>
      net.conv(net.op('Relu', [net.depthwise(net.op('Relu', [net.conv('x', [3, 5])]), 5)]), [5, 2]),
    );
    const analysis = await analyse(plain, ROWS);
    const model = plant(plain, analysis, analysis.spaces[0]!.channels[1]!, kind)!;
    const reduced = await reduce(model, 1 - 1e-6);
    expect(await widths(reduced)).toEqual(await widths(plain));
    expect(await difference(model, reduced)).toBeLessThan(1e-5);
  });
});
