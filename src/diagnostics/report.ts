import { ExitCode, type Diagnostic } from './diagnostic.js';

export function reportUnwritable(file: string, reason: string): Diagnostic {
  return {
    code: 'REPORT_UNWRITABLE',
    message: `The report cannot be written: ${reason}.`,
    where: file,
    advice: 'Name another file for --report, in a folder that exists.',
    exitCode: ExitCode.Usage,
  };
}
