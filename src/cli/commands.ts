import type { CommandName } from './options.js';

/** A command: what it is called with, and what for. The parser, the help and the docs are made from this list. */
export interface CommandSpec {
  readonly description: string;
  readonly files: readonly string[];
  readonly examples: readonly string[];
}

export const COMMAND_SPECS: Readonly<Record<CommandName, CommandSpec>> = {
  reduce: {
    description: 'reduce a model and write it if the check passes (the default command)',
    files: ['<model.onnx>', '<output.onnx>'],
    examples: [
      'onnx-condense net.onnx small.onnx --data inputs.npz --keep-params 0.25',
      'onnx-condense net.onnx small.onnx --data photos/ --scale 1/255 --max-error nrmse=1e-3',
    ],
  },
  sweep: {
    description: 'the curve of size against error in one run, and a model picked from it',
    files: ['<model.onnx>', '[output.onnx]'],
    examples: [
      'onnx-condense sweep net.onnx --data inputs.npz',
      'onnx-condense sweep net.onnx small.onnx --data inputs.npz --points 20 --pick knee',
    ],
  },
  distill: {
    description: 'let a model learn from the outputs of another, without labels',
    files: ['<teacher.onnx>', '<student.onnx>', '<output.onnx>'],
    examples: ['onnx-condense distill net.onnx small.onnx better.onnx --data inputs.npz --train 50epochs'],
  },
  verify: {
    description: 'compare two models on data',
    files: ['<a.onnx>', '<b.onnx>'],
    examples: ['onnx-condense verify net.onnx small.onnx --data other.npz --tolerance nrmse=1e-2'],
  },
  bench: {
    description: 'time models in turn: latency, throughput, memory',
    files: ['<model.onnx...>'],
    examples: ['onnx-condense bench net.onnx small.onnx --data inputs.npz --batch 1,256'],
  },
  inspect: {
    description: 'how condensed each layer is, what could be removed from it, and why others are left alone',
    files: ['<model.onnx...>'],
    examples: [
      'onnx-condense inspect net.onnx --data inputs.npz',
      'onnx-condense inspect epoch1.onnx epoch10.onnx epoch100.onnx --data inputs.npz',
    ],
  },
  diff: {
    description: 'what differs between two models: nodes, shapes of constants, parameters and work',
    files: ['<a.onnx>', '<b.onnx>'],
    examples: ['onnx-condense diff net.onnx small.onnx'],
  },
};
