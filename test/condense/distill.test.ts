import { beforeAll, describe, expect, it } from 'vitest';
import type { CondenseError } from '../../src/index.js';
import { condense, distill, type DistillOptions, type Model } from '../../src/index.js';
import { toFloat64 } from '../../src/graph/tensor-data.js';
import { convModel } from '../conv.js';
import { buildModel, node } from '../build-model.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { sharedFolder } from '../cli/cli.js';
import { weights } from '../dense.js';
import { normals } from '../matrices.js';

const inside = sharedFolder();
const teacher = smoothNetwork({ hidden: 48 });
const normalSquares = {
  dtype: 'float32' as const,
  dims: [200, 2, 6, 6],
  data: Float32Array.from({ length: 200 * 72 }, normals(4)),
};
let data: string[];
let student: Model;
beforeAll(async () => {
  data = [writeNpz(inside(), 'data.npz', { x: normalRows(900) })];
  const keep = new Map([
    ['fc1', 5],
    ['fc2', 5],
  ]);
  student = (await condense(teacher, { data, keep, tolerance: 'nrmse=1' })).model;
});

const learn = (options: Partial<DistillOptions> = {}) =>
  distill(teacher, student, { data, tolerance: 'nrmse=1', train: { steps: 1500 }, learningRate: 1e-2, ...options });
const weightsOf = (m: Model) => [...m.graph.initializers].map(([name, tensor]) => [name, [...toFloat64(tensor)]]);

