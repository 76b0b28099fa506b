import { describe, expect, it } from 'vitest';
import { bench, CondenseError, writeModel } from '../../src/index.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
const data = (): string[] => [writeNpz(folder(), 'data.npz', { x: normalRows(40) })];

describe('bench', () => {
  it('times models in turn at each batch size: what has far more to do is slower', { retry: 2 }, async () => {
    const large = `${folder()}/large.onnx`;
    await writeModel(smoothNetwork({ hidden: 1024 }), large);
    const report = await bench([large, smoothNetwork({ hidden: 16 })], {
      data: data(),
      // More than there are: rows are repeated.
      batch: [1, 128, 128],
      seconds: 0.3,
    });
    expect(report).toMatchObject({ schemaVersion: 1, provider: 'cpu', warnings: [] });
    expect(report.models.map((m) => m.file)).toEqual([large, null]);
    expect(report.models.map((m) => m.macs)).toEqual([2 * 1024 + 1024 ** 2 + 3 * 1024, 2 * 16 + 16 ** 2 + 3 * 16]);
    expect(report.models[0]!.bytes).toBeGreaterThan(4 * report.models[0]!.parameters);
    expect(report.batches.map((b) => b.batch)).toEqual([1, 128]);
    for (const { batch, figures } of report.batches) {
      expect(figures).toHaveLength(2);
      expect(figures[0]!.speedup).toBe(1);
      for (const f of figures) {
        expect(f.median).toBeGreaterThan(0);
        expect(f.p95).toBeGreaterThanOrEqual(f.median);
        expect(f.rowsPerSecond).toBeCloseTo((1000 * batch) / f.median, 6);
        expect(f.quartiles[0]).toBeLessThanOrEqual(f.speedup);
        expect(f.quartiles[1]).toBeGreaterThanOrEqual(f.speedup);
      }
    }
    const [slow, fast] = report.batches[1]!.figures;
    expect(fast!.speedup).toBeGreaterThan(3);
    // The weights alone are 4 MB.
    expect(slow!.peakMemory).toBeGreaterThan(4e6);
    expect(fast!.peakMemory).toBeLessThan(slow!.peakMemory!);
  });

  it('a model against itself is as fast as itself', { retry: 2 }, async () => {
    const model = smoothNetwork({ hidden: 256 });
    const { batches } = await bench([model, model], { data: data(), batch: [64], seconds: 0.5 });
    expect(batches[0]!.figures[1]!.speedup).toBeGreaterThan(0.7);
    expect(batches[0]!.figures[1]!.speedup).toBeLessThan(1.4);
  });

  it('a graph with a fixed batch is run with that', async () => {
    const { batches } = await bench([smoothNetwork({ batch: 4 })], { data: data(), batch: [1, 64], seconds: 0.05 });
    expect(batches.map((b) => b.batch)).toEqual([4]);
  });

  it('refuses models with other inputs', async () => {
    const other = smoothNetwork();
    other.graph.inputs[0] = { ...other.graph.inputs[0]!, name: 'state' };
    for (const node of other.graph.nodes) node.inputs = node.inputs.map((name) => (name === 'x' ? 'state' : name));
    const error = await bench([smoothNetwork(), other], { data: data() }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CondenseError);
    expect((error as CondenseError).diagnostic).toMatchObject({ code: 'INTERFACES_DIFFER', exitCode: 2 });
  });
});
