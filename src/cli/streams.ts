import { ExitCode, formatDiagnostic } from '../diagnostics/diagnostic.js';
import { outputUnwritable } from '../diagnostics/onnx.js';
import { fileErrorCode, reasonOf } from '../onnx/file-errors.js';

/** The process's streams, handed in so that nothing writes to hidden globals. */
export interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/**
 * Listens for what goes wrong with the streams themselves. A reader that has gone has read enough, and files are written all the same; a stdout that
 * takes no more is told, once.
 * @param told is called with the exit code that a run has which went well otherwise
 */
export function watchStreams({ stdout, stderr }: Streams, told: (code: ExitCode) => void): void {
  let failed = false;
  stdout.on('error', (error) => {
    if (failed || fileErrorCode(error) === 'EPIPE') return;
    failed = true;
    stderr.write(`onnx-condense: ${formatDiagnostic(outputUnwritable('stdout', reasonOf(error)))}\n`);
    told(ExitCode.Usage);
  });
  // There is no other place to say it.
  stderr.on('error', () => undefined);
}
