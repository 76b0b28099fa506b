/**
 * Runs the calibration tests on every GPU provider that this build of onnxruntime-node lists and that works on this machine, and says so
 * when there is none. Needs a build.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { CondenseError, formatDiagnostic } from '../dist/src/diagnostics/diagnostic.js';
import { PROVIDERS, resolveProvider } from '../dist/src/runtime/providers.js';

process.chdir(path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..'));
const listed = ort.listSupportedBackends().map((backend) => backend.name);
const working = [];
for (const name of PROVIDERS.filter((provider) => provider !== 'cpu' && listed.includes(provider))) {
  try {
    await resolveProvider(name);
    working.push(name);
  } catch (error) {
    if (!(error instanceof CondenseError)) throw error;
    console.log(`${name}: ${formatDiagnostic(error.diagnostic)}\n`);
  }
}
if (working.length === 0) console.log('no GPU provider works on this machine: nothing was tested');

for (const name of working) {
  console.log(`\n${name}: it works here; the calibration tests run on it`);
  const { status } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'test/calibration'], {
    stdio: 'inherit',
    env: { ...process.env, CONDENSE_TEST_PROVIDER: name },
  });
  if (status !== 0) process.exitCode = 1;
}
