import { beforeAll, describe, expect, it } from 'vitest';
import { costsOf, optionsOfRound } from '../../src/condense/rounds.js';
import { condense, parameterCount, type CondenseError, type CondenseOptions } from '../../src/index.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { sharedFolder } from '../cli/cli.js';

const inside = sharedFolder();
const teacher = smoothNetwork({ hidden: 48 });
let data: string[];
beforeAll(() => {
  data = [writeNpz(inside(), 'data.npz', { x: normalRows(900) })];
});
const reduce = (options: Partial<CondenseOptions>) =>
  condense(teacher, { data, tolerance: 'nrmse=1', trials: 0, ...options });
const keepParams = 0.05;
const distill = { steps: 900 };

describe('optionsOfRound', () => {
  const costs = { parameters: 1000, macs: 800, bytes: 4000 };

  it('goes to the budget in equal ratios, with equal parts of the training', () => {
    const options: CondenseOptions = { data, keepParams: 0.25, keepMacs: 8, size: 1000, steps: 2, distill };
    const half = optionsOfRound(options, 1, costs);
    expect(half.keepParams).toBeCloseTo(500, 9);
    expect(half.keepMacs).toBeCloseTo(80, 9);
    expect(half.size).toBeCloseTo(2000, 9);
    expect(half.distill).toEqual({ steps: 450 });
    const whole = optionsOfRound(options, 2, costs);
    expect(whole.keepParams).toBeCloseTo(250, 9);
    expect(whole.keepMacs).toBeCloseTo(8, 9);
  });

  it('gives each round a checkpoint of its own', () => {
    const options = { data, keepParams: 0.25, steps: 2, checkpoint: 'kept' };
    expect(optionsOfRound(options, 2, costs).checkpoint).toMatch(/^kept.round-2$/);
  });

  it('counts what a model costs', () => {
    const found = costsOf(teacher, 7);
    expect(found).toMatchObject({ parameters: parameterCount(teacher), macs: 7 });
    expect(found.bytes).toBeGreaterThan(4 * found.parameters);
  });
});

describe('reduce with --distill', () => {
  it('makes the reduced model better on rows that nobody saw', async () => {
    const plain = await reduce({ keepParams });
    const { report, model } = await reduce({ keepParams, distill, learningRate: 1e-2 });
    expect(parameterCount(model)).toBeLessThanOrEqual(keepParams * parameterCount(teacher));
    expect(report.training).toHaveLength(1);
    expect(report.training![0]!.bestStep).toBeGreaterThan(0);
    expect(report.passes.at(-1)).toMatchObject({ name: 'distill', changed: true });
    const [a, b] = [plain, { report }].map((r) => r.report.verification!.outputs[0]!.nrmse!) as [number, number];
    expect(b).toBeLessThan(0.6 * a);
    const record = model.metadata.find((m) => m.key === 'onnx_condense.options')!.value;
    expect(JSON.parse(record)).toMatchObject({ distill, learningRate: 1e-2 });
  });

  it('learns from layers inside that kept their shape, where that is asked for', async () => {
    const keep = new Map([['fc1', 6]]);
    const { report } = await reduce({ keep, distill: { steps: 50 }, match: 0.5 });
    const kinds = report.training![0]!.losses;
    expect(kinds[0]).toEqual({ output: 'y', kind: 'squared', weight: 1 });
    expect(kinds.slice(1).map((l) => l.weight)).toEqual([0.5]);
    const none = await reduce({ keep: new Map([...keep, ['fc2', 6]]), distill: { steps: 5 }, match: 0.5 });
    expect(none.report.warnings.map((w) => w.code)).toContain('NOTHING_MATCHED');
  });

  it('gives what the refit alone gives at these widths where no step is better', async () => {
    const learned = await reduce({ keepParams, distill: { steps: 20 }, learningRate: 1 });
    expect(learned.report.training![0]!.bestStep).toBe(0);
    expect(learned.report.passes.at(-1)).toMatchObject({ name: 'distill', changed: false });
    // The ridge that prepares for learning costs a little, and is gone with it.
    const plain = await reduce({ plan: learned.report.plan! });
    expect(learned.report.verification!.outputs).toEqual(plain.report.verification!.outputs);
    expect(learned.report.nodes).toEqual(plain.report.nodes);
  });

  it('does not train what was not reduced', async () => {
    const { report } = await reduce({ keepParams: 1, distill: { steps: 50 } });
    expect(report.status).toBe('unchanged');
    expect(report.training).toBeUndefined();
  });
});

