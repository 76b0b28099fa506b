import { afterAll, describe, expect, it } from 'vitest';
import type { Batch } from '../../src/calibration/stream.js';
import { chooseViews } from '../../src/channels/sites.js';
import { keptIndices } from '../../src/channels/keep.js';
import type { ChannelAnalysis } from '../../src/channels/types.js';
import { held } from '../../src/channels/weights.js';
import { spanReduction } from '../../src/condense/span.js';
import { replaceConstant } from '../../src/graph/edit.js';
import type { Feeds } from '../../src/graph/feeds.js';
import type { Model } from '../../src/graph/ir.js';
import { elementCount } from '../../src/graph/tensor.js';
import { floatTensor, toFloat64 } from '../../src/graph/tensor-data.js';
import { Blas } from '../../src/runtime/blas.js';
import { probeShapes } from '../../src/runtime/shapes.js';
import { cutChannels } from '../../passes/cut-channels.js';
import { refitInSequence } from '../../passes/refit.js';
import { convModel, siteMoments, type Net } from '../conv.js';
import { EXAMPLES } from '../conv-networks.js';
import { analyse, CPU, keepFirst, outputsOf, randomFeeds, relativeDifference, snapshot } from '../dense.js';

const blas = new Blas();
afterAll(() => blas.release());

const FOLDS = 4;
const ROWS = 30;

interface Options {
  readonly view?: 'channels' | 'patches';
  readonly memory?: number;
  readonly positions?: number;
  /** The model takes one row at a time. */
  readonly single?: boolean;
  /** Rows of a run. */
  readonly batch?: number;
}

/** All rows that are fitted, in one feed. */
const fittedRows = (model: Model): Feeds => randomFeeds(model, FOLDS * ROWS, 11);

function batchesFor(model: Model, perBatch: number): Batch[] {
  const all = fittedRows(model);
  return Array.from({ length: (FOLDS * ROWS) / perBatch }, (_, i) => ({
    feeds: new Map(
      [...all].map(([name, { dtype, dims, data }]) => {
        const size = elementCount(dims.slice(1)) * perBatch;
        return [
          name,
          { dtype, dims: [perBatch, ...dims.slice(1)], data: data.slice(i * size, (i + 1) * size) },
        ] as const;
      }),
    ),
    rows: Array.from({ length: perBatch }, (_, r) => i * perBatch + r),
    fold: Math.floor((i * perBatch) / ROWS),
  }));
}

/** Absorbs what `keep` drops, and refits; both models. */
async function reduce(model: Model, analysis: ChannelAnalysis, keep: Uint8Array, options: Options = {}) {
  const { view = 'channels', memory = 1e8, single = false, positions = Infinity } = options;
  const wide = single ? rowsOf(model, 'rows') : model;
  const viewed = view === 'patches' ? chooseViews(analysis, 1e9) : analysis;
  const moments = await siteMoments(wide, viewed, fittedRows(wide));
  const cut = (await cutChannels.run(model, await spanReduction(model, viewed, keep, moments, blas))).model;
  const probed = single ? 1 : 2;
  const refit = await refitInSequence.run(cut, {
    ...{ original: model, analysis: viewed, keep, folds: FOLDS, stack: single ? 8 : 1, session: CPU, blas, memory },
    ...{ shapes: await probeShapes(model, randomFeeds(model, probed), CPU), probed, positions },
    batches: batchesFor(wide, single ? 1 : (options.batch ?? ROWS)),
  });
  return { cut, refit };
}

function rowsOf(model: Model, rows: number | string): Model {
  const inputs = model.graph.inputs.map((i) => ({ ...i, shape: [rows, ...i.shape!.slice(1)] }));
  return { ...model, graph: { ...model.graph, inputs } };
}

/** Mean squared difference of the first output over the fitted rows. */
async function fittedError(a: Model, b: Model): Promise<number> {
  const feeds = fittedRows(a);
  const [x, y] = [[...(await outputsOf(a, feeds)).values()][0]!, [...(await outputsOf(b, feeds)).values()][0]!];
  const [p, q] = [x.data as Float32Array, y.data as Float32Array];
  return p.reduce((sum, v, i) => sum + (v - q[i]!) ** 2, 0) / p.length;
}

