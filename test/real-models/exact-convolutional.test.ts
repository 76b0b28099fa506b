import { describe, expect, it } from 'vitest';
import { gatherRows, loadDataset } from '../../src/calibration/dataset.js';
import { analyseChannels } from '../../src/channels/analysis.js';
import { dataInputs } from '../../src/condense/prepare.js';
import type { Feeds, NumericArray } from '../../src/graph/feeds.js';
import { condense, parameterCount, readModel, type Model } from '../../src/index.js';
import { probeShapes } from '../../src/runtime/shapes.js';
import { foldBatchNormalization } from '../../passes/fold-batch-normalization.js';
import { CPU, outputsOf } from '../dense.js';
import { plant, type Plant } from '../fuzz/plant.js';
import { normals } from '../matrices.js';
import { collection, entry, fileOf, ownData, summary } from './collection.js';

/** The first rows of a model's calibration data. */
async function calibrationRows(name: string, model: Model, most: number): Promise<Feeds> {
  const data = await loadDataset(ownData(entry(name)).data, dataInputs(model));
  const count = data.fixedBatch ?? Math.min(most, data.rows);
  return gatherRows(
    data,
    Array.from({ length: count }, (_, i) => i),
  );
}

/** Normal numbers in the place of every float, as large as what they replace: inputs that no data set holds. */
function randomLike(feeds: Feeds): Feeds {
  const next = normals(5);
  const replaced = (array: NumericArray): NumericArray => {
    if (!(array.data instanceof Float32Array)) return array;
    const size = Math.sqrt(array.data.reduce((sum, v) => sum + v * v, 0) / array.data.length) || 1;
    return { ...array, data: array.data.map(() => size * next()) };
  };
  return new Map([...feeds].map(([name, array]) => [name, replaced(array)]));
}

/**
 * The same function on rows that calibrate, and on noise: each output to 1e-4 of its largest value on the rows, since a Sigmoid that noise
 * closes holds nothing but rounding.
 */
async function expectSameFunction(name: string, before: Model, after: Model): Promise<void> {
  const rows = await calibrationRows(name, before, 24);
  const sizes = new Map<string, number>();
  for (const feeds of [rows, randomLike(rows)]) {
    const [left, right] = [await outputsOf(before, feeds), await outputsOf(after, feeds)];
    for (const [output, { data, dims }] of left) {
      const [x, y] = [data as Float32Array, right.get(output)!.data as Float32Array];
      expect(right.get(output)!.dims).toEqual(dims);
      const size = sizes.get(output) ?? x.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      sizes.set(output, size);
      const gap = x.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i]!)), 0);
      expect(gap, output).toBeLessThanOrEqual(1e-4 * size);
    }
  }
}

describe.skipIf(collection === undefined)('exact on real convolutional models', () => {
  it.each([
    'mlperf-resnet8',
    'mlperf-kws-dscnn',
    'mlperf-kws-dscnn-fp16',
    'ultraface-rfb-320',
    'yunet-dynamic',
    'basic-pitch',
    'fastestdet',
    'phasenet',
    'cms-deepboostedjet-resnet',
    'cms-particlenet-ak4',
    'cms-particletransformer',
    'vit-pgd-2-3-16',
    'silero-vad',
    'silero-vad-half',
  ])('%s is given back as it is: its weights prove nothing redundant', async (name) => {
    const own = entry(name);
    const original = await readModel(fileOf(own.model));
    const { model, report } = await condense(original, { ...ownData(own), method: 'exact' });
    expect(report.status).toBe('unchanged');
    expect(model).toBe(original);
    expect(report.nodes.filter((n) => n.before !== n.after).map(summary)).toEqual([]);
  });

  // Training drove many of its channels to zero: BatchNormalization scales them by nothing.
  it.each([
    { name: 'mlperf-vww-mobilenetv1', share: 0.679 },
    { name: 'hls4ml-branched', share: 0.993 },
  ])('$name: dead channels go, $share of the parameters stay', async ({ name, share }) => {
    const own = entry(name);
    const original = await readModel(fileOf(own.model));
    const { model, report } = await condense(original, { ...ownData(own), method: 'exact' });
    expect(report.status).toBe('reduced');
    expect(parameterCount(model) / own.parameters).toBeCloseTo(share, 3);
    await expectSameFunction(name, original, model);
  });

  // Conv + BatchNormalization + Relu + depthwise chains and residual additions with two more channels in every space.
  it.each<[string, Plant]>([
    ['mlperf-resnet8', 'duplicate'],
    ['mlperf-kws-dscnn', 'duplicate'],
    ['mlperf-kws-dscnn', 'scaled'],
    ['mlperf-vww-mobilenetv1', 'duplicate'],
    ['cms-deepboostedjet-resnet', 'duplicate'],
    ['yunet-dynamic', 'duplicate'],
    ['ultraface-rfb-320', 'duplicate'],
  ])('%s with planted channels (%s): all are removed, the function stays', async (name, kind) => {
    const own = entry(name);
    const original = await readModel(fileOf(own.model));
    const probe = await calibrationRows(name, original, 1);
    const analyse = async (m: Model) => analyseChannels(m, await probeShapes(m, probe, CPU));
    // What is redundant before anything is planted is no merit of the test.
    const clean = await condense(original, { ...ownData(own), method: 'exact' });
    const { model: folded } = await foldBatchNormalization.run(clean.model, undefined);

    let planted = clean.model;
    const spaces = (await analyse(planted)).spaces.length;
    let count = 0;
    for (const space of Array.from({ length: 2 * spaces }, (_, i) => i >> 1)) {
      // Channels are numbered over the whole graph: the numbers behind a planted one move on.
      const analysis = await analyse(planted);
      const { channels } = analysis.spaces[space]!;
      const wider = plant(planted, analysis, channels[channels.length >> 1]!, kind);
      if (wider === undefined) continue;
      planted = wider;
      count++;
    }
    expect(count).toBeGreaterThanOrEqual(spaces);
    expect(parameterCount(planted)).toBeGreaterThan(parameterCount(clean.model));
    const { model, report } = await condense(planted, { ...ownData(own), method: 'exact' });
    expect(report.status).toBe('reduced');
    expect(parameterCount(model)).toBe(parameterCount(folded));
    await expectSameFunction(name, planted, model);
  });
});
