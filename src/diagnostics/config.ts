import { ExitCode, type Diagnostic } from './diagnostic.js';

// Diagnostics of the configuration file.

function usage(code: string, message: string, where: string, advice: string): Diagnostic {
  return { code, message, where, advice, exitCode: ExitCode.Usage };
}

export function configUnreadable(file: string, reason: string): Diagnostic {
  return usage(
    'CONFIG_UNREADABLE',
    `the configuration cannot be read: ${reason}`,
    file,
    'Give a JSON file with one object, or an ES module that exports one as its default.',
  );
}

export function configTwice(files: readonly string[]): Diagnostic {
  return usage(
    'CONFIG_TWICE',
    `there are several configuration files: ${files.join(', ')}`,
    '--config',
    'Keep one of them, or name it with --config.',
  );
}

/** @param scope the command in whose section the key stands */
export function configKeyUnknown(
  file: string,
  key: string,
  scope: string | undefined,
  nearest: string | undefined,
): Diagnostic {
  return usage(
    'CONFIG_KEY_UNKNOWN',
    scope === undefined ? `there is no option '${key}'` : `the command ${scope} has no option '${key}'`,
    file,
    nearest === undefined
      ? 'docs/cli.md lists the keys of all options.'
      : `Did you mean '${nearest}'? docs/cli.md lists the keys of all options.`,
  );
}

export function configValueWrong(file: string, key: string, value: string, flags: string): Diagnostic {
  return usage(
    'CONFIG_VALUE_WRONG',
    `${value} is no value of the option '${key}'`,
    `${file}: ${key}`,
    `Give what ${flags} takes, as text or as the library takes it.`,
  );
}