/** x → conv, 6 channels → Sigmoid → the consumer → y. Means are far from zero. */
function network(consumer: (net: Net, x: string) => string, shape = [3, 7, 6]): Model {
  return convModel(shape, (net) => {
    const kernel = shape.slice(1).map(() => 1);
    return consumer(net, net.op('Sigmoid', [net.conv('x', [3, 6], { kernel, attributes: {} })]));
  });
}

const CONVOLUTIONS: Record<string, Model> = {
  padded: network((net, x) => net.conv(x, [6, 2])),
  'not padded': network((net, x) => net.conv(x, [6, 2], { attributes: {} })),
  'padded on one side, with strides': network((net, x) =>
    net.conv(x, [6, 2], { attributes: { pads: [2, 0, 0, 1], strides: [2, 1] } }),
  ),
  dilated: network((net, x) => net.conv(x, [6, 2], { kernel: [2, 3], attributes: { dilations: [3, 2] } })),
  SAME_LOWER: network((net, x) =>
    net.conv(x, [6, 2], { kernel: [2, 2], attributes: { auto_pad: 'SAME_LOWER', strides: [2, 1] } }),
  ),
  'without bias': network((net, x) => net.conv(x, [6, 2], { bias: false })),
  'one dimension': network((net, x) => net.conv(x, [6, 2], { kernel: [3] }), [3, 12]),
  'three dimensions': network((net, x) => net.conv(x, [6, 2], { kernel: [2, 1, 3], attributes: {} }), [3, 3, 4, 4]),
  'ConvTranspose with kernel = stride': network((net, x) => net.transposed(x, [6, 2])),
  'ConvTranspose with kernel = stride, without bias': network((net, x) =>
    net.transposed(x, [6, 2], { kernel: [3, 2], attributes: { strides: [3, 2] }, bias: false }),
  ),
};

describe('refit of convolutions', () => {
  it.each(Object.entries(CONVOLUTIONS))(
    'does better than absorption by channels on the fitted rows: %s',
    async (_, model) => {
      const analysis = await analyse(model, 2);
      for (const kept of [1, 3, 5]) {
        const { cut, refit } = await reduce(model, analysis, keepFirst(analysis, kept));
        const [before, after] = [await fittedError(model, cut), await fittedError(model, refit.model)];
        expect(before).toBeGreaterThan(1e-6);
        expect(after).toBeLessThan(before);
      }
    },
  );

  it('is at its best what absorption on patches is', async () => {
    const model = CONVOLUTIONS['padded']!;
    const analysis = await analyse(model, 2);
    const { cut, refit } = await reduce(model, analysis, keepFirst(analysis, 3), { view: 'patches' });
    const [before, after] = [await fittedError(model, cut), await fittedError(model, refit.model)];
    expect(Math.abs(after / before - 1)).toBeLessThan(0.02);
  });

  it('works on a sample of the positions as well', async () => {
    const model = CONVOLUTIONS['padded']!;
    const analysis = await analyse(model, 2);
    const keep = keepFirst(analysis, 3);
    const { cut, refit } = await reduce(model, analysis, keep, { positions: 9, batch: 2 });
    const all = await reduce(model, analysis, keep);
    const errors = [cut, refit.model, all.refit.model].map((m) => fittedError(model, m));
    const [absorbed, sampled, whole] = (await Promise.all(errors)) as [number, number, number];
    expect(sampled).toBeLessThan(absorbed);
    expect(sampled).toBeGreaterThan(whole);
    const again = await reduce(model, analysis, keep, { positions: 9, batch: 2 });
    expect(snapshot(again.refit.model)).toBe(snapshot(refit.model));
  });

  it.each([
    'identity shortcuts',
    'a U-Net',
    'squeeze and excite with convolutions',
    'Split in named parts, read at different places',
  ])('gives the same with values cached between the steps, without, and row by row: %s', async (name) => {
    const { model } = EXAMPLES[name]!;
    const analysis = await analyse(model, 2);
    const keep = keepFirst(analysis, 2);
    const { refit } = await reduce(model, analysis, keep);
    const uncached = await reduce(model, analysis, keep, { memory: 0 });
    const single = rowsOf(model, 1);
    const stacked = await reduce(single, await analyse(single, 1), keep, { single: true });
    const feeds = randomFeeds(model, 10);
    expect(await relativeDifference(refit.model, uncached.refit.model, feeds)).toBeLessThan(1e-4);
    expect(await relativeDifference(refit.model, rowsOf(stacked.refit.model, 'rows'), feeds)).toBeLessThan(1e-4);
  });

  it('leaves a transposed convolution whose taps overlap as absorption made it, with a note', async () => {
    const model = network((net, x) =>
      net.transposed(x, [6, 2], { kernel: [3, 3], attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } }),
    );
    const analysis = await analyse(model, 2);
    const { cut, refit } = await reduce(model, analysis, keepFirst(analysis, 3));
    expect(refit.notes).toEqual(['c2: not refitted, its taps overlap or are too many']);
    expect(await relativeDifference(cut, refit.model, randomFeeds(model, 4))).toBe(0);
  });

  it('leaves a convolution with too many features alone, with a note', async () => {
    const model = convModel([1, 3010], (net) =>
      net.conv(net.op('Relu', [net.conv('x', [1, 2], { kernel: [1], attributes: {} })]), [2, 1], {
        kernel: [3001],
        attributes: {},
      }),
    );
    const analysis = await analyse(model, 2);
    const { refit } = await reduce(model, analysis, keepFirst(analysis, 1));
    expect(refit.notes).toEqual(['c2: not refitted, its taps overlap or are too many']);
  });
});

