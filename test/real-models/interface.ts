import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { gatherRows, type Dataset } from '../../src/calibration/dataset.js';
import { dataInputs } from '../../src/condense/prepare.js';
import type { NumericArray } from '../../src/graph/feeds.js';
import { float16ToNumber } from '../../src/graph/float16.js';
import { readModel, writeModel, type Model, type ValueInfo } from '../../src/index.js';
import { withSession } from '../../src/runtime/session.js';
import { CPU } from '../dense.js';
import { onnxCheckerVerdicts } from '../../scripts/onnx-checker.mjs';
import { onnx } from '../onnx-proto.js';

/** A node as onnx-proto gives it back. */
interface ForeignModel {
  readonly graph: {
    readonly node: readonly { readonly name?: string; readonly opType: string; readonly output?: readonly string[] }[];
    readonly initializer?: readonly { readonly name: string; readonly dims?: readonly string[] }[];
  };
}

/** Nodes that stand for themselves in files of any exporter: what a pass may add or delete is BatchNormalization, by folding. */
const foldable = new Set(['BatchNormalization']);

/** The signature of a model: all that a caller sees of it, and its nodes but the folded ones, in their order. */
function signature(model: Model): unknown {
  const { graph, irVersion, opsets } = model;
  const described = (infos: readonly ValueInfo[]): unknown =>
    infos.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const fed = dataInputs(model).map((d) => graph.inputs.find((i) => i.name === d.name)!);
  return {
    name: graph.name,
    fed: described(fed),
    outputs: described(graph.outputs),
    irVersion,
    opsets: [...opsets],
    nodes: graph.nodes.filter((n) => !foldable.has(n.opType)).map((n) => `${n.name} ${n.opType}`),
  };
}

/**
 * Writes a reduced model and reads it back: its signature is the original's, onnx-proto sees the same nodes and shapes, onnx.checker finds it valid, and it runs at one row
 * and, where the dimension is free, at several; what a row gives does not depend on its neighbours.
 * @param sorted the original's nodes are not in topological order: they may have moved
 * @returns the model that was read
 */
export async function expectSameInterface(
  original: Model,
  reduced: Model,
  data: Dataset,
  folder: string,
  { sorted = false, tolerance = 1e-5 } = {},
): Promise<Model> {
  const file = path.join(folder, 'small.onnx');
  await writeModel(reduced, file);
  const written = await readModel(file);
  const [before, after] = [signature(original), signature(written)] as { nodes: string[] }[];
  if (sorted) for (const s of [before!, after!]) s.nodes.sort();
  expect(after).toEqual(before);
  // Old exporters list initializers among the inputs: there the shape that is told is the new one.
  for (const { name, shape } of written.graph.inputs) {
    const initializer = written.graph.initializers.get(name);
    if (initializer !== undefined) expect(shape).toEqual(initializer.dims);
  }
  expectForeignReader(file, written);
  // Where Python's onnx is missing, test/onnx/onnx-checker.test.ts says so.
  expect(onnxCheckerVerdicts([file]) ?? ['']).toEqual(['']);
  await expectRowsAlone(written, data, tolerance);
  return written;
}

/** A second reader finds what we wrote. */
function expectForeignReader(file: string, model: Model): void {
  const { graph } = onnx.ModelProto.decode(readFileSync(file)).toJSON() as ForeignModel;
  expect(graph.node.map((n) => n.opType)).toEqual(model.graph.nodes.map((n) => n.opType));
  expect(graph.node.flatMap((n) => n.output ?? [])).toEqual(model.graph.nodes.flatMap((n) => n.outputs));
  const shapes = (graph.initializer ?? []).map(({ name, dims }) => [name, (dims ?? []).map(Number)]);
  expect(shapes).toEqual([...model.graph.initializers.values()].map(({ name, dims }) => [name, [...dims]]));
}

/** One row alone gives what it gives among others, and as many rows come out as go in. */
async function expectRowsAlone(model: Model, data: Dataset, tolerance: number): Promise<void> {
  const run = (from: number, to: number): Promise<Map<string, NumericArray>> => {
    const rows = Int32Array.from({ length: to - from }, (_, i) => from + i);
    return withSession(model, CPU, (session) => session.run(gatherRows(data, rows)));
  };
  const chosen = Math.min(3, data.rows - 1);
  const one = await run(chosen, chosen + 1);
  expect([...one.keys()]).toEqual(model.graph.outputs.map((o) => o.name));
  if (data.fixedBatch !== undefined) return;
  for (const batch of [Math.min(7, data.rows), Math.min(64, data.rows)]) {
    const together = await run(0, batch);
    for (const [name, alone] of one) {
      const all = together.get(name)!;
      // Rows lie along the only axis that grows.
      const axis = all.dims.findIndex((d, i) => d !== alone.dims[i]);
      expect(all.dims[axis]! / alone.dims[axis]!, name).toBe(batch);
      const inner = alone.dims.slice(axis).reduce((a, b) => a * b, 1);
      const [x, y] = [numbers(alone), numbers(all)];
      const size = Math.max(1, ...x.map(Math.abs));
      let worst = 0;
      x.forEach((v, i) => {
        const at = Math.floor(i / inner) * inner * batch + chosen * inner + (i % inner);
        worst = Math.max(worst, Math.abs(y[at]! - v) / size);
      });
      expect(worst, name).toBeLessThanOrEqual(tolerance);
    }
  }
}

function numbers({ dtype, data }: NumericArray): number[] {
  return Array.from<number | bigint | string, number>(data, (v) =>
    dtype === 'float16' ? float16ToNumber(Number(v)) : Number(v),
  );
}
