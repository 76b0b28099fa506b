#!/usr/bin/env node
import { ExitCode } from '../diagnostics/diagnostic.js';
import { silenceRuntime } from '../runtime/providers.js';
import { run } from './program.js';

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Nothing half written can be left: files appear under their names by a rename alone.
  process.once(signal, () => process.exit(ExitCode.Interrupted));
}
silenceRuntime();
process.exitCode = await run(process.argv.slice(2), process);
