import type { Dataset } from '../src/calibration/dataset.js';
import type { Model } from '../src/graph/ir.js';
import { train, type Trained, type TrainOptions } from '../src/train/train.js';
import type { Pass, PassResult } from './pass.js';

/** What the student learns from. */
export interface DistillContext extends TrainOptions {
  readonly teacher: Model;
  readonly data: Dataset;
  /** Rows to learn from. */
  readonly fit: Int32Array;
  /** Rows that choose the best weights. */
  readonly validation: Int32Array;
}

/** Trains the weights of a student on what its teacher makes of unlabelled rows, the gradient being a graph of ordinary operators. */
export const distillation: Omit<Pass<DistillContext>, 'run'> & {
  run(model: Model, context: DistillContext): Promise<PassResult & { readonly trained: Trained }>;
} = {
  name: 'distill',
  description: 'lets the weights learn from the outputs of the original model',
  requires: 'the same inputs and outputs as the teacher; weights in float32',
  ensures: 'the same graph with the weights that fit validation rows best, its own where none fit better',
  run: async (model, { teacher, data, fit, validation, ...options }) => {
    const trained = await train(teacher, model, data, { fit, validation }, options);
    const [first, best] = [trained.curve[0], trained.curve.find((p) => p.step === trained.bestStep)];
    const figures =
      first === undefined || best === undefined
        ? ''
        : `, loss on validation rows ${first.validation.toPrecision(3)} → ${best.validation.toPrecision(3)}`;
    return {
      model: trained.model,
      changed: trained.bestStep > 0,
      notes: [
        `${trained.steps} steps at up to ${trained.rate.toPrecision(2)}, best after ${trained.bestStep}${figures}`,
      ],
      trained,
    };
  },
};