describe('reduce in rounds', () => {
  it.each([
    ['span', { keepParams }],
    ['cosine, as the paper does', { keepParams, method: 'cosine' }],
    ['cosine at one threshold', { threshold: 0.9, method: 'cosine' }],
  ] as const)('by %s', async (_, options) => {
    const { model, report } = await reduce({ ...options, steps: 3, distill, learningRate: 1e-2 });
    expect(report.training).toHaveLength(3);
    expect(report.training!.map((t) => t.steps)).toEqual([300, 300, 300]);
    expect(report.plan).toBeUndefined();
    if ('keepParams' in options)
      expect(parameterCount(model)).toBeLessThanOrEqual(keepParams * parameterCount(teacher));
    expect(parameterCount(model)).toBeLessThan(parameterCount(teacher));
    // Each node from the width it came with to the one it has in the end.
    const hidden = report.nodes.filter((n) => n.before === 48);
    expect(hidden).toHaveLength(2);
    for (const node of hidden) expect(node.after).toBeLessThan(48);
    expect(report.verification!.outputs[0]!.nrmse).toBeLessThan(0.5);
  });

  describe('an interrupt', () => {
    /** Two rounds, interrupted at the first event of a kind in a round. */
    const interrupted = (round: number, stage: 'distill' | 'other') => {
      const controller = new AbortController();
      let [rounds, learning] = [0, false];
      const run = reduce({
        ...{ keepParams, steps: 2, distill: { steps: 300 }, learningRate: 1e-2, signal: controller.signal },
        onProgress: (event) => {
          if (event.stage === 'distill' && !learning) rounds++;
          learning = event.stage === 'distill';
          if (rounds === round && learning === (stage === 'distill')) controller.abort();
        },
      });
      return run.catch((error: unknown) => (error as CondenseError).diagnostic);
    };

    it.each([
      ['while the first learns', 1, 'distill', 'in round 1 of 2'],
      ['between them', 1, 'other', 'in round 2 of 2'],
    ] as const)('%s ends the run: nothing of the wanted size has learned', async (_, round, stage, where) => {
      const failure = await interrupted(round, stage);
      expect(failure).toMatchObject({ code: 'ROUND_INTERRUPTED', exitCode: 130 });
      expect((failure as { message: string }).message).toContain(where);
    });

    it('while the last learns keeps what was best', async () => {
      const { report } = (await interrupted(2, 'distill')) as Awaited<ReturnType<typeof condense>>;
      expect(report.status).toBe('reduced');
      expect(report.training!.map((t) => t.end)).toEqual(['length', 'interrupted']);
    });
  });

  it.each<[string, Partial<CondenseOptions>, RegExp]>([
    ['a plan of widths', { steps: 2, keep: new Map([['fc1', 4]]) }, /--steps goes to a budget/],
    ['no budget', { steps: 2 }, /--steps goes to a budget/],
    ['exact', { steps: 2, method: 'exact' }, /--steps does not apply to --method exact/],
    ['a rate without a training', { keepParams, learningRate: 1e-3 }, /--learning-rate belongs to --distill/],
  ])('not with %s', async (_, options, message) => {
    const failure = await reduce(options).catch((error: unknown) => (error as CondenseError).diagnostic);
    expect(failure).toMatchObject({ code: 'OPTIONS_CONFLICT', exitCode: 2 });
    expect((failure as { message: string }).message).toMatch(message);
  });
});
