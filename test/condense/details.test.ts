import { beforeAll, describe, expect, it } from 'vitest';
import { condense, encodeModel, inspectInDetail, type CondenseOptions, type LayerDetail } from '../../src/index.js';
import { normalRows, planted, smoothNetwork, writeNpz } from '../networks.js';
import { sharedFolder } from '../cli/cli.js';

const inside = sharedFolder();
let data: string[];
beforeAll(() => {
  data = [writeNpz(inside(), 'data.npz', { x: normalRows(300) })];
});

const reduced = async (options: Partial<CondenseOptions>, model = smoothNetwork()) => {
  const { details, report, model: made } = await condense(model, { data, details: true, ...options });
  return { details: details!, report, made };
};

/** Neuron 2 is twice neuron 0, neuron 3 is never anything but 0. */
const duplicates = () =>
  planted([
    [1, 0.5, 0.1],
    [-0.3, 1, 0.2],
    [2, 1, 0.2],
    [0, 0, -1],
  ]);

/** The cosine of two neurons, wherever they stand in the matrix. */
function cosineOf({ cosines: { neurons, values } }: LayerDetail, a: number, b: number): number {
  const [i, j] = [neurons.indexOf(a), neurons.indexOf(b)].sort((x, y) => y - x) as [number, number];
  return values[(i * (i - 1)) / 2 + j]! / 127;
}

describe('details of a reduction', () => {
  it('change nothing of the model', async () => {
    const plain = await condense(smoothNetwork(), { data, keepParams: 0.5 });
    const { made } = await reduced({ keepParams: 0.5 });
    expect(plain.details).toBeUndefined();
    expect(Buffer.concat(encodeModel(made))).toEqual(Buffer.concat(encodeModel(plain.model)));
  });

  it('the network: layers with their widths and parameters, how they are connected, and why the last one stays', async () => {
    const { details, report } = await reduced({ keepParams: 0.5 });
    const { nodes, edges } = details.network!;
    expect(nodes.map(({ kind, name }) => [kind, name])).toEqual([
      ['input', 'x'],
      ['layer', 'fc1'],
      ['layer', 'fc2'],
      ['layer', 'fc3'],
      ['output', 'y'],
    ]);
    expect(edges).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
    expect(nodes[1]).toMatchObject({ before: 24, after: report.nodes[0]!.after, layers: [0] });
    expect(nodes[1]!.parameters.before).toBe(2 * 24 + 24);
    expect(nodes[3]).toMatchObject({ before: 3, after: 3, layers: [], refusal: { code: 'GRAPH_OUTPUT' } });
    const sum = (side: 'before' | 'after') => nodes.reduce((total, n) => total + n.parameters[side], 0);
    expect([sum('before'), sum('after')]).toEqual([report.input.size.parameters, report.output.size.parameters]);
  });

  it('span: who stayed, who took over, the curve with the width', async () => {
    const { details, report } = await reduced({ keepParams: 0.5 });
    const [first] = details.layers!;
    const width = report.nodes[0]!.after!;
    expect(first!.outcome).toMatchObject({ width, turned: false });
    expect(first!.outcome!.kept).toHaveLength(width);
    expect(first!.outcome!.folded).toHaveLength(24 - width);
    const kept = new Set(first!.outcome!.kept);
    for (const { neuron, into } of first!.outcome!.folded) {
      expect(kept.has(neuron)).toBe(false);
      expect(into.length).toBeGreaterThan(0);
      for (const heir of into) expect(kept.has(heir.neuron)).toBe(true);
      expect(into.reduce((sum, heir) => sum + heir.share, 0)).toBeLessThanOrEqual(1 + 1e-9);
    }
    expect(first!.curve.at(-1)).toEqual({ width: 24, nrmse: 0 });
    expect(first!.cosines.neurons.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, i) => i));
    expect(first!.spectrum.shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1);
  });

  it('cosine and exact: duplicates join their leader', async () => {
    for (const options of [{ method: 'cosine', threshold: 0.999 }, { method: 'exact' }] as const) {
      const { details } = await reduced(options, duplicates());
      const [layer] = details.layers!;
      const folded = new Map(layer!.outcome!.folded.map(({ neuron, into }) => [neuron, into.map((h) => h.neuron)]));
      const [leader, follower] = folded.has(2) ? [0, 2] : [2, 0];
      expect(folded.get(follower)).toEqual([leader]);
      expect(folded.get(3)).toEqual([]);
      expect(cosineOf(layer!, 0, 2)).toBeCloseTo(1);
      expect(cosineOf(layer!, 0, 3)).toBe(0);
    }
  });

  it('outputs, limits and latency are there; nothing is measured where nothing was removed', async () => {
    const { details } = await reduced({ keepParams: 0.5 });
    expect(details.outputs).toHaveLength(1);
    expect(details.checks).toHaveLength(1);
    expect(details.latency!.speedup).toBeGreaterThan(0);
    const { details: same, report } = await reduced({
      keep: new Map([
        ['fc1', 24],
        ['fc2', 24],
      ]),
    });
    expect(report.status).toBe('unchanged');
    expect(same).toMatchObject({ outputs: [], checks: [] });
    expect(same.latency).toBeUndefined();
  });
});

it('details of an inspection: one set for each model, curves for a single one', async () => {
  const { report, details } = await inspectInDetail([smoothNetwork()], { data });
  expect(details).toHaveLength(1);
  expect(details[0]!.layers!.map((l) => l.channels)).toEqual(report.models[0]!.layers.map((l) => l.channels));
  expect(details[0]!.layers![0]!.curve.length).toBeGreaterThan(10);
  expect(details[0]!.layers![0]!.outcome).toBeUndefined();
  const two = await inspectInDetail([smoothNetwork(), smoothNetwork()], { data });
  expect(two.details).toHaveLength(2);
  expect(two.details[1]!.layers![0]!.curve).toEqual([]);
});
