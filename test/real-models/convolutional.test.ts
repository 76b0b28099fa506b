import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeNpz } from '../../src/calibration/sources/npz.js';
import { BudgetError, condense, parameterCount, readModel, type CondenseReport } from '../../src/index.js';
import type { NodeReport } from '../../src/report/report.js';
import { encodeNpy } from '../calibration/arrays.js';
import { temporaryFolders } from '../temporary-folder.js';
import {
  collection,
  ENTRIES,
  entry,
  fileOf,
  namesOf,
  ownData,
  summary,
  targetLabels,
  type Entry,
} from './collection.js';

const isConvolution = (n: NodeReport): boolean => n.opType.startsWith('Conv');

/** Their dense parts shrink at this budget; convolutions are refused one by one. */
const PARTLY_DENSE: readonly {
  readonly name: string;
  readonly keepParams: number;
  readonly status: CondenseReport['status'];
  /** Share of rows whose class stays, at least. */
  readonly agreement: number;
  /** Nodes that get narrower. */
  readonly cut: readonly string[];
}[] = [
  {
    name: 'vit-pgd-2-3-16',
    keepParams: 0.95,
    // Logits: judged by their error, of which its 192 images leave too much.
    status: 'check-failed',
    agreement: 0.8,
    cut: ['/1/1.0/1.0.1/fn/fn.1/fn.1.0/MatMul', '/1/1.1/1.1.1/fn/fn.1/fn.1.0/MatMul'],
  },
  {
    name: 'cms-deepboostedjet-resnet',
    keepParams: 0.8,
    status: 'reduced',
    agreement: 0.95,
    cut: [0, 1, 2].map((i) => `jnet0_densenetdropout0_dense${i}_fwd`),
  },
  { name: 'cms-particlenet-ak4', keepParams: 0.9, status: 'check-failed', agreement: 0.85, cut: ['Gemm_244'] },
  { name: 'cms-ddb-unsorted', keepParams: 0.9, status: 'reduced', agreement: 0.95, cut: ['fc1_relu'] },
];

describe.skipIf(collection === undefined)('models with convolutions', () => {
  const folder = temporaryFolders();

  /** Every layer is in the table once; every convolution is refused by its own name, or by that of the If it lies in. */
  function expectRefusals(nodes: readonly NodeReport[], model: Parameters<typeof targetLabels>[0]): void {
    expect(nodes.map((n) => n.node).sort()).toEqual(targetLabels(model).sort());
    const names = namesOf(model);
    for (const { node, opType, refusal } of nodes) {
      if (refusal === undefined) continue;
      expect(refusal.culprits.length).toBeGreaterThan(0);
      expect(refusal.culprits.filter((c) => !names.has(c))).toEqual([]);
      if (refusal.code === 'IN_SUBGRAPH') {
        expect(refusal.message).toMatch(/subgraph of If, which is kept intact/);
      } else if (opType.startsWith('Conv')) {
        expect(refusal).toEqual({
          code: 'NOT_SUPPORTED_YET',
          message: `${opType} is not supported yet`,
          culprits: [node],
        });
      }
    }
  }

  it.each(PARTLY_DENSE)('$name at $keepParams: $status, dense parts are cut', async (expected) => {
    const { name, keepParams, status, agreement, cut } = expected;
    const own = entry(name);
    const original = await readModel(fileOf(own.model));
    const { model, report } = await condense(original, { ...ownData(own), keepParams });
    expect(report.status).toBe(status);
    expectRefusals(report.nodes, original);
    expect(report.nodes.filter((n) => isConvolution(n) && n.refusal === undefined)).toEqual([]);
    expect(report.nodes.filter((n) => n.after !== n.before).map((n) => n.node)).toEqual(cut);
    expect(report.input.size.parameters).toBe(own.parameters);
    expect(parameterCount(model)).toBeLessThanOrEqual(keepParams * own.parameters);
    expect(report.verification!.verdict.passed).toBe(status === 'reduced');
    expect(report.verification!.outputs[0]!.agreement).toBeGreaterThanOrEqual(agreement);
  });

  // That no entry falls between this list and the dense ones is a test over there, by the graphs themselves.
  const others = ENTRIES.filter((e) => e.tags.includes('conv') && !PARTLY_DENSE.some((p) => p.name === e.name));

  it.each(others)('$name: no plan can shrink it, and each node says why', async (own) => {
    const original = await readModel(fileOf(own.model));
    const data = own.calib.ready === true ? ownData(own) : { data: [images(own, folder())] };
    const error = await condense(original, { ...data, keepParams: 0.8 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BudgetError);
    const { diagnostic, nodes } = error as BudgetError;
    expect(diagnostic).toMatchObject({ code: 'BUDGET_TOO_SMALL', exitCode: 5 });
    expect(diagnostic.message).toContain(`the smallest possible model has ${own.parameters} (1.00 of the input)`);
    expectRefusals(nodes, original);
    expect(nodes.filter((n) => n.refusal === undefined).map(summary)).toEqual([]);
    expect(nodes.some(isConvolution)).toBe(true);
  });
});

/** Some raw images of a model, prepared as index.json says, as a .npy file. */
function images({ calib: { file, preprocess } }: Entry, folder: string): string {
  const { input, scale, mean } = preprocess!;
  const { data, dims } = decodeNpz(readFileSync(fileOf(file)), file).get('raw')!;
  const rows = 4;
  const count = rows * dims.slice(1).reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: count }, (_, i) => Number(data[i]) * scale - mean[i % 3]!);
  const target = path.join(folder, 'images.npy');
  writeFileSync(target, encodeNpy({ dtype: 'float32', dims: [rows, ...dims.slice(1)], data: values }));
  return `${input}=${target}`;
}
