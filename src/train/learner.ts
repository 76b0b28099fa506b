import type { Feeds, NumericArray } from '../graph/feeds.js';
import { cloneModel, replaceConstant } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { fromTypedArray, toFloat32 } from '../graph/tensor-data.js';
import { openPool, type SessionPool } from '../runtime/session-pool.js';
import type { SessionOptions } from '../runtime/session.js';
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
    private readonly training: SessionPool,
    private readonly evaluation: SessionPool,
    private readonly source: TrainingSource,
    private readonly runs: RunPlan,
    options: AdamOptions,
  ) {
    this.names = [...graph.weights.keys()];
    this.weights = [...graph.weights.values()].map((tensor) => toFloat32(tensor).slice());
    this.adam = new Adam(this.weights, options);
  }

  /** @param graph made for the rows of a run */
  static async open(
    student: Model,
    graph: TrainingGraph,
    source: TrainingSource,
    session: SessionOptions,
    runs: RunPlan,
    options: AdamOptions,
  ): Promise<Learner> {
    const training = await openPool(source.targets.stagesFor(graph.model, graph.targets), runs.atOnce, session);
    const evaluation = await evaluationPool(graph, source, session, runs);
    return new Learner(student, graph, training, evaluation, source, runs, options);
  }

  /** One step on some rows in a variant. @returns the loss before it; not finite where training has gone astray, and then nothing has changed */
  async step(rows: Int32Array, variant: number, rate: number): Promise<number> {
    const parts = split(rows, this.runs.rows);
    const shared = weightFeeds(this.graph, this.weights);
    let loss = 0;
    let gradients: readonly Float32Array[] = [];
    for (let start = 0; start < parts.length; start += this.runs.atOnce) {
      const feeds = await feedsOf(this.graph, this.source, parts.slice(start, start + this.runs.atOnce), variant);
      for (const made of await this.training.run(feeds, shared)) {
        loss += scalarOf(made.get(this.graph.loss)!) / parts.length;
        const of = this.names.map((name) => made.get(this.graph.gradients.get(name)!)!.data as Float32Array);
        if (gradients.length === 0) gradients = of;
        else gradients.forEach((sum, k) => addTo(sum, of[k]!));
      }
    }
    if (!Number.isFinite(loss)) return loss;
    if (parts.length > 1) for (const sum of gradients) for (let i = 0; i < sum.length; i++) sum[i]! /= parts.length;
    this.adam.step(gradients, rate);
    return loss;
  }

  /** The mean loss on rows as they are; NaN without rows. */
  async loss(rows: Int32Array): Promise<number> {
    return meanLoss(this.evaluation, this.graph, this.weights, this.source, rows, this.runs);
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

  async release(): Promise<void> {
    await this.training.release();
    await this.evaluation.release();
  }
}

/** The mean loss of a model as it is on rows as they are; NaN without rows. @param graph made of it */
export async function lossOf(
  graph: TrainingGraph,
  source: TrainingSource,
  rows: Int32Array,
  runs: RunPlan,
  session: SessionOptions,
): Promise<number> {
  const pool = await evaluationPool(graph, source, session, runs);
  try {
    return await meanLoss(pool, graph, [...graph.weights.values()].map(toFloat32), source, rows, runs);
  } finally {
    await pool.release();
  }
}

function evaluationPool(
  graph: TrainingGraph,
  { targets }: TrainingSource,
  session: SessionOptions,
  { atOnce }: RunPlan,
): Promise<SessionPool> {
  return openPool(targets.stagesFor(graph.evaluation, graph.targets), atOnce, session);
}

async function meanLoss(
  evaluation: SessionPool,
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
  for (let start = 0; start < parts.length; start += atOnce) {
    const now = parts.slice(start, start + atOnce);
    const made = await evaluation.run(await feedsOf(graph, source, now, 0), shared);
    now.forEach((part, i) => {
      sum += part.length * scalarOf(made[i]!.get(graph.loss)!);
      count += part.length;
    });
  }
  return sum / count;
}

/** Inputs and targets of some runs. */
async function feedsOf(
  graph: TrainingGraph,
  { rows: data, targets }: TrainingSource,
  parts: readonly Int32Array[],
  variant: number,
): Promise<Feeds[]> {
  const feeds = parts.map((rows) => data.feeds(rows, variant));
  const wanted = await targets.of(parts, variant, feeds);
  return feeds.map(
    (own, i) =>
      new Map([
        ...own,
        ...[...graph.targets].flatMap(([input, of]): [string, NumericArray][] =>
          wanted[i]!.has(of) ? [[input, wanted[i]!.get(of)!]] : [],
        ),
      ]),
  );
}

function weightFeeds(graph: TrainingGraph, weights: readonly Float32Array[]): Feeds {
  return new Map(
    [...graph.weights].map(([name, { dims }], i): [string, NumericArray] => [
      name,
      { dtype: 'float32', dims, data: weights[i]! },
    ]),
  );
}

function addTo(sum: Float32Array, more: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += more[i]!;
}

function scalarOf({ data }: NumericArray): number {
  return (data as Float32Array)[0]!;
}
