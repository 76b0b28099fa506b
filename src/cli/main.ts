#!/usr/bin/env node
import { ExitCode } from '../diagnostics/diagnostic.js';
import { silenceRuntime } from '../runtime/providers.js';
import { run } from './program.js';

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Nothing half written is left: files appear under their names by a rename alone, temporary ones go when the process exits.
  process.once(signal, () => process.exit(ExitCode.Interrupted));
}
silenceRuntime();
process.exitCode = await run(process.argv.slice(2), process);
