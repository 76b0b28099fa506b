import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../src/calibration/dataset.js';
import { dataInputs } from '../../src/condense/prepare.js';
import { BudgetError, condense, parameterCount, readModel, type CondenseReport, type Model } from '../../src/index.js';
import type { NodeReport } from '../../src/report/report.js';
import { temporaryFolders } from '../temporary-folder.js';
import { collection, ENTRIES, entry, fileOf, namesOf, ownData, targetLabels } from './collection.js';
import { expectSameInterface } from './interface.js';

/** What comes of 70 % of the parameters, at most 64 calibration rows. Figures are brackets around what was measured on the test rows. */
interface Expected {
  readonly name: string;
  /** Calibration rows: 64, or all that there are. */
  readonly rows?: 'all';
  readonly status: CondenseReport['status'];
  /** NRMSE of the worst output. */
  readonly nrmse: readonly [number, number];
  /** Share of rows whose class stays, at least, where an output holds class scores. */
  readonly agreement?: number;
  /** Nodes that are left, by reason. */
  readonly left: Readonly<Record<string, number>>;
}
const EXPECTED: readonly Expected[] = [
  { name: 'mlperf-resnet8', status: 'check-failed', nrmse: [0.3, 0.7], agreement: 0.7, left: { GRAPH_OUTPUT: 1 } },
  { name: 'mlperf-vww-mobilenetv1', status: 'reduced', nrmse: [0, 1e-5], agreement: 1, left: { GRAPH_OUTPUT: 1 } },
  { name: 'mlperf-kws-dscnn', status: 'reduced', nrmse: [0.08, 0.18], agreement: 0.95, left: { GRAPH_OUTPUT: 1 } },
  {
    name: 'mlperf-kws-dscnn-fp16',
    status: 'reduced',
    // Its widths are planned on trials in half precision, which tell little on a fifth of 64 rows.
    rows: 'all',
    nrmse: [0.08, 0.18],
    agreement: 0.95,
    left: { GRAPH_OUTPUT: 1 },
  },
  {
    name: 'mlperf-kws-dscnn-external',
    status: 'reduced',
    nrmse: [0.08, 0.18],
    agreement: 0.95,
    left: { GRAPH_OUTPUT: 1 },
  },
  { name: 'yunet-dynamic', status: 'check-failed', nrmse: [0.2, 0.5], left: { GRAPH_OUTPUT: 18 } },
  {
    name: 'ultraface-rfb-320',
    status: 'reduced',
    nrmse: [1e-5, 0.002],
    agreement: 1,
    left: { GRAPH_OUTPUT: 8 },
  },
  {
    name: 'hls4ml-branched',
    status: 'check-failed',
    nrmse: [0.2, 0.4],
    left: { COUPLED_TO_FIXED: 1, GRAPH_OUTPUT: 1 },
  },
  {
    name: 'basic-pitch',
    status: 'check-failed',
    nrmse: [0.25, 0.45],
    left: { COMPUTED_FROM_ALL: 16, TOO_NARROW: 9, NO_CONSUMER: 2, GRAPH_OUTPUT: 2 },
  },
  {
    name: 'cms-deepboostedjet-resnet',
    status: 'reduced',
    nrmse: [0.1, 0.3],
    agreement: 0.95,
    left: { COMPUTED_FROM_ALL: 1 },
  },
  {
    name: 'cms-particlenet-ak4',
    status: 'reduced',
    nrmse: [0.0001, 0.005],
    agreement: 0.99,
    left: { OPERATOR_MIXES: 2, GRAPH_OUTPUT: 1, ATTENTION_QK: 6, WEIGHT_NOT_CONSTANT: 1 },
  },
  {
    name: 'cms-ddb-unsorted',
    status: 'check-failed',
    nrmse: [0.4, 0.9],
    agreement: 0.75,
    left: { OPERATOR_MIXES: 2, GRAPH_OUTPUT: 1 },
  },
  { name: 'vit-pgd-2-3-16', status: 'check-failed', nrmse: [0.3, 0.6], left: { ATTENTION_QK: 6, GRAPH_OUTPUT: 1 } },
  {
    name: 'silero-vad-half',
    status: 'check-failed',
    nrmse: [0.05, 0.15],
    left: { SUBGRAPH_CAPTURE: 1, TOO_NARROW: 1 },
  },
];

/** Budgets that their refusals leave no room for, with the share that they do leave. */
const TOO_LARGE: readonly { readonly name: string; readonly smallest: string; readonly left: Expected['left'] }[] = [
  {
    name: 'cms-particletransformer',
    smallest: '0.791',
    left: {
      ...{ LAYER_NORM: 13, ATTENTION_QK: 3, WEIGHT_NOT_CONSTANT: 4 },
      ...{ COUPLED_TO_FIXED: 2, OPERATOR_MIXES: 1, GRAPH_OUTPUT: 1 },
    },
  },
  { name: 'silero-vad', smallest: '1.00', left: { IN_SUBGRAPH: 12 } },
];

