import type { Feeds, NumericArray } from '../graph/feeds.js';
import { cloneModel, replaceConstant } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { fromTypedArray, toFloat32 } from '../graph/tensor-data.js';
import type { Loaded, SessionPool, Stage } from '../runtime/session-pool.js';
import { Adam, type AdamOptions } from './adam.js';
import type { TrainingRows } from './augmentation.js';
import { split, type RunPlan } from './runs.js';
import type { Targets } from './targets.js';
import type { TrainingGraph } from './training-graph.js';

/** What is learned from. */
export interface TrainingSource {
  readonly rows: TrainingRows;
  readonly targets: Targets;
}

/** A student whose weights change from step to step. */
export class Learner {
  /** Values of the weights, in the order of their names. */
  readonly weights: readonly Float32Array[];
  readonly adam: Adam;
  private readonly names: readonly string[];

  private constructor(
    private readonly student: Model,
    private readonly graph: TrainingGraph,
    private readonly source: TrainingSource,
    private readonly pool: SessionPool,
    private readonly models: { readonly training: Loaded; readonly evaluation: Loaded },
    private readonly runs: RunPlan,
    options: AdamOptions,
  ) {
    this.names = [...graph.weights.keys()];
    this.weights = [...graph.weights.values()].map((tensor) => toFloat32(tensor).slice());
    this.adam = new Adam(this.weights, { ...options, decays: this.names.map((name) => graph.decaying.has(name)) });
  }

  /**
   * Loads the graphs of a student.
   * @param graph made for the rows of a run
   * @param pool that the teacher is loaded in
   */
  static async open(
    student: Model,
    graph: TrainingGraph,
    source: TrainingSource,
    pool: SessionPool,
    runs: RunPlan,
    options: AdamOptions,
  ): Promise<Learner> {
    const training = await pool.load(graph.model);
    const evaluation = await pool.load(graph.evaluation);
    return new Learner(student, graph, source, pool, { training, evaluation }, runs, options);
  }

  /** One step on some rows in a variant. @returns the loss before it; not finite where training has gone astray, and then nothing has changed */
  async step(rows: Int32Array, variant: number, rate: number): Promise<number> {
    const { graph, source, pool, models, runs, weights, names } = this;
    const parts = split(rows, runs.rows);
    const { stages, feeds } = await prepared(models.training, graph, source, parts, variant);
    const sums = await pool.sum(stages, feeds, weightFeeds(graph, weights));
    for (const { data } of sums.values())
      for (let i = 0; i < data.length; i++) (data as Float32Array)[i]! /= parts.length;
    const loss = scalarOf(sums.get(graph.loss)!);
    if (!Number.isFinite(loss)) return loss;
    const gradients = names.map((name) => sums.get(graph.gradients.get(name)!)!.data as Float32Array);
    this.adam.step(gradients, rate);
    return loss;
  }

  /** The mean loss on rows as they are; NaN without rows. */
  async loss(rows: Int32Array): Promise<number> {
    const { graph, source, pool, models, runs, weights } = this;
    return meanLoss(pool, models.evaluation, graph, weights, source, rows, runs);
  }

  /** The student with some weights. */
  modelWith(weights: readonly Float32Array[]): Model {
    const model = cloneModel(this.student);
    this.names.forEach((name, i) => {
      const { dims } = this.graph.weights.get(name)!;
      replaceConstant(model.graph, name, fromTypedArray(name, dims, 'float32', weights[i]!));
    });
    return model;
  }
}

/** The mean loss of a model as it is on rows as they are; NaN without rows. @param graph made of it */
export async function lossOf(
  graph: TrainingGraph,
  source: TrainingSource,
  rows: Int32Array,
  pool: SessionPool,
  runs: RunPlan,
): Promise<number> {
  const model = await pool.load(graph.evaluation);
  const loss = await meanLoss(pool, model, graph, [...graph.weights.values()].map(toFloat32), source, rows, runs);
  await pool.unload(model);
  return loss;
}

async function meanLoss(
  pool: SessionPool,
  model: Loaded,
  graph: TrainingGraph,
  weights: readonly Float32Array[],
  source: TrainingSource,
  rows: Int32Array,
  { atOnce, evaluated }: RunPlan,
): Promise<number> {
  const { fixedBatch = 1 } = source.rows.data;
  const parts = split(rows, evaluated).filter((part) => part.length >= fixedBatch);
  const shared = weightFeeds(graph, weights);
  let [sum, count] = [0, 0];
  // As many at a time as run at once: the values of all rows may take much memory.
  for (let start = 0; start < parts.length; start += atOnce) {
    const now = parts.slice(start, start + atOnce);
    const { stages, feeds } = await prepared(model, graph, source, now, 0);
    const made = await pool.run(stages, feeds, shared);
    now.forEach((part, i) => {
      sum += part.length * scalarOf(made[i]!.get(graph.loss)!);
      count += part.length;
    });
  }
  return sum / count;
}

/** What is run on some rows: a graph of the student, behind the teacher where that has to run first, and inputs and targets of each run. */
async function prepared(
  model: Loaded,
  graph: TrainingGraph,
  { rows: data, targets }: TrainingSource,
  parts: readonly Int32Array[],
  variant: number,
): Promise<{ readonly stages: readonly Stage[]; readonly feeds: readonly Feeds[] }> {
  const inputs = parts.map((rows) => data.feeds(rows, variant));
  const { before, values } = await targets.of(parts, variant, inputs);
  if (before.length > 0) return { stages: [...before, { model, from: graph.targets }], feeds: inputs };
  const feeds = inputs.map(
    (own, i) => new Map([...own, ...[...graph.targets].map(([input, of]) => [input, values[i]!.get(of)!] as const)]),
  );
  return { stages: [{ model }], feeds };
}

function weightFeeds(graph: TrainingGraph, weights: readonly Float32Array[]): Feeds {
  return new Map(
    [...graph.weights].map(([name, { dims }], i): [string, NumericArray] => [
      name,
      { dtype: 'float32', dims, data: weights[i]! },
    ]),
  );
}

function scalarOf({ data }: NumericArray): number {
  return (data as Float32Array)[0]!;
}
