import type { Model } from './ir.js';

/** The scores behind an output that a Softmax makes, else the output: probabilities saturate and say little about small errors. */
export function scoresBehind(model: Model, output: string): string {
  const maker = model.graph.nodes.find((n) => n.outputs.includes(output));
  const soft = maker?.domain === '' && (maker.opType === 'Softmax' || maker.opType === 'LogSoftmax');
  return soft ? maker.inputs[0]! : output;
}