/** Minutes each: bench/coverage.mjs reduces them (docs/coverage.md). */
const SLOW = [
  'carvana-unet-simp-small',
  'fastestdet',
  'mobilenetv2-cifar10',
  'mobilenetv2-imagenet',
  'openwakeword-embedding',
  'phasenet',
  'ppocr-v3-det',
  'resnet20-cifar10',
  'resnet56-cifar10',
  'yolox-nano',
];

describe.skipIf(collection === undefined)('models with convolutions', () => {
  const folder = temporaryFolders();

  it('are all here or in the bench', () => {
    const known = [...EXPECTED, ...TOO_LARGE].map((e) => e.name);
    expect([...known, ...SLOW].sort()).toEqual(
      ENTRIES.flatMap((e) => (e.tags.includes('conv') ? [e.name] : [])).sort(),
    );
  });

  it.each(EXPECTED)('$name at 0.7: $status', async ({ name, rows: used, status, nrmse, agreement, left }) => {
    const own = entry(name);
    const original = await readModel(fileOf(own.model));
    const { model, report } = await condense(original, {
      ...ownData(own),
      ...(used === 'all' ? {} : { maxRows: 64 }),
      keepParams: 0.7,
    });
    expect(report.status).toBe(status);

    expect(report.input.size.parameters).toBe(own.parameters);
    expect(report.output.size.parameters).toBe(parameterCount(model));
    const share = parameterCount(model) / own.parameters;
    expect(share).toBeLessThanOrEqual(0.7);
    // Widths of convolutions are multiples of 8: small models cannot use all of the budget.
    expect(share).toBeGreaterThan(0.65);
    expect(report.output.size.macs).toBeLessThan(report.input.size.macs);
    expectEveryNode(report.nodes, original, left);
    expect(report.nodes.some((n) => n.opType.startsWith('Conv') && n.after! < n.before!)).toBe(true);

    const { outputs, verdict } = report.verification!;
    expect(outputs.map((o) => o.output)).toEqual(original.graph.outputs.map((o) => o.name));
    const worst = Math.max(...outputs.map((o) => o.nrmse!));
    expect(worst).toBeGreaterThanOrEqual(nrmse[0]);
    expect(worst).toBeLessThanOrEqual(nrmse[1]);
    const scores = outputs.filter((o) => o.classScores);
    expect(scores.length > 0).toBe(agreement !== undefined);
    for (const o of scores) expect(o.agreement).toBeGreaterThanOrEqual(agreement!);
    expect(verdict.passed).toBe(status === 'reduced');

    const rows = await loadDataset(ownData(own).test!, dataInputs(original));
    await expectSameInterface(original, model, rows, folder(), {
      sorted: own.tags.includes('unsorted'),
      // Half precision has three digits.
      tolerance: own.tags.includes('fp16') ? 2e-3 : 1e-4,
    });
  });

  it.each(TOO_LARGE)(
    '$name: at least $smallest of it stays, and each node says why',
    async ({ name, smallest, left }) => {
      const own = entry(name);
      const original = await readModel(fileOf(own.model));
      const error = await condense(original, { ...ownData(own), maxRows: 64, keepParams: 0.7 }).catch(
        (e: unknown) => e,
      );
      expect(error).toBeInstanceOf(BudgetError);
      const { diagnostic, nodes } = error as BudgetError;
      expect(diagnostic).toMatchObject({ code: 'BUDGET_TOO_SMALL', exitCode: 5 });
      expect(diagnostic.message).toContain(`(${smallest} of the input)`);
      expectEveryNode(nodes, original, left);
    },
  );
});

/** Every layer is in the table once, with its widths or with a refusal that points into the model. */
function expectEveryNode(nodes: readonly NodeReport[], model: Model, left: Expected['left']): void {
  expect(nodes.map((n) => n.node).sort()).toEqual(targetLabels(model).sort());
  const names = namesOf(model);
  const codes: Record<string, number> = {};
  for (const { before, after, refusal } of nodes) {
    if (refusal === undefined) {
      expect(before).toBeGreaterThan(0);
      expect(after).toBeGreaterThan(0);
      expect(after).toBeLessThanOrEqual(before!);
      continue;
    }
    expect(after).toBe(before);
    codes[refusal.code] = (codes[refusal.code] ?? 0) + 1;
    expect(refusal.message).not.toBe('');
    expect(refusal.culprits.length).toBeGreaterThan(0);
    expect(refusal.culprits.filter((c) => !names.has(c))).toEqual([]);
  }
  expect(codes).toEqual(left);
}