describe('a lossless reduction stays lossless', () => {
  /** Channel 5 of c1 becomes ½ · channel 0 − channel 1 + 2 · channel 2 + `offset`; nothing stands between c1 and its reader. */
  function dependent(consumer: (net: Net, x: string) => string, offset = 0, shape = [3, 7, 6]): Model {
    const model = convModel(shape, (net) => {
      const kernel = shape.slice(1).map(() => 1);
      return consumer(net, net.conv('x', [3, 6], { kernel, attributes: {} }));
    });
    for (const name of model.graph.nodes[0]!.inputs.slice(1)) {
      const old = held(model.graph, name);
      const values = toFloat64(old);
      const width = values.length / 6;
      for (let i = 0; i < width; i++)
        values[5 * width + i] =
          0.5 * values[i]! - values[width + i]! + 2 * values[2 * width + i]! + (width === 1 ? offset : 0);
      replaceConstant(model.graph, name, floatTensor(name, old.dims, 'float32', values));
    }
    return model;
  }

  const cases: Record<string, Model> = {
    'padded with zeros': dependent((net, x) => net.conv(x, [6, 2])),
    'padded, with strides and a dilation': dependent((net, x) =>
      net.conv(x, [6, 2], { attributes: { pads: [2, 1, 0, 2], strides: [2, 1], dilations: [1, 2] } }),
    ),
    'padded, without bias': dependent((net, x) => net.conv(x, [6, 2], { bias: false })),
    'a constant part, not padded': dependent((net, x) => net.conv(x, [6, 2], { attributes: { strides: [2, 2] } }), 0.7),
    'a constant part, and a bias that is not there yet': dependent(
      (net, x) => net.conv(x, [6, 2], { attributes: {}, bias: false }),
      0.7,
    ),
    'one dimension': dependent((net, x) => net.conv(x, [6, 2], { kernel: [3] }), 0, [3, 12]),
    ConvTranspose: dependent((net, x) => net.transposed(x, [6, 2])),
    'ConvTranspose whose taps overlap': dependent((net, x) =>
      net.transposed(x, [6, 2], { kernel: [3, 3], attributes: { strides: [2, 2] } }),
    ),
    'Flatten and Gemm': dependent((net, x) => net.gemm(net.op('Flatten', [x]), [96, 2]), 0.7, [3, 4, 4]),
    'a pool and Gemm': dependent(
      (net, x) => net.gemm(net.op('Flatten', [net.op('GlobalAveragePool', [x])]), [6, 2]),
      0.7,
    ),
  };

  it.each(Object.entries(cases))('%s', async (_, model) => {
    const analysis = await analyse(model, 2);
    const keep = keepFirst(analysis, 5);
    const feeds = randomFeeds(model, 20, 77);
    for (const view of ['channels', 'patches'] as const) {
      const { cut, refit } = await reduce(model, analysis, keep, { view });
      expect(await relativeDifference(model, cut, feeds)).toBeLessThan(1e-4);
      expect(await relativeDifference(model, refit.model, feeds)).toBeLessThan(1e-4);
    }
  });
});

