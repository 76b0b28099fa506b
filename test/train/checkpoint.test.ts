import { readdirSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadDataset, type Dataset } from '../../src/calibration/dataset.js';
import { dataInputs } from '../../src/condense/prepare.js';
import type { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { Model } from '../../src/graph/ir.js';
import { cloneModel, replaceConstant } from '../../src/graph/edit.js';
import { floatTensor, toFloat64 } from '../../src/graph/tensor-data.js';
import { readModel, writeModel } from '../../src/onnx/index.js';
import { fingerprintOf } from '../../src/train/checkpoint.js';
import { train, type TrainOptions, type Trained } from '../../src/train/train.js';
import { convModel } from '../conv.js';
import { CPU, randomFeeds } from '../dense.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
const [teacher, student] = [smoothNetwork({ hidden: 24 }), smoothNetwork({ hidden: 5 })];
let data: Dataset;
beforeAll(async () => {
  data = await loadDataset([writeNpz(folder(), 'data.npz', { x: normalRows(400) })], dataInputs(teacher));
});

const STEPS = 200;
const OPTIONS: TrainOptions = {
  length: { steps: STEPS },
  losses: [{ kind: 'squared', output: 'y', of: 'y', weight: 1 }],
  batch: 32,
  rate: 1e-2,
  weightDecay: 0,
  clip: 1,
  seed: 1,
  augmentation: { noise: 0.01 },
  memory: 1e8,
  rowsPerRun: 1024,
  session: CPU,
};
const learn = (options: Partial<TrainOptions> = {}, pupil = student): Promise<Trained> => {
  const rows = Int32Array.from({ length: 400 }, (_, i) => i);
  return train(
    teacher,
    pupil,
    data,
    { fit: rows.subarray(0, 300), validation: rows.subarray(300) },
    { ...OPTIONS, ...options },
  );
};
const weightsOf = ({ model }: Trained): unknown =>
  [...model.graph.initializers].map(([n, t]) => [n, [...toFloat64(t)]]);

/** A training that dies after some steps, as if the process had been killed. */
async function killed(checkpoint: string, after: number): Promise<void> {
  const death = new Error('killed');
  const dying = learn({
    checkpoint,
    onStep: ({ step }) => {
      if (step === after) throw death;
    },
  });
  await expect(dying).rejects.toBe(death);
}

describe('fingerprintOf', () => {
  const rows = Int32Array.of(0, 1);
  const of = (original: Model, pupil = student): string => fingerprintOf(original, pupil, data, rows, {});
  const other = (model: Model): Model => {
    const changed = cloneModel(model);
    replaceConstant(changed.graph, 'b1', floatTensor('b1', [24], 'float32', new Float32Array(24)));
    return changed;
  };

  it('knows the weights of models that were never in a file', () => {
    expect(of(cloneModel(teacher))).toBe(of(teacher));
    expect(of(other(teacher))).not.toBe(of(teacher));
    expect(of(teacher, other(teacher))).not.toBe(of(teacher, teacher));
  });

  it('knows weights in files of their own', async () => {
    const read = async (model: Model): Promise<Model> => {
      const file = path.join(folder(), 'model.onnx');
      await writeModel(model, file, { externalData: { threshold: 0 } });
      return readModel(file);
    };
    const [whole, again, changed] = [await read(teacher), await read(teacher), await read(other(teacher))];
    expect(changed.source!.sha256).toBe(whole.source!.sha256);
    expect(of(again)).toBe(of(whole));
    expect(of(changed)).not.toBe(of(whole));
  });
});

describe('a training that was cut off', () => {
  it.each([3, 8, 100, 199])('after %i steps goes on to the same end as an unbroken one', async (after) => {
    const whole = await learn();
    const checkpoint = folder();
    await killed(checkpoint, after);
    const resumed = await learn({ checkpoint });
    expect(weightsOf(resumed)).toEqual(weightsOf(whole));
    expect(resumed.curve).toEqual(whole.curve);
    expect(resumed.bestStep).toBe(whole.bestStep);
  });

  it('goes on from where it was, and does nothing once it is done', async () => {
    const checkpoint = folder();
    await killed(checkpoint, 100);
    let steps = 0;
    const onStep = (): void => void steps++;
    const first = await learn({ checkpoint, onStep });
    expect(steps).toBeLessThanOrEqual(STEPS - 96);
    steps = 0;
    expect(weightsOf(await learn({ checkpoint, onStep }))).toEqual(weightsOf(first));
    expect(steps).toBe(0);
  });

  it('leaves whole files alone', async () => {
    const checkpoint = folder();
    await killed(checkpoint, 100);
    expect(readdirSync(checkpoint)).toEqual(['training.onnx']);
  });

  it('is not taken for another', async () => {
    const checkpoint = folder();
    await killed(checkpoint, 100);
    const failure = await learn({ checkpoint, seed: 2 }).catch((error: unknown) => (error as CondenseError).diagnostic);
    expect(failure).toMatchObject({
      code: 'CHECKPOINT_OF_OTHER_TRAINING',
      where: path.join(checkpoint, 'training.onnx'),
      exitCode: 2,
    });
  });
});

it('goes on to the same end where a step is shared out among threads', async () => {
  const net = (width: number): Model =>
    convModel([3, 32, 32], (n) => {
      const features = n.conv(n.op('Relu', [n.conv('x', [3, width])]), [width, 5]);
      return n.op('Flatten', [n.op('GlobalAveragePool', [features])]);
    });
  const [large, small] = [net(24), net(12)];
  const images = await loadDataset(
    [writeNpz(folder(), 'images.npz', Object.fromEntries(randomFeeds(large, 100)))],
    dataInputs(large),
  );
  const rows = Int32Array.from({ length: 100 }, (_, i) => i);
  const output = large.graph.outputs[0]!.name;
  const learnImages = (more: Partial<TrainOptions>): Promise<Trained> =>
    train(
      large,
      small,
      images,
      { fit: rows.subarray(0, 80), validation: rows.subarray(80) },
      {
        ...OPTIONS,
        length: { steps: 30 },
        losses: [{ kind: 'squared', output, of: output, weight: 1 }],
        batch: 64,
        augmentation: { flip: true, light: 0.1 },
        ...more,
      },
    );
  const whole = await learnImages({});
  expect(whole.bestStep).toBeGreaterThan(0);
  const checkpoint = folder();
  const death = new Error('killed');
  const onStep = ({ step }: { readonly step: number }): void => {
    if (step === 7) throw death;
  };
  await expect(learnImages({ checkpoint, onStep })).rejects.toBe(death);
  expect(weightsOf(await learnImages({ checkpoint }))).toEqual(weightsOf(whole));
  expect(weightsOf(await learnImages({}))).toEqual(weightsOf(whole));
});

describe('a training that is ended early', () => {
  it('keeps what was best so far', async () => {
    const controller = new AbortController();
    const trained = await learn({
      signal: controller.signal,
      onStep: ({ step }) => {
        if (step === 60) controller.abort();
      },
    });
    expect(trained).toMatchObject({ end: 'interrupted', steps: 60 });
    const best = trained.curve.find((p) => p.step === trained.bestStep)!;
    expect(best.validation).toBe(Math.min(...trained.curve.map((p) => p.validation)));
    expect(best.validation).toBeLessThan(trained.curve[0]!.validation);
  });

  it.each([1e-2, undefined])('before the first step, it leaves the weights as they came (rate %s)', async (rate) => {
    const trained = await learn({ rate, signal: AbortSignal.abort() });
    expect(trained).toMatchObject({ end: 'interrupted', steps: 0, bestStep: 0, model: student });
  });

  it('by patience, where nothing gets better', async () => {
    const trained = await learn({ rate: 1e-12, patience: 3, length: { steps: 1000 } });
    expect(trained.end).toBe('patience');
    expect(trained.steps).toBeLessThanOrEqual(40 * 8);
  });

  it('goes back to its best weights at half the rate where it goes astray, and gives up in the end', async () => {
    const trained = await learn({ rate: 1e30, clip: Infinity });
    expect(trained.end).toBe('diverged');
    expect(trained.bestStep).toBe(0);
    expect(trained.model).toBe(student);
  });
});

it('takes as many minutes as it is given', async () => {
  const started = performance.now();
  const trained = await learn({ length: { minutes: 0.02 } });
  const seconds = (performance.now() - started) / 1000;
  expect(seconds).toBeGreaterThan(1.2);
  expect(trained.steps).toBeGreaterThan(10);
  expect(trained.curve.at(-1)!.rate).toBeLessThan(1e-3);
});

it('finds a rate that lowers the loss where none is given', async () => {
  const trained = await learn({ rate: undefined, length: { steps: 2000 } });
  expect(trained.rangeTest.length).toBeGreaterThan(4);
  expect(trained.rangeTest.map((p) => p.rate)).toContain(trained.rate);
  expect(trained.bestStep).toBeGreaterThan(0);
});

describe('a model that stands otherwise', () => {
  it('is what comes of a training that does not reach it', async () => {
    const trained = await learn({ otherwise: teacher });
    expect(trained.model).toBe(teacher);
    expect(trained.bestStep).toBe(0);
    // What was learned is told all the same.
    expect(Math.min(...trained.curve.map((p) => p.validation))).toBeLessThan(trained.curve[0]!.validation);
  });

  it('is left aside where training does better', async () => {
    const trained = await learn({ otherwise: smoothNetwork({ hidden: 3 }) });
    expect(weightsOf(trained)).toEqual(weightsOf(await learn()));
  });
});

describe('weights that are nearly right', () => {
  const nearly = cloneModel(teacher);
  for (const [name, tensor] of nearly.graph.initializers) {
    const values = toFloat64(tensor).map((v, i) => v * (1 + 1e-4 * Math.cos(i)));
    replaceConstant(nearly.graph, name, floatTensor(name, tensor.dims, 'float32', values));
  }

  it('get a smaller rate, where none of the usual ones will do', async () => {
    const trained = await learn({ rate: undefined, augmentation: undefined, length: { steps: 3000 } }, nearly);
    // One smaller rate is enough here: it is stood.
    expect(trained.rangeTest.map((p) => p.rate).slice(0, 2)).toEqual([3e-5, 1e-4]);
    expect(trained.rate).toBe(3e-5);
    expect(trained.bestStep).toBeGreaterThan(0);
  });

  it('are gone back to when half of the training has only made them worse, and get a quarter of the rate', async () => {
    const rate = 3e-3;
    const { curve } = await learn({ rate }, nearly);
    const half = curve.findIndex((p) => p.step >= STEPS / 2);
    expect(curve[half]!.validation).toBeGreaterThan(2 * curve[0]!.validation);
    // Along half a cosine: a half of the largest at the middle.
    expect(curve[half]!.rate / rate).toBeCloseTo(0.5, 1);
    expect(curve[half + 1]!.rate / rate).toBeCloseTo(0.5 / 4, 1);
    // Once is enough.
    expect(curve.at(-5)!.rate / rate).toBeGreaterThan(0.5 / 64);
  });
});
