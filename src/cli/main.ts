#!/usr/bin/env node
import { ExitCode } from '../diagnostics/diagnostic.js';
import { silenceRuntime } from '../runtime/providers.js';
import { Interrupts } from './interrupts.js';
import { run } from './program.js';

const interrupts = new Interrupts();
// Nothing half written is left: files appear under their names by a rename alone, temporary ones go when the process exits.
process.on('SIGINT', () => {
  if (!interrupts.take()) process.exit(ExitCode.Interrupted);
});
process.once('SIGTERM', () => process.exit(ExitCode.Interrupted));
silenceRuntime();
process.exitCode = await run(process.argv.slice(2), process, interrupts);