describe('what a shortcut has lost', () => {
  /** Two residual blocks; `join` adds a block's output to the stream. */
  const blocks = (join: (net: Net, inner: string, stream: string) => string): Model =>
    convModel([3, 6, 6], (net) => {
      let stream = net.op('Sigmoid', [net.conv('x', [3, 8])]);
      for (let block = 0; block < 2; block++)
        stream = join(net, net.conv(net.op('Sigmoid', [net.conv(stream, [8, 8])]), [8, 8]), stream);
      return net.conv(stream, [8, 2]);
    });
  const plain = (net: Net, inner: string, stream: string): string => net.op('Add', [inner, stream]);
  // The same sum, written so that it is no addition behind the convolution.
  const hidden = (net: Net, inner: string, stream: string): string => net.op('Sub', [stream, net.op('Neg', [inner])]);

  /** Squared error of the kept channels of the stream behind the second block, over the fitted rows. */
  async function streamError(
    model: Model,
    reduced: Model,
    analysis: ChannelAnalysis,
    keep: Uint8Array,
    value: string,
  ): Promise<number> {
    const shown = (m: Model): Model => ({
      ...m,
      graph: { ...m.graph, outputs: [{ name: value, dtype: 'float32', shape: undefined }] },
    });
    const feeds = fittedRows(model);
    const [a, b] = [
      (await outputsOf(shown(model), feeds)).get(value)!,
      (await outputsOf(shown(reduced), feeds)).get(value)!,
    ];
    const kept = keptIndices(analysis.values.get(value)!.channels, keep);
    const inner = elementCount(a.dims.slice(2));
    const [p, q] = [a.data as Float32Array, b.data as Float32Array];
    let sum = 0;
    for (let i = 0; i < q.length; i++) {
      const [row, c, at] = [Math.floor(i / (inner * kept.length)), Math.floor(i / inner) % kept.length, i % inner];
      sum += (q[i]! - p[(row * a.dims[1]! + kept[c]!) * inner + at]!) ** 2;
    }
    return sum / q.length;
  }

  it('is made up for by the block behind it', async () => {
    const errors: number[] = [];
    for (const [join, value] of [
      [plain, 'Add2'],
      [hidden, 'Sub2'],
    ] as const) {
      const model = blocks(join);
      const analysis = await analyse(model, 2);
      // The first block loses nearly all of its inner layer; the second one sees enough of the stream to know what is missing.
      const keep = new Uint8Array(analysis.channelCount).fill(1);
      analysis.spaces[1]!.channels.slice(1).forEach((c) => (keep[c] = 0));
      const { refit } = await reduce(model, analysis, keep);
      errors.push(await streamError(model, refit.model, analysis, keep, value));
    }
    const [including, ignoring] = errors as [number, number];

    expect(including).toBeLessThan(0.8 * ignoring);
  });

  it('is nothing where nothing was lost: a residual net with duplicates stays what it is', async () => {
    const model = blocks(plain);
    // Channels 4 … 7 of the stream repeat channels 0 … 3: c1, c3 and c5 make them.
    for (const name of ['c1', 'c3', 'c5']) {
      for (const input of model.graph.nodes.find((n) => n.name === name)!.inputs.slice(1)) {
        const old = held(model.graph, input);
        const values = toFloat64(old);
        values.copyWithin(values.length / 2, 0, values.length / 2);
        replaceConstant(model.graph, input, floatTensor(input, old.dims, 'float32', values));
      }
    }
    const analysis = await analyse(model, 2);
    const keep = new Uint8Array(analysis.channelCount).fill(1);
    analysis.spaces[0]!.channels.slice(4).forEach((c) => (keep[c] = 0));
    const { refit } = await reduce(model, analysis, keep);
    expect(refit.notes).toHaveLength(5);
    expect(await relativeDifference(model, refit.model, randomFeeds(model, 10, 5))).toBeLessThan(1e-4);
  });
});
