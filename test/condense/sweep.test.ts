import { beforeAll, describe, expect, it } from 'vitest';
import type { CondenseError } from '../../src/index.js';
import { condense, sweep, type Model, type ProgressEvent, type SweepOptions } from '../../src/index.js';
import { toFloat64 } from '../../src/graph/tensor-data.js';
import { buildModel, node } from '../build-model.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { sharedFolder } from '../cli/cli.js';

const inside = sharedFolder();
const model = smoothNetwork({ hidden: 64 });
let data: string[];
beforeAll(() => {
  data = [writeNpz(inside(), 'data.npz', { x: normalRows(500) })];
});
const run = (options: Partial<SweepOptions> = {}, of: Model = model) => sweep(of, { data, points: 6, ...options });
const weightsOf = (m: Model) => [...m.graph.initializers].map(([name, tensor]) => [name, toFloat64(tensor)]);

describe('sweep', () => {
  it('goes from large to small, and errors rise as sizes fall', async () => {
    const { report, picked } = await run();
    expect(picked).toBeUndefined();
    expect(report).toMatchObject({ schemaVersion: 1, picked: null, rows: { fit: 400, check: 100 } });
    const { points } = report;
    expect(points.map((p) => p.index)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const [i, p] of points.entries()) {
      expect(p.ratio).toBeCloseTo(p.parameters / report.input.parameters, 12);
      expect(p.bytes).toBeGreaterThan(4 * p.parameters);
      expect(p.plan.spaces.map((s) => s.keep)).toHaveLength(2);
      if (i === 0) continue;
      for (const key of ['parameters', 'macs', 'bytes'] as const) expect(p[key]).toBeLessThan(points[i - 1]![key]);
      expect(p.predictedNrmse).toBeGreaterThan(points[i - 1]!.predictedNrmse!);
    }
    expect(points.at(-1)!.nrmse).toBeGreaterThan(10 * points[0]!.nrmse);
    expect(points[0]!.passed).toBe(true);
  });

  it('collects statistics once, whatever the number of points', async () => {
    const stages = async (points: number): Promise<number> => {
      const events: ProgressEvent[] = [];
      await run({ points, onProgress: (event) => events.push(event) });
      expect(events.filter((e) => e.stage === 'sweep')).toHaveLength(points);
      return events.filter((e) => e.stage === 'calibrate').length;
    };
    const one = await stages(1);
    expect(one).toBeGreaterThan(0);
    expect(await stages(5)).toBe(one);
  });

  it('gives back the model of a point, the one that its plan makes', async () => {
    const { report, picked } = await run({ pick: 3 });
    expect(report.picked).toBe(3);
    const { plan, nrmse } = report.points[2]!;
    const again = await condense(model, { data, plan });
    expect(weightsOf(picked!.model)).toEqual(weightsOf(again.model));
    expect(picked!.report.verification!.outputs[0]!.nrmse).toBe(nrmse);
    // One of six was picked on these rows: they prove less of it.
    expect(picked!.report.verification!.sample!.bound).toBeGreaterThan(again.report.verification!.sample!.bound);
    expect(picked!.model.metadata.map((m) => m.key)).toEqual(again.model.metadata.map((m) => m.key));
  });

  it('picks the knee among those that pass', async () => {
    const { report, picked } = await run({ pick: 'knee', tolerance: 'nrmse=1e-3' });
    const at = report.points[report.picked! - 1]!;
    expect(at.passed).toBe(true);
    expect(picked!.report.status).toBe('reduced');
    expect((await run({ pick: 'knee', tolerance: 'nrmse=1e-12' })).picked).toBeUndefined();
  });

  it('measures speed where a batch is named', async () => {
    const { report } = await run({ points: 1, latencyBatch: 32 });
    expect(report.points[0]!.latency).toMatchObject({ batch: 32 });
    expect(report.points[0]!.latency!.speedup).toBeGreaterThan(0);
    expect((await run({ points: 1 })).report.points[0]!.latency).toBeUndefined();
  });

  it('says what is wrong', async () => {
    const failure = (work: Promise<unknown>) =>
      work.then(
        () => undefined,
        (error: unknown) => (error as CondenseError).diagnostic,
      );
    expect(await failure(run({ pick: 9 }))).toMatchObject({ code: 'POINT_UNKNOWN', exitCode: 2 });
    const nothing = buildModel({
      inputs: [{ name: 'x', shape: ['batch', 2] }],
      nodes: [node('Tanh', ['x'], ['y'])],
      outputs: [{ name: 'y', shape: ['batch', 2] }],
    });
    expect(await failure(run({}, nothing))).toMatchObject({ code: 'NOTHING_TO_SWEEP', exitCode: 5 });
  });
});
