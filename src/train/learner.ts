import type { Feeds, NumericArray } from '../graph/feeds.js';
import { cloneModel, replaceConstant } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { fromTypedArray, toFloat32 } from '../graph/tensor-data.js';
import { Session, type SessionOptions } from '../runtime/session.js';
import { Adam, type AdamOptions } from './adam.js';
import type { TrainingRows } from './augmentation.js';
import type { Targets } from './targets.js';
import type { TrainingGraph } from './training-graph.js';

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
    private readonly rows: TrainingRows,
    private readonly targets: Targets,
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
    { rows, targets }: { readonly rows: TrainingRows; readonly targets: Targets },
    session: SessionOptions,
    options: AdamOptions & { readonly rowsPerRun: number },
  ): Promise<Learner> {
    const training = await Session.open(graph.model, session);
    const evaluation = await Session.open(graph.evaluation, session);
    return new Learner(student, graph, training, evaluation, rows, targets, options.rowsPerRun, options);
  }

  /** One step on some rows in a variant. @returns the loss before it; not finite where training has gone astray, and then nothing has changed */
  async step(rows: Int32Array, variant: number, rate: number): Promise<number> {
    const run = await this.training.run(await this.feedsFor(rows, variant));
    const loss = scalarOf(run.get(this.graph.loss)!);
    if (!Number.isFinite(loss)) return loss;
    const gradients = this.names.map((name) => run.get(this.graph.gradients.get(name)!)!.data as Float32Array);
    this.adam.step(gradients, rate);
    return loss;
  }

  /** The mean loss on rows as they are; NaN without rows. */
  async loss(rows: Int32Array): Promise<number> {
    const { fixedBatch } = this.rows.data;
    const step = fixedBatch ?? this.rowsPerRun;
    let [sum, count] = [0, 0];
    for (let start = 0; start + (fixedBatch ?? 1) <= rows.length; start += step) {
      const part = rows.subarray(start, start + step);
      const run = await this.evaluation.run(await this.feedsFor(part, 0));
      sum += part.length * scalarOf(run.get(this.graph.loss)!);
      count += part.length;
    }
    return sum / count;
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

  private async feedsFor(rows: Int32Array, variant: number): Promise<Feeds> {
    const feeds = this.rows.feeds(rows, variant);
    const wanted = await this.targets.of(rows, variant, feeds);
    return new Map([
      ...feeds,
      ...this.names.map((name, i): [string, NumericArray] => [
        name,
        { dtype: 'float32', dims: this.graph.weights.get(name)!.dims, data: this.weights[i]! },
      ]),
      ...[...this.graph.targets].map(([output, target]) => [target, wanted.get(output)!] as const),
    ]);
  }

  async release(): Promise<void> {
    await this.training.release();
    await this.evaluation.release();
  }
}

function scalarOf({ data }: NumericArray): number {
  return (data as Float32Array)[0]!;
}
