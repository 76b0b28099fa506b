/**
 * What a student is judged by, output by output, and its gradient with respect to the output, as nodes. With y of the student, t of the teacher:
 *
 *     squared   mean e²,                        e = (y − t) / σ
 *     huber     mean (e² where |e| ≤ 1, else 2 |e| − 1)
 *     kl        τ² mean over rows KL(softmax(t/τ) ‖ softmax(y/τ))
 *
 * σ is the standard deviation of the teacher's output (of each column where it has rank 2). Hinton, Vinyals & Dean, Distilling the Knowledge in
 * a Neural Network (2015) for the last.
 */
import { elementCount } from '../graph/tensor.js';

/** How the error of an output counts. */
export type OutputLoss =
  | {
      readonly kind: 'squared' | 'huber';
      readonly output: string;
      /** The value of the teacher that it is compared with. */
      readonly of: string;
      /** Standard deviations: one for each column, or one for all elements. What has none does not count. */
      readonly deviations: Float64Array;
      /** What it counts beside the others. */
      readonly weight: number;
    }
  | {
      readonly kind: 'kl';
      readonly output: string;
      /** The value of the teacher that it is compared with. */
      readonly of: string;
      /** That of the classes; counted from the end where it is negative. */
      readonly axis: number;
      readonly temperature: number;
      readonly weight: number;
    };

/** Adds nodes and constants to a graph. */
export interface GraphWriter {
  add(opType: string, inputs: readonly string[], attributes?: Record<string, number | readonly number[]>): string;
  /** A float32 constant. */
  constant(values: Float64Array, dims: readonly number[]): string;
}

/** The loss of one output as a value, and what makes its gradient. */
export interface LossNodes {
  /** A scalar, times the weight. */
  readonly loss: string;
  /** Adds the gradient of the loss with respect to the output. */
  readonly gradient: (write: GraphWriter) => string;
}

/**
 * Adds the nodes of one output's loss.
 * @param target name of the teacher's values
 * @param dims of the output for the batch that is trained on; the loss itself is right for any batch
 */
export function lossNodes(loss: OutputLoss, target: string, dims: readonly number[], write: GraphWriter): LossNodes {
  const scalar = (value: number): string => write.constant(Float64Array.of(value), []);
  const mean = (value: string, factor: number): string =>
    write.add('Mul', [write.add('ReduceMean', [value], { keepdims: 0 }), scalar(factor)]);
  const count = elementCount(dims);
  const { output, weight } = loss;
  if (loss.kind === 'kl') {
    const { temperature } = loss;
    const axis = loss.axis < 0 ? loss.axis + dims.length : loss.axis;
    const inverse = scalar(1 / temperature);
    // Before operator set 13 a Softmax takes all axes from one on as one: only the last is the same in all.
    const last = dims.length - 1;
    const perm = dims.map((_, i) => (i === axis ? last : i === last ? axis : i));
    const swapped = (to: GraphWriter, value: string): string =>
      axis === last ? value : to.add('Transpose', [value], { perm });
    const [y, t] = [output, target].map((value) => swapped(write, write.add('Mul', [value, inverse]))) as [
      string,
      string,
    ];
    const logs = write.add('LogSoftmax', [y], { axis: last });
    const wanted = write.add('Softmax', [t], { axis: last });
    const distance = write.add('Sub', [write.add('LogSoftmax', [t], { axis: last }), logs]);
    const classes = dims[axis]!;
    return {
      loss: mean(write.add('Mul', [wanted, distance]), weight * temperature ** 2 * classes),
      gradient: (w) => {
        const factor = w.constant(Float64Array.of((weight * temperature * classes) / count), []);
        return swapped(w, w.add('Mul', [w.add('Sub', [w.add('Exp', [logs]), wanted]), factor]));
      },
    };
  }
  const inverse = write.constant(
    loss.deviations.map((d) => (d > 0 ? 1 / d : 0)),
    loss.deviations.length === 1 ? [] : [loss.deviations.length],
  );
  const error = write.add('Mul', [write.add('Sub', [output, target]), inverse]);
  // With c = e cut off at ±1, huber is c (2e − c), and half its slope is c.
  const cut = loss.kind === 'squared' ? error : write.add('Max', [write.add('Min', [error, scalar(1)]), scalar(-1)]);
  const each =
    loss.kind === 'squared'
      ? write.add('Mul', [error, error])
      : write.add('Mul', [cut, write.add('Sub', [write.add('Add', [error, error]), cut])]);
  return {
    loss: mean(each, weight),
    gradient: (w) =>
      w.add('Mul', [w.add('Mul', [cut, inverse]), w.constant(Float64Array.of((2 * weight) / count), [])]),
  };
}
