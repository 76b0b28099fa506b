#!/usr/bin/env node
import { ExitCode } from '../diagnostics/diagnostic.js';
import { silenceRuntime } from '../runtime/providers.js';
import { Interrupts } from './interrupts.js';
import { run } from './program.js';
import { watchStreams } from './streams.js';

const interrupts = new Interrupts();
// Nothing half written is left: files appear under their names by a rename alone, temporary ones go when the process exits.
const interrupted = (): never => {
  // On a terminal the line may hold what shows how far the work is.
  process.stderr.write(`${process.stderr.isTTY ? '\n' : ''}onnx-condense: interrupted; no half-written file is left\n`);
  process.exit(ExitCode.Interrupted);
};
process.on('SIGINT', () => {
  if (!interrupts.take()) interrupted();
});
process.on('SIGTERM', interrupted);
// The code of what the command did comes first; streams may fail before and after it is known.
let code: number = ExitCode.Done;
let ofStreams: number = ExitCode.Done;
const end = (): void => {
  process.exitCode = code === ExitCode.Done ? ofStreams : code;
};
watchStreams(process, (failure) => {
  ofStreams = failure;
  end();
});
silenceRuntime();
code = await run(process.argv.slice(2), process, interrupts);
end();
