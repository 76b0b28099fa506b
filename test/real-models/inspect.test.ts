import { describe, expect, it } from 'vitest';
import { condense, inspect, type InspectReport } from '../../src/index.js';
import { collection, entry, fileOf, ownData } from './collection.js';

const at = (report: InspectReport, energy: number): number[] =>
  report.models[0]!.layers.map((l) => l.effectiveRank.find((r) => r.energy === energy)!.rank);

describe.skipIf(collection === undefined)('inspect on real models', () => {
  it('h2-combustion: collinear pairs are few, and yet the layers span little', async () => {
    const own = entry('h2-combustion');
    const report = await inspect([fileOf(own.model)], { data: ownData(own).data });
    const { layers, refused } = report.models[0]!;
    expect(layers.map((l) => [l.nodes.join(), l.channels])).toEqual(
      ['/0/Gemm', '/2/Gemm', '/4/Gemm', '/6/Gemm'].map((node) => [node, 400]),
    );
    expect(report.rows.fit).toBe(8000);
    for (const rank of at(report, 0.9999)) {
      expect(rank).toBeGreaterThan(20);
      expect(rank).toBeLessThan(100);
    }
    for (const { collinear, dead, constant, exact } of layers) {
      expect({ dead, constant, exact }).toEqual({ dead: 0, constant: 0, exact: 0 });
      expect(collinear[1]!.share).toBeLessThan(0.25);
    }
    expect(refused.map((r) => [r.node, r.code])).toEqual([['/8/Gemm', 'GRAPH_OUTPUT']]);
  });

  it('h2-combustion: a layer alone does at least as well as predicted, and not better by much', async () => {
    const own = entry('h2-combustion');
    const { models } = await inspect([fileOf(own.model)], { data: ownData(own).data });
    const [, layer] = models[0]!.layers;
    const predicted = layer!.predicted.find((p) => p.width === 0.5)!;
    const keep = new Map([[layer!.nodes[0]!, predicted.channels]]);
    const { report } = await condense(fileOf(own.model), { ...ownData(own), keep, trials: 0 });
    const measured = report.verification!.outputs[0]!.nrmse!;
    // The refit behind the layer, which the prediction leaves out, makes up for a part.
    expect(measured).toBeLessThan(1.2 * predicted.nrmse);
    expect(measured).toBeGreaterThan(predicted.nrmse / 5);
  });

  it('mlperf-resnet8: the layers are the channels that residual additions tie together', async () => {
    const own = entry('mlperf-resnet8');
    const { models } = await inspect([fileOf(own.model)], { data: ownData(own).data });
    const { layers, refused } = models[0]!;
    expect(layers.map((l) => `${l.nodes.join('+')} ${l.channels}`)).toEqual([
      ...['conv2d+conv2d_2 16', 'conv2d_1 16', 'conv2d_3 32'],
      ...['conv2d_4+conv2d_5 32', 'conv2d_6 64', 'conv2d_7+conv2d_8 64'],
    ]);
    for (const { channels, effectiveRank } of layers)
      for (const { rank } of effectiveRank) expect(rank).toBeLessThanOrEqual(channels);
    expect(refused.map((r) => r.code)).toEqual(['GRAPH_OUTPUT']);
  });
});
