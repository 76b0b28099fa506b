import { beforeEach, describe, expect, it } from 'vitest';
import {
  condense,
  encodeModel,
  type CondenseOptions,
  type CondenseReport,
  type Model,
  type Plan,
} from '../../src/index.js';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
const model = smoothNetwork({ hidden: 96 });
let data: string;
beforeEach(() => {
  data = writeNpz(folder(), 'data.npz', { x: normalRows(600) });
});

const bytesOf = (m: Model): number => encodeModel(m).reduce((sum, chunk) => sum + chunk.byteLength, 0);
const reduce = (options: Partial<CondenseOptions>) =>
  condense(model, { data: [data], tolerance: 'nrmse=1', ...options });
const widths = ({ nodes }: CondenseReport): (number | undefined)[] => nodes.map((n) => n.after);
const diagnosticOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'it worked',
    (error: unknown) => (error instanceof CondenseError ? error.diagnostic : error),
  );

describe('budgets', () => {
  it('of multiply-accumulates, as a share and as a count', async () => {
    const share = (await reduce({ keepMacs: 0.3 })).report;
    expect(share.output.size.macs).toBeLessThanOrEqual(0.3 * share.input.size.macs);
    expect(share.output.size.macs).toBeGreaterThan(0.28 * share.input.size.macs);
    const count = (await reduce({ keepMacs: 2000 })).report;
    expect(count.output.size.macs).toBeLessThanOrEqual(2000);
    expect(count.output.size.macs).toBeGreaterThan(1900);
  });

  it('of bytes: the file is never larger', async () => {
    const size = 0.5 * bytesOf(model);
    const { model: reduced } = await reduce({ size });
    expect(bytesOf(reduced)).toBeLessThanOrEqual(size);
    expect(bytesOf(reduced)).toBeGreaterThan(0.5 * size);
  });

  it('together: the tightest counts', async () => {
    const { output, input } = (await reduce({ keepParams: 0.6, keepMacs: 0.2 })).report;
    expect(output.size.macs).toBeLessThanOrEqual(0.2 * input.size.macs);
    expect(output.size.parameters).toBeLessThan(0.3 * input.size.parameters);
    const both = (await reduce({ keepParams: 0.1, keepMacs: 0.9 })).report;
    expect(both.output.size.parameters).toBeLessThanOrEqual(0.1 * both.input.size.parameters);
    expect(both.output.size.parameters).toBeGreaterThan(0.09 * both.input.size.parameters);
  });

  it('with a limit on the error: the smallest within both, or exit code 5', async () => {
    const { report } = await reduce({ keepParams: 0.5, maxError: 1e-2 });
    expect(report.output.size.parameters).toBeLessThan(0.5 * report.input.size.parameters);
    expect(report.verification!.outputs[0]!.nrmse).toBeLessThanOrEqual(1e-2);
    expect(await diagnosticOf(reduce({ keepParams: 0.01, maxError: 1e-6 }))).toMatchObject({ exitCode: 5 });
  });

  it('that cannot be met say what the nearest model would have', async () => {
    expect(await diagnosticOf(reduce({ keepMacs: 3 }))).toMatchObject({
      code: 'BUDGET_TOO_SMALL',
      exitCode: 5,
      where: '--keep-macs',
      message: expect.stringMatching(
        /^3 multiply-accumulates cannot be reached: the smallest possible model has 6 /,
      ) as string,
    });
    expect(await diagnosticOf(reduce({ size: 100 }))).toMatchObject({ exitCode: 5, where: '--size' });
  });

  it('hold for cosine too', async () => {
    const { output, input } = (await reduce({ method: 'cosine', keepMacs: 0.5 })).report;
    expect(output.size.macs).toBeLessThanOrEqual(0.5 * input.size.macs);
  });
});

describe('plans', () => {
  it('are applied again without a search, to the same model', async () => {
    const first = await reduce({ keepParams: 0.3 });
    const plan = first.report.plan!;
    expect(plan.spaces.map((s) => [s.nodes, s.channels])).toEqual([
      [['fc1'], 96],
      [['fc2'], 96],
    ]);
    expect(plan.predictedNrmse).toBeGreaterThan(0);
    const stages = new Set<string>();
    const second = await reduce({ plan, onProgress: ({ stage }) => void stages.add(stage) });
    expect(stages).not.toContain('plan');
    expect(widths(second.report)).toEqual(widths(first.report));
    expect(second.report.plan!.spaces).toEqual(plan.spaces);
    expect(second.report.verification!.outputs).toEqual(first.report.verification!.outputs);
  });

  it('may be edited', async () => {
    const plan: Plan = {
      schemaVersion: 1,
      model: null,
      spaces: [
        { nodes: ['fc1'], channels: 96, keep: 31 },
        { nodes: ['fc2'], channels: 96, keep: 96 },
      ],
    };
    expect(widths((await reduce({ plan })).report)).toEqual([31, 96, 3]);
  });

  it.each([
    ['another number of spaces', [{ nodes: ['fc1'], channels: 96, keep: 8 }], /it has 1 spaces, the model 2/],
    [
      'other nodes',
      [
        { nodes: ['fc2'], channels: 96, keep: 8 },
        { nodes: ['fc1'], channels: 96, keep: 8 },
      ],
      /space 1 is made by fc2 \(96 channels\), in the model by fc1/,
    ],
    [
      'a width that is none',
      [
        { nodes: ['fc1'], channels: 96, keep: 97 },
        { nodes: ['fc2'], channels: 96, keep: 8 },
      ],
      /keeps 97 of [01] to 96 channels/,
    ],
  ])('with %s do not fit', async (_, spaces, message) => {
    expect(await diagnosticOf(reduce({ plan: { schemaVersion: 1, model: null, spaces } }))).toMatchObject({
      code: 'PLAN_MISMATCH',
      exitCode: 2,
      message: expect.stringMatching(message) as string,
    });
  });

  it('leave no room for a budget beside them', async () => {
    const { plan } = (await reduce({ keepParams: 0.5 })).report;
    expect(await diagnosticOf(reduce({ plan: plan!, keepParams: 0.5 }))).toMatchObject({ code: 'OPTIONS_CONFLICT' });
  });
});
