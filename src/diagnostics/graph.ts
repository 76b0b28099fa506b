import { ExitCode, type Diagnostic } from './diagnostic.js';

export function graphHasCycle(file?: string): Diagnostic {
  return {
    code: 'GRAPH_HAS_CYCLE',
    message: 'the nodes of the graph depend on each other in a circle',
    ...(file === undefined ? {} : { where: file }),
    advice: 'The file is not a valid ONNX model; export it again.',
    exitCode: ExitCode.ModelInvalid,
  };
}

export function modelQuantized(nodes: number): Diagnostic {
  return {
    code: 'MODEL_QUANTIZED',
    message: `the model is quantised: all of its ${nodes} matrix products and convolutions have quantised weights`,
    advice: 'Condense the model in floating point first, then quantise the result.',
    exitCode: ExitCode.ModelInvalid,
  };
}
