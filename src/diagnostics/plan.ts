import type { Limit } from '../plan/limits.js';
import { ExitCode, type Diagnostic } from './diagnostic.js';

export function budgetTooSmall({ option, unit, most, full }: Limit, smallest: number): Diagnostic {
  const figure = (value: number): string => (Number.isInteger(value) ? String(value) : value.toPrecision(4));
  return {
    code: 'BUDGET_TOO_SMALL',
    message: `${figure(most)} ${unit} cannot be reached: the smallest possible model has ${figure(smallest)} (${(smallest / full).toPrecision(3)} of the input)`,
    where: option,
    advice: `Ask for more ${unit}; what cannot be removed is listed with its reasons.`,
    exitCode: ExitCode.BudgetUnreachable,
  };
}

export function planMismatch(reason: string): Diagnostic {
  return {
    code: 'PLAN_MISMATCH',
    message: `the plan does not fit the model: ${reason}`,
    where: '--plan',
    advice: 'Make a plan for this model, with the same --include and --exclude.',
    exitCode: ExitCode.Usage,
  };
}

export function planUnreadable(file: string, reason: string): Diagnostic {
  return {
    code: 'PLAN_UNREADABLE',
    message: `the plan cannot be read: ${reason}`,
    where: file,
    advice: 'Give a file that --plan-out wrote.',
    exitCode: ExitCode.Usage,
  };
}

export function errorNotReached(wanted: number, reached: number, parameters: number): Diagnostic {
  return {
    code: 'ERROR_NOT_REACHED',
    message: `no smaller model meets nrmse ≤ ${wanted} on the check rows: the nearest has ${reached.toPrecision(3)} with ${parameters} parameters`,
    where: '--max-error',
    advice: 'Allow a larger error, or give more rows.',
    exitCode: ExitCode.BudgetUnreachable,
  };
}

export function speedNotReached(wanted: number, reached: number, batch: number): Diagnostic {
  return {
    code: 'SPEED_NOT_REACHED',
    message: `${wanted} times as fast as the input cannot be reached: the fastest model found is ${reached.toFixed(2)} times as fast, at a batch of ${batch}`,
    where: '--speedup',
    advice: 'Ask for less, or measure on a machine that does nothing else: times scatter with its load.',
    exitCode: ExitCode.BudgetUnreachable,
  };
}

export function scoreNotReached(name: string, wanted: string, reached: string, parameters: number): Diagnostic {
  return {
    code: 'SCORE_NOT_REACHED',
    message: `no smaller model changes ${name} by no more than ${wanted} on the check rows: the nearest has ${reached} with ${parameters} parameters`,
    where: '--max-error',
    advice: 'Allow a larger loss, or give more rows.',
    exitCode: ExitCode.BudgetUnreachable,
  };
}

export function nothingToSweep(): Diagnostic {
  return {
    code: 'NOTHING_TO_SWEEP',
    message: 'no channel of the model can be removed, so there is no curve',
    advice: 'What stands in the way of each layer is listed with it.',
    exitCode: ExitCode.BudgetUnreachable,
  };
}

export function pointUnknown(index: number, points: number): Diagnostic {
  return {
    code: 'POINT_UNKNOWN',
    message: `there is no point ${index}: the sweep has ${points}`,
    where: '--pick',
    advice: `Give a number from 1 to ${points}, or knee.`,
    exitCode: ExitCode.Usage,
  };
}

export function nodeUnknown(option: string, node: string, near: readonly string[]): Diagnostic {
  return {
    code: 'NODE_UNKNOWN',
    message: `no Gemm, MatMul or Conv is called '${node}'`,
    where: option,
    advice:
      near.length === 0
        ? 'Run without the option to see the names.'
        : `Names that are there: ${near.slice(0, 8).join(', ')}.`,
    exitCode: ExitCode.Usage,
  };
}

export function outputUnknown(option: string, output: string, outputs: readonly string[]): Diagnostic {
  return {
    code: 'OUTPUT_UNKNOWN',
    message: `the model has no output '${output}'`,
    where: option,
    advice: `Its outputs are: ${outputs.join(', ')}.`,
    exitCode: ExitCode.Usage,
  };
}

export function widthConflict(a: string, widthA: number, b: string, widthB: number): Diagnostic {
  return {
    code: 'WIDTH_CONFLICT',
    message: `'${a}' and '${b}' share their channels but are asked to keep ${widthA} and ${widthB}`,
    where: '--keep',
    advice: 'Give them the same width, or name only one of them.',
    exitCode: ExitCode.Usage,
  };
}

export function widthImpossible(node: string, why: string): Diagnostic {
  return {
    code: 'WIDTH_IMPOSSIBLE',
    message: `the width of '${node}' cannot be set: ${why}`,
    where: '--keep',
    advice: 'Leave the node out.',
    exitCode: ExitCode.Usage,
  };
}

export function optionsConflict(message: string, advice: string): Diagnostic {
  return { code: 'OPTIONS_CONFLICT', message, where: 'options', advice, exitCode: ExitCode.Usage };
}
