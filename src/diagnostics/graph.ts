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
