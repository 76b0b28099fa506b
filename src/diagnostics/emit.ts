import { ExitCode, type Diagnostic } from './diagnostic.js';

// Diagnostics of the forms that a model is written in besides a plain file.

export function emitExists(folder: string): Diagnostic {
  return {
    code: 'EMIT_EXISTS',
    message: 'another model stands where this one is to be written',
    where: folder,
    advice: 'Give another name, or allow it to be replaced with --in-place.',
    exitCode: ExitCode.Usage,
  };
}

export function emitTypeUnsupported(value: string, type: string | undefined): Diagnostic {
  return {
    code: 'EMIT_TYPE_UNSUPPORTED',
    message: `Triton has no type for '${value}', which is ${type ?? 'no tensor'}`,
    where: '--emit',
    advice: 'Leave out --emit, or convert the inputs and outputs of the model.',
    exitCode: ExitCode.Usage,
  };
}