describe('distill', () => {
  it('brings the student nearer to its teacher, on rows that it never saw', async () => {
    const { model, report } = await learn();
    expect(report).toMatchObject({ schemaVersion: 1, status: 'trained' });
    const { training } = report;
    expect(training).toMatchObject({ steps: 1500, batch: 256, stops: [], end: 'length', rangeTest: [] });
    expect(training.rows).toEqual({ fit: 540, validation: 180 });
    expect(training.trained).toBe(report.parameters.student);
    const [first, last] = [training.curve[0]!, training.curve.at(-1)!];
    expect(last.step).toBe(1500);
    expect(last.validation).toBeLessThan(first.validation / 2);
    expect(report.verification.outputs[0]!.nrmse).toBeLessThan(0.8 * report.before.outputs[0]!.nrmse!);
    expect(weightsOf(model)).not.toEqual(weightsOf(student));
    expect(model.metadata.find((m) => m.key === 'onnx_condense.distilled')!.value).toContain('"steps":1500');
  });

  it('gives the same weights for the same seed, and others for another', async () => {
    const run = async (seed: number) => weightsOf((await learn({ train: { epochs: 4 }, trainBatch: 64, seed })).model);
    const first = await run(3);
    expect(await run(3)).toEqual(first);
    expect(await run(4)).not.toEqual(first);
  });

  it('gives the student back as it came where no step makes it better', async () => {
    const { model, report } = await learn({ learningRate: 1e3, train: { steps: 20 } });
    expect(report.training.bestStep).toBe(0);
    expect(weightsOf(model)).toEqual(weightsOf(student));
  });

  it('counts epochs in steps of a batch', async () => {
    const { report } = await learn({ train: { epochs: 2 }, trainBatch: 100 });
    expect(report.training.steps).toBe(11);
  });

  it('trains convolutions, on the scores before a Softmax', async () => {
    const net = (width: number) =>
      convModel([2, 6, 6], (n) => {
        const a = n.op('Relu', [n.conv('x', [2, width])]);
        const b = n.op('Relu', [n.depthwise(a, width)]);
        return n.op('Softmax', [n.gemm(n.op('Flatten', [n.op('GlobalAveragePool', [b])]), [width, 3])]);
      });
    const { report } = await distill(net(8), net(4), {
      data: [writeNpz(inside(), 'images.npz', { x: normalSquares })],
      tolerance: 'nrmse=10',
      train: { steps: 300 },
      trainBatch: 32,
      learningRate: 1e-2,
    });
    const { stops, curve, losses } = report.training;
    expect(stops).toEqual([]);
    expect(losses.map((l) => l.kind)).toEqual(['kl']);
    expect(curve.at(-1)!.validation).toBeLessThan(curve[0]!.validation / 2);
  });

  it('matches layers that kept their shape, and what branches add to', async () => {
    const net = (width: number) =>
      convModel([2, 6, 6], (n) => {
        const stem = n.op('Relu', [n.conv('x', [2, 4])]);
        const branch = n.conv(n.op('Relu', [n.conv(stem, [4, width])]), [width, 4]);
        return n.op('Relu', [n.op('Add', [stem, branch])]);
      });
    const narrow = net(3);
    const { report } = await distill(net(8), narrow, {
      data: [writeNpz(inside(), 'squares.npz', { x: normalSquares })],
      tolerance: 'nrmse=10',
      train: { steps: 5 },
      match: 3,
    });
    const makers = report.training.losses.map((l) => narrow.graph.nodes.find((n) => n.outputs[0] === l.output)!);
    expect(makers.map((n) => n.opType)).toEqual(['Relu', 'Conv', 'Conv', 'Add']);
    expect(makers.map((n) => n.name)).not.toContain('c2');
    expect(report.training.losses.map((l) => l.weight)).toEqual([1, 1, 1, 1]);
  });

  it('makes whole runs of a fixed batch for each step', async () => {
    const { report } = await distill(smoothNetwork({ hidden: 24, batch: 8 }), smoothNetwork({ hidden: 6, batch: 8 }), {
      data,
      tolerance: 'nrmse=10',
      train: { steps: 30 },
      trainBatch: 100,
    });
    expect(report.training.batch).toBe(96);
    expect(report.training.bestStep).toBeGreaterThan(0);
  });

  it('holds back whole runs of a fixed batch to choose the best weights', async () => {
    const net = (hidden: number) => smoothNetwork({ hidden, batch: 250 });
    const { report } = await distill(net(24), net(6), {
      data,
      test: data,
      tolerance: 'nrmse=10',
      train: { steps: 30 },
    });
    expect(report.training.rows).toEqual({ fit: 650, validation: 250 });
    expect(report.training.curve.every((p) => Number.isFinite(p.validation))).toBe(true);
    expect(report.training.bestStep).toBeGreaterThan(0);
    const few = [writeNpz(inside(), 'few.npz', { x: normalRows(400) })];
    const failed = await distill(net(24), net(6), { data: few, test: data }).catch((e: unknown) => e);
    expect((failed as CondenseError).diagnostic).toMatchObject({ code: 'DATA_TOO_FEW_ROWS', exitCode: 2 });
  });

  it('tries no further rate when a share of the time is over, and says where no step was left', async () => {
    const { model, report } = await distill(teacher, student, { data, tolerance: 'nrmse=1', train: { minutes: 1e-6 } });
    expect(report.training.rangeTest.length).toBeLessThanOrEqual(1);
    expect(report.training.steps).toBe(0);
    expect(report.warnings.map((w) => w.code)).toContain('NO_STEP_MADE');
    expect(weightsOf(model)).toEqual(weightsOf(student));
  });

  it('compares scores behind a Softmax by whatever names they have, and counts scores that are outputs too as one', async () => {
    const classifier = (hidden: number, scores: string, outputs: readonly string[]): Model =>
      buildModel({
        inputs: [{ name: 'x', shape: ['n', 2] }],
        nodes: [
          node('Gemm', ['x', 'w1'], ['h']),
          node('Tanh', ['h'], ['a']),
          node('Gemm', ['a', 'w2'], [scores]),
          node('Softmax', [scores], ['p']),
        ],
        initializers: [weights('w1', [2, hidden]), weights('w2', [hidden, 3])],
        outputs: outputs.map((name) => ({ name, shape: ['n', 3] })),
      });
    const options = { data, tolerance: 'nrmse=10', train: { steps: 100 }, learningRate: 1e-2 } as const;
    const renamed = await distill(classifier(12, 'a/scores', ['p']), classifier(4, 'b/logits', ['p']), options);
    expect(renamed.report.training.losses).toEqual([{ output: 'b/logits', kind: 'kl', weight: 1 }]);
    expect(renamed.report.training.bestStep).toBeGreaterThan(0);
    const two = ['s', 'p'];
    const both = await distill(classifier(12, 's', two), classifier(4, 's', two), options);
    expect(both.report.training.losses).toEqual([{ output: 's', kind: 'kl', weight: 1 }]);
    expect(both.report.training.bestStep).toBeGreaterThan(0);
  });

  it('refuses what cannot be trained', async () => {
    const failure = (work: Promise<unknown>) =>
      work.then(
        () => 'it worked',
        (error: unknown) => (error as CondenseError).diagnostic,
      );
    const plain = buildModel({
      inputs: [{ name: 'x', shape: ['batch', 2] }],
      nodes: [node('Tanh', ['x'], ['y'])],
      outputs: [{ name: 'y', shape: ['batch', 2] }],
    });
    expect(await failure(distill(plain, plain, { data }))).toMatchObject({ code: 'NOTHING_TO_TRAIN', exitCode: 4 });
    expect(await failure(distill(teacher, plain, { data: ['nowhere.npz'] }))).toMatchObject({ code: 'DATA_NOT_FOUND' });
    const ending = (opType: string, columns: number): Model =>
      buildModel({
        inputs: [{ name: 'x', shape: ['n', 2] }],
        nodes: [node('Gemm', ['x', 'w'], ['h']), node(opType, ['h'], ['y'], {}, { name: 'last' })],
        initializers: [weights('w', [2, columns])],
        outputs: [{ name: 'y', shape: ['n', columns] }],
      });
    expect(await failure(distill(ending('Round', 3), ending('Round', 3), { data }))).toMatchObject({
      code: 'NOTHING_TO_TRAIN',
      where: 'last',
      message: 'no gradient reaches a weight: it stops at last, since it has no rule',
    });
    expect(await failure(distill(ending('Tanh', 3), ending('Tanh', 1), { data }))).toMatchObject({
      code: 'OUTPUT_SHAPES_DIFFER',
    });
  });
});
