import type { Feeds, NumericArray } from '../graph/feeds.js';
import { cloneModel, replaceConstant } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { fromTypedArray, toFloat32 } from '../graph/tensor-data.js';
import { Session, withSession, type SessionOptions } from '../runtime/session.js';
import { Adam, type AdamOptions } from './adam.js';
import type { TrainingRows } from './augmentation.js';
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
    private readonly training: Session,
    private readonly evaluation: Session,
    private readonly source: TrainingSource,
    private readonly rowsPerRun: number,
    options: AdamOptions,
  ) {
    this.names = [...graph.weights.keys()];
    this.weights = [...graph.weights.values()].map((tensor) => toFloat32(tensor).slice());
    this.adam = new Adam(this.weights, options);
  }

  static async open(
    student: Model,
    graph: TrainingGraph,
    source: TrainingSource,
    session: SessionOptions,
    options: AdamOptions & { readonly rowsPerRun: number },
  ): Promise<Learner> {
    const training = await Session.open(graph.model, session);
    const evaluation = await Session.open(graph.evaluation, session);
    return new Learner(student, graph, training, evaluation, source, options.rowsPerRun, options);
  }

  /** One step on some rows in a variant. @returns the loss before it; not finite where training has gone astray, and then nothing has changed */
  async step(rows: Int32Array, variant: number, rate: number): Promise<number> {
    const run = await this.training.run(await feedsOf(this.graph, this.weights, this.source, rows, variant));
    const loss = scalarOf(run.get(this.graph.loss)!);
    if (!Number.isFinite(loss)) return loss;
    const gradients = this.names.map((name) => run.get(this.graph.gradients.get(name)!)!.data as Float32Array);
    this.adam.step(gradients, rate);
    return loss;
  }

  /** The mean loss on rows as they are; NaN without rows. */
  async loss(rows: Int32Array): Promise<number> {
    return meanLoss(this.evaluation, this.graph, this.weights, this.source, rows, this.rowsPerRun);
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
  rowsPerRun: number,
  options: SessionOptions,
): Promise<number> {
  const weights = [...graph.weights.values()].map(toFloat32);
  return withSession(graph.evaluation, options, (session) =>
    meanLoss(session, graph, weights, source, rows, rowsPerRun),
  );
}

async function meanLoss(
  evaluation: Session,
  graph: TrainingGraph,
  weights: readonly Float32Array[],
  source: TrainingSource,
  rows: Int32Array,
  rowsPerRun: number,
): Promise<number> {
  const { fixedBatch } = source.rows.data;
  const step = fixedBatch ?? rowsPerRun;
  let [sum, count] = [0, 0];
  for (let start = 0; start + (fixedBatch ?? 1) <= rows.length; start += step) {
    const part = rows.subarray(start, start + step);
    const run = await evaluation.run(await feedsOf(graph, weights, source, part, 0));
    sum += part.length * scalarOf(run.get(graph.loss)!);
    count += part.length;
  }
  return sum / count;
}

/** Inputs, weights and targets of a run. */
async function feedsOf(
  graph: TrainingGraph,
  weights: readonly Float32Array[],
  { rows: data, targets }: TrainingSource,
  rows: Int32Array,
  variant: number,
): Promise<Feeds> {
  const feeds = data.feeds(rows, variant);
  const wanted = await targets.of(rows, variant, feeds);
  return new Map([
    ...feeds,
    ...[...graph.weights].map(([name, { dims }], i): [string, NumericArray] => [
      name,
      { dtype: 'float32', dims, data: weights[i]! },
    ]),
    ...[...graph.targets].map(([input, of]) => [input, wanted.get(of)!] as const),
  ]);
}

function scalarOf({ data }: NumericArray): number {
  return (data as Float32Array)[0]!;
}
