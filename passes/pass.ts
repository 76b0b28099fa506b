import type { Model } from '../src/graph/ir.js';

/** What a pass hands back. `model` is the input itself when nothing changed. */
export interface PassResult {
  readonly model: Model;
  readonly changed: boolean;
  /** What was done, one sentence each, for the report. */
  readonly notes: readonly string[];
}

/** A rewrite of the model. It never edits its input. */
export interface Pass<Context> {
  readonly name: string;
  /** One line: what it does. */
  readonly description: string;
  /** What must hold of the model before. */
  readonly requires: string;
  /** What holds of it afterwards. */
  readonly ensures: string;
  run(model: Model, context: Context): PassResult | Promise<PassResult>;
}
