import { spawn } from 'node:child_process';
import type { Feeds } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { encodeModel } from '../onnx/index.js';
import type { ProviderName } from './providers.js';

/** Runs of the model: the first ones allocate. */
const RUNS = 3;
/** A child that has not answered by then will not. */
const PATIENCE = 120_000;

/**
 * What the child runs. It says how much its largest memory grew from the moment when everything but the model was there. Its text is handed
 * over instead of a file, so that it runs from sources and from a build alike.
 */
const CHILD = `
const ort = await import(process.argv[1]);
process.once('message', async ({ model, feeds, provider, runs }) => {
  const tensors = Object.fromEntries(feeds.map(([name, type, data, dims]) => [name, new ort.Tensor(type, data, dims)]));
  const before = process.resourceUsage().maxRSS;
  try {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
      logSeverityLevel: 4,
    });
    for (let i = 0; i < runs; i++) await session.run(tensors);
    process.send(1024 * (process.resourceUsage().maxRSS - before));
  } catch {
    process.send(null);
  }
  process.disconnect();
});
process.send('ready');
`;

/**
 * Bytes by which loading and running a model raises the memory of a process that does nothing else; null where that cannot be found out.
 * A model from a file is read from there by the runtime itself, as in production.
 */
export function peakMemory(model: Model, feeds: Feeds, provider: ProviderName): Promise<number | null> {
  const tensors = [...feeds].map(([name, { dtype, data, dims }]) => [name, dtype, data, [...dims]]);
  const given = model.source?.path ?? Buffer.concat(encodeModel(model));
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ['--input-type=module', '--eval', CHILD, import.meta.resolve('onnxruntime-node')],
      { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], serialization: 'advanced', timeout: PATIENCE },
    );
    child.on('message', (message) => {
      if (message === 'ready') child.send({ model: given, feeds: tensors, provider, runs: RUNS });
      else resolve(typeof message === 'number' ? message : null);
    });
    child.on('error', () => {
      resolve(null);
    });
    child.on('exit', () => {
      resolve(null);
    });
  });
}
