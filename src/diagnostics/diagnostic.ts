/** Documented process exit codes of the command line; see docs/cli.md. */
export const ExitCode = {
  /** Done; also when there was nothing to do. */
  Done: 0,
  /** A fault of the program itself. */
  Unexpected: 1,
  /** Wrong usage, options, configuration or calibration data. */
  Usage: 2,
  /** The check failed; nothing was written. */
  CheckFailed: 3,
  /** The model is invalid or unsupported. */
  ModelInvalid: 4,
  /** No plan meets the budget. */
  BudgetUnreachable: 5,
  /** Interrupted by the user. */
  Interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** One message for a person: what was wrong, where, and what to do about it. Data, so that the CLI, `--json` and the docs share it. */
export interface Diagnostic {
  /** Stable identifier, SCREAMING_SNAKE_CASE. */
  readonly code: string;
  /** One sentence that says what was wrong. */
  readonly message: string;
  /** The file, node, tensor or option it is about. */
  readonly where?: string;
  /** What the reader can do about it. */
  readonly advice?: string;
  /** The exit code of the process when this diagnostic ends it. */
  readonly exitCode: ExitCode;
}

/** The one error type that the library throws for a mistake in its input; everything else that is thrown is a bug. */
export class CondenseError extends Error {
  override readonly name = 'CondenseError';
  constructor(
    readonly diagnostic: Diagnostic,
    options?: ErrorOptions,
  ) {
    super(diagnostic.message, options);
  }
}

/** Throws `diagnostic` as a {@link CondenseError}; `cause` keeps the underlying error for debugging. */
export function raise(diagnostic: Diagnostic, cause?: unknown): never {
  throw new CondenseError(diagnostic, cause === undefined ? undefined : { cause });
}

/** A diagnostic as lines for a terminal: message, place, advice. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const place = diagnostic.where === undefined ? '' : ` (${diagnostic.where})`;
  const advice = diagnostic.advice === undefined ? '' : `\n  ${diagnostic.advice}`;
  return `${diagnostic.message}${place}${advice}`;
}
