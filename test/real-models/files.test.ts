import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { gatherRows, loadDataset } from '../../src/calibration/dataset.js';
import { dataInputs } from '../../src/condense/prepare.js';
import type { Feeds } from '../../src/graph/feeds.js';
import { toFloat64 } from '../../src/graph/tensor-data.js';
import {
  CondenseError,
  condense,
  parameterCount,
  readModel,
  writeModel,
  type Graph,
  type Model,
} from '../../src/index.js';
import { outputsOf, relativeDifference } from '../dense.js';
import { temporaryFolders } from '../temporary-folder.js';
import { collection, entry, fileOf, ownData } from './collection.js';

/** Check rows of a model of the collection. */
async function someRows(name: string, model: Model, rows: number): Promise<Feeds> {
  const data = await loadDataset(ownData(entry(name)).test!, dataInputs(model), { maxRows: rows });
  return gatherRows(
    data,
    Array.from({ length: rows }, (_, i) => i),
  );
}

/** Whether every node stands behind all that it reads. */
function isOrdered({ nodes, initializers, inputs }: Graph): boolean {
  const known = new Set(['', ...initializers.keys(), ...inputs.map((i) => i.name)]);
  return nodes.every((node) => {
    const ready = node.inputs.every((name) => known.has(name));
    node.outputs.forEach((name) => known.add(name));
    return ready;
  });
}

describe.skipIf(collection === undefined)('files of real models', () => {
  const folder = temporaryFolders();

  it('weights beside the model file are read and written', async () => {
    const external = await readModel(fileOf(entry('mlperf-kws-dscnn-external').model));
    const inline = await readModel(fileOf(entry('mlperf-kws-dscnn').model));
    expect(external.source?.externalFiles).toEqual(['model.onnx.data']);
    expect(parameterCount(external)).toBe(22_604);
    expect([...external.graph.initializers.keys()]).toEqual([...inline.graph.initializers.keys()]);
    for (const [name, tensor] of external.graph.initializers) {
      if (tensor.dtype === 'float32')
        expect(toFloat64(tensor)).toEqual(toFloat64(inline.graph.initializers.get(name)!));
    }
    const feeds = await someRows('mlperf-kws-dscnn', external, 16);
    expect(await relativeDifference(external, inline, feeds)).toBe(0);

    const out = folder();
    await writeModel(external, path.join(out, 'copy.onnx'), { externalData: { name: 'copy.data', threshold: 0 } });
    expect(readdirSync(out).sort()).toEqual(['copy.data', 'copy.onnx']);
    const copy = await readModel(path.join(out, 'copy.onnx'));
    expect(copy.source?.externalFiles).toEqual(['copy.data']);
    expect(await relativeDifference(copy, inline, feeds)).toBe(0);
  });

  it('a model with its weights beside it is reduced like one without, and stays of that kind', async () => {
    const own = entry('h2-combustion');
    const out = folder();
    const file = path.join(out, 'external.onnx');
    await writeModel(await readModel(fileOf(own.model)), file, { externalData: {} });
    const options = { ...ownData(own), maxRows: 1500, keepParams: 0.2 };
    const [inline, external] = [await condense(fileOf(own.model), options), await condense(file, options)];
    expect(external.report.status).toBe('reduced');
    expect(external.report.nodes).toEqual(inline.report.nodes);
    expect(external.report.verification?.outputs).toEqual(inline.report.verification?.outputs);

    const small = path.join(out, 'small.onnx');
    await writeModel(external.model, small);
    expect(readdirSync(out).sort()).toEqual(['external.onnx', 'external.onnx.data', 'small.onnx', 'small.onnx.data']);
    const written = await readModel(small);
    expect(await relativeDifference(written, inline.model, await someRows(own.name, written, 50))).toBe(0);
  });

  it('a model in a dialect that the runtime does not know is an error that names the file', async () => {
    const own = entry('hls4ml-branched');
    const file = fileOf('hls4ml-branched/original.qonnx');
    const error = await condense(file, { ...ownData(own), keepParams: 0.8 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CondenseError);
    expect((error as CondenseError).diagnostic).toMatchObject({
      code: 'MODEL_DOES_NOT_LOAD',
      where: file,
      exitCode: 4,
    });
  });

  it('cms-ddb-unsorted, whose nodes are not in topological order: what is written is', async () => {
    const own = entry('cms-ddb-unsorted');
    const original = await readModel(fileOf(own.model));
    expect(isOrdered(original.graph)).toBe(false);
    const { model, report } = await condense(original, { ...ownData(own), keepParams: 0.9 });
    expect(report.status).toBe('reduced');
    expect(report.passes[0]).toEqual({ name: 'order-nodes', changed: true, notes: [] });
    expect(isOrdered(original.graph)).toBe(false);

    const file = path.join(folder(), 'ordered.onnx');
    await writeModel(model, file);
    const written = await readModel(file);
    expect(isOrdered(written.graph)).toBe(true);
    const names = (m: Model): string[] => m.graph.nodes.map((n) => n.name).sort();
    expect(names(written)).toEqual(names(original));
    for (const rows of [1, 20]) {
      const feeds = await someRows(own.name, written, rows);
      const output = (await outputsOf(written, feeds)).get('ID_pred_2/Softmax:0');
      expect(output?.dims).toEqual([rows, 2]);
    }
  });

  it('cms-ddb-unsorted with nothing to remove: given back as it is, its order too', async () => {
    const own = entry('cms-ddb-unsorted');
    const original = await readModel(fileOf(own.model));
    const { model, report } = await condense(original, { ...ownData(own), method: 'exact' });
    expect(report.status).toBe('unchanged');
    expect(model).toBe(original);
  });
});
