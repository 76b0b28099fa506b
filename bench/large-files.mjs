// Time and memory of writing, reading and rewriting a model of a given size, beyond protobuf's 2 GiB too (external data then).
//   npm run build && node bench/large-files.mjs [GiB, 2.5 if left out]
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fromTypedArray } from '../dist/src/graph/tensor-data.js';
import { readModel, writeModel } from '../dist/src/onnx/index.js';

const gibibytes = Number(process.argv[2] ?? 2.5);
const tensors = 16;
const elements = Math.round((gibibytes * 2 ** 30) / 4 / tensors);

/** Peak memory of this process in MiB; the memory map's own maximum where the system tells it. */
function peak() {
  const status = '/proc/self/status';
  if (!existsSync(status)) return process.resourceUsage().maxRSS / 1024;
  return Number(/VmHWM:\s*(\d+)/.exec(readFileSync(status, 'utf8'))[1]) / 1024;
}

async function timed(what, run) {
  const start = performance.now();
  const result = await run();
  console.error(`${what}: ${((performance.now() - start) / 1000).toFixed(1)} s, peak so far ${peak().toFixed(0)} MiB`);
  return result;
}

// All tensors share one buffer, so that the generator needs little memory itself.
const data = new Float32Array(elements).fill(1);
const initializers = new Map();
for (let i = 0; i < tensors; i++) initializers.set(`w${i}`, fromTypedArray(`w${i}`, [elements], 'float32', data));
const graph = {
  name: 'large',
  nodes: [],
  initializers,
  inputs: [],
  outputs: [],
  valueInfo: [],
  sparseInitializers: [],
};
const model = {
  graph,
  irVersion: 8,
  opsets: new Map([['', 17]]),
  metadata: [],
  functions: [],
  producer: { name: '', version: '' },
};

const folder = mkdtempSync(path.join(os.tmpdir(), 'large-files-'));
try {
  const file = path.join(folder, 'model.onnx');
  const written = await timed('generate', () => writeModel(model, file));
  console.error(
    written.files.map((f) => `  ${path.basename(f)}: ${(statSync(f).size / 2 ** 20).toFixed(0)} MiB`).join('\n'),
  );
  const read = await timed('read', () => readModel(file));
  read.graph.name = 'edited';
  await timed('write', () => writeModel(read, path.join(folder, 'edited.onnx')));
} finally {
  rmSync(folder, { recursive: true });
}
