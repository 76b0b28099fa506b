import { ExitCode, type Diagnostic } from './diagnostic.js';

export function toleranceInvalid(text: string, keys: readonly string[]): Diagnostic {
  return {
    code: 'TOLERANCE_INVALID',
    message: `the tolerance '${text}' is not understood`,
    where: '--tolerance',
    advice: `Write key=number, separated by commas; keys: ${keys.join(', ')}, score (with --metric: score=-0.5% or score=-0.005). A bare number means nrmse.`,
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

export function layersDiffer(
  file: string,
  layer: number,
  own: string | undefined,
  first: string | undefined,
): Diagnostic {
  return {
    code: 'LAYERS_DIFFER',
    message: `the models cannot be compared layer by layer: layer ${layer} is ${own ?? 'none'}, in the first model ${first ?? 'none'}`,
    where: file,
    advice: 'Give checkpoints of one training, or inspect the models one by one.',
    exitCode: ExitCode.Usage,
  };
}

export function metricNotFound(file: string): Diagnostic {
  return {
    code: 'METRIC_NOT_FOUND',
    message: `the metric '${file}' does not exist`,
    where: '--metric',
    advice: 'Give the path of an ES module that exports score(outputs, feeds, labels).',
    exitCode: ExitCode.Usage,
  };
}

export function metricFailed(file: string, reason: string): Diagnostic {
  return {
    code: 'METRIC_FAILED',
    message: `the metric cannot be used: ${reason}`,
    where: file,
    advice: 'Export a function score(outputs, feeds, labels) that returns a finite number; see docs/metric.md.',
    exitCode: ExitCode.Usage,
  };
}

export function outputsDoNotJoin(output: string): Diagnostic {
  return {
    code: 'METRIC_OUTPUTS_DIFFER',
    message: `the metric cannot be given the output '${output}': its shape changes from run to run`,
    where: '--metric',
    advice: 'Leave out --metric, or give the data in one run (--batch).',
    exitCode: ExitCode.Usage,
  };
}

export function metricMissing(option: string): Diagnostic {
  return {
    code: 'METRIC_MISSING',
    message: `${option} speaks of a score, and there is no metric`,
    where: option,
    advice: 'Give --metric file.mjs, a module that exports score(outputs, feeds, labels).',
    exitCode: ExitCode.Usage,
  };
}

export function scoreSignWrong(option: string, change: string, name: string, higherIsBetter: boolean): Diagnostic {
  const right = change.replace(/^[+-]/, higherIsBetter ? '-' : '+');
  return {
    code: 'SCORE_SIGN_WRONG',
    message: `score=${change} would ask for a better ${name}, of which ${higherIsBetter ? 'higher' : 'lower'} is better`,
    where: option,
    advice: `Write score=${right} for what may be lost, or export higherIsBetter = ${String(!higherIsBetter)} from the metric.`,
    exitCode: ExitCode.Usage,
  };
}
