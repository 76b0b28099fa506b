import { describe, expect, it } from 'vitest';
import { gatherRows, loadDataset } from '../../src/calibration/dataset.js';
import { analyseChannels } from '../../src/channels/analysis.js';
import { dataInputs } from '../../src/condense/prepare.js';
import { condense, parameterCount, readModel } from '../../src/index.js';
import { foldBatchNormalization } from '../../passes/fold-batch-normalization.js';
import { probeShapes } from '../../src/runtime/shapes.js';
import { CPU, relativeDifference } from '../dense.js';
import { plant, type Plant } from '../fuzz/plant.js';
import { collection, ENTRIES, entry, fileOf, ownData, summary } from './collection.js';

const DENSE = ENTRIES.filter((e) => !e.tags.includes('conv'));

describe.skipIf(collection === undefined)('exact on real models', () => {
  // Trained weights hold nothing that is redundant for every input; those of tll-8, which are constructed, do (below).
  it.each(DENSE.filter((e) => e.name !== 'tll-8'))(
    '$name is given back as it is: its weights prove nothing redundant',
    async (own) => {
      const original = await readModel(fileOf(own.model));
      const { model, report } = await condense(original, { ...ownData(own), method: 'exact' });
      expect(report.status).toBe('unchanged');
      expect(model).toBe(original);
      expect(report.verification).toBeNull();
      expect(report.nodes.filter((n) => n.before !== n.after).map(summary)).toEqual([]);
    },
  );

  it('tll-8, whose exporter merged equal biases: most of it goes without any data, and the output stays to the bit', async () => {
    const own = entry('tll-8');
    const { model, report } = await condense(fileOf(own.model), { ...ownData(own), method: 'exact' });
    expect(report.status).toBe('reduced');
    // The same figure whatever the rows: only weights were looked at.
    expect(parameterCount(model)).toBe(2672);
    expect(report.verification!.outputs[0]!.relative).toBe(0);
    expect(report.nodes.filter((n) => n.refusal !== undefined).map(summary)).toEqual([
      'model/maxBank2_1/MatMul GRAPH_OUTPUT',
    ]);
  });

  // The real weights with two more neurons in every layer: exact must find them all again.
  it.each<[string, Plant]>([
    ['mnist-fc-256x4', 'duplicate'],
    ['mnist-fc-256x4', 'scaled'],
    ['mnist-fc-256x4', 'constant'],
    ['h2-combustion', 'duplicate'],
    ['h2-combustion', 'constant'],
    ['h2-combustion', 'unread'],
    ['sac-halfcheetah', 'scaled'],
    ['openwakeword-alexa', 'duplicate'],
    ['mlperf-ad-autoencoder', 'duplicate'],
    ['mlperf-ad-autoencoder', 'unread'],
  ])('%s with planted neurons (%s): all are removed, the function stays', async (name, kind) => {
    const own = entry(name);
    const original = await readModel(fileOf(own.model));
    const rows = await loadDataset(ownData(own).test!, dataInputs(original), { maxRows: 64 });
    const probe = gatherRows(rows, [0]);
    const analyse = async (model: typeof original) => analyseChannels(model, await probeShapes(model, probe, CPU));

    let planted = original;
    const layers = (await analyse(original)).spaces.length;
    for (const layer of Array.from({ length: 2 * layers }, (_, i) => i >> 1)) {
      // Channels are numbered over the whole graph: the numbers behind a planted one move on.
      const analysis = await analyse(planted);
      const { channels } = analysis.spaces[layer]!;
      planted = plant(planted, analysis, channels[channels.length >> 1]!, kind)!;
    }
    expect(parameterCount(planted)).toBeGreaterThan(own.parameters);
    const { model, report } = await condense(planted, { ...ownData(own), method: 'exact' });
    expect(report.status).toBe('reduced');
    // What is planted goes, and BatchNormalization is folded.
    const { model: folded } = await foldBatchNormalization.run(original, undefined);
    expect(parameterCount(model)).toBe(parameterCount(folded));
    expect(report.verification!.outputs[0]!.relative).toBeLessThanOrEqual(1e-4);
    const feeds = gatherRows(
      rows,
      Array.from({ length: rows.fixedBatch ?? rows.rows }, (_, i) => i),
    );
    expect(await relativeDifference(planted, model, feeds)).toBeLessThanOrEqual(1e-4);
  });

  // What the sample shows may be wrong elsewhere; the check on other rows decides.
  it.each([
    {
      name: 'tll-8',
      status: 'reduced',
      cut: [
        'model/selectionLayer/MatMul 64→8',
        'model/minBank0_0/MatMul 128→42',
        'model/minBank0_1/MatMul 32→12',
        'model/minBank1_0/MatMul 64→31',
        'model/minBank1_1/MatMul 16→10',
        'model/minBank2_0/MatMul 32→29',
        'model/maxBank0_0/MatMul 16→14',
        'model/maxBank1_0/MatMul 8→7',
      ],
    },
    { name: 'openwakeword-alexa', status: 'reduced', cut: ['Gemm_1 128→54', 'Gemm_3 128→117'] },
    { name: 'h2-combustion', status: 'unchanged', cut: [] },
    { name: 'sac-halfcheetah', status: 'check-failed', cut: ['fc0 256→254', 'fc1 256→173'] },
  ])('$name with the evidence of its rows: $status', async ({ name, status, cut }) => {
    const own = entry(name);
    const { report } = await condense(fileOf(own.model), { ...ownData(own), method: 'exact', evidence: 'data' });
    expect(report.status).toBe(status);
    expect(report.nodes.filter((n) => n.before !== n.after).map(summary)).toEqual(cut);
    const relative = report.verification?.outputs[0]?.relative ?? 0;
    if (status === 'check-failed') expect(relative).toBeGreaterThan(1e-4);
    else expect(relative).toBeLessThanOrEqual(1e-4);
  });
});
