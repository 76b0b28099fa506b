import { ExitCode, type Diagnostic } from './diagnostic.js';

export function toleranceInvalid(text: string, keys: readonly string[]): Diagnostic {
  return {
    code: 'TOLERANCE_INVALID',
    message: `the tolerance '${text}' is not understood`,
    where: '--tolerance',
    advice: `Write key=number, separated by commas; keys: ${keys.join(', ')}. A bare number means nrmse.`,
    exitCode: ExitCode.Usage,
  };
}

export function checkFailed(failures: readonly string[], smallest: string): Diagnostic {
  return {
    code: 'CHECK_FAILED',
    message: `the reduced model is not within tolerance, nothing was written: ${failures.join('; ')}`,
    advice: `The smallest tolerance that would have passed: --tolerance ${smallest}. Keep more (--keep-params, --max-error), give more rows, or write all the same with --no-gate.`,
    exitCode: ExitCode.CheckFailed,
  };
}

export function interfacesDiffer(what: string): Diagnostic {
  return {
    code: 'INTERFACES_DIFFER',
    message: `the models cannot be compared: ${what}`,
    advice: 'Both models need the same inputs and outputs.',
    exitCode: ExitCode.Usage,
  };
}
