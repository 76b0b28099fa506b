/**
 * How long single nodes take, from onnxruntime's own profile: many nodes of one kind or another stand side by side in one graph, each between a
 * node that makes its input from one number and a node that takes its output down to one. So neither feeds nor results are copied, and what is
 * read from the profile is the kernel alone.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import * as ort from 'onnxruntime-node';
import { raise } from '../diagnostics/diagnostic.js';
import { modelDoesNotLoad } from '../diagnostics/runtime.js';
import { makeNode } from '../graph/attributes.js';
import type { Attribute, Model, Node } from '../graph/ir.js';
import { elementCount, type DataType, type Tensor } from '../graph/tensor.js';
import { floatTensor, int64Tensor } from '../graph/tensor-data.js';
import { removeOnExit } from '../onnx/atomic-file.js';
import { encodeModel } from '../onnx/index.js';

/** A node with one input that is computed and one constant weight. */
export interface TimedNode {
  readonly opType: string;
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** Shape of the input. */
  readonly input: readonly number[];
  /** Shape of the weight. */
  readonly weight: readonly number[];
  readonly dtype: Extract<DataType, 'float32' | 'float64' | 'float16'>;
}

/** Runs whose times are not counted, and runs of which the fastest is taken: everything that disturbs makes a run longer. */
const WARM_UPS = 2;
const RUNS = 5;
/** Weights of one graph, elements, and nodes in it: sessions cost time, weights memory. */
const MOST_WEIGHTS = 32e6;
const MOST_NODES = 200;
/** Of the graph: what Conv, Gemm and MatMul compute has not changed in many versions. */
const OPSET = 17;

/**
 * Milliseconds that each node's kernel takes on the CPU, by the fastest of a few runs.
 * @throws CondenseError when the runtime does not take one of the nodes
 */
export async function kernelTimes(nodes: readonly TimedNode[]): Promise<number[]> {
  const times: number[] = [];
  for (let start = 0; start < nodes.length;) {
    let [end, weights] = [start, 0];
    while (end < nodes.length && end - start < MOST_NODES) {
      weights += elementCount(nodes[end]!.weight);
      if (end > start && weights > MOST_WEIGHTS) break;
      end++;
    }
    times.push(...(await timesOf(nodes.slice(start, end))));
    start = end;
  }
  return times;
}

async function timesOf(nodes: readonly TimedNode[]): Promise<number[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'onnx-condense-profile-'));
  const done = removeOnExit(folder);
  try {
    const session = await ort.InferenceSession.create(Buffer.concat(encodeModel(sideBySide(nodes))), {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 4,
      enableProfiling: true,
      profileFilePrefix: path.join(folder, 'profile'),
    });
    try {
      const feeds = { one: new ort.Tensor('float32', Float32Array.of(1), [1]) };
      for (let run = 0; run < WARM_UPS + RUNS; run++) await session.run(feeds);
      session.endProfiling();
    } finally {
      await session.release();
    }
    const [file] = await readdir(folder);
    return readProfile(await readFile(path.join(folder, file!), 'utf8'), nodes.length);
  } catch (error) {
    return raise(modelDoesNotLoad(error instanceof Error ? error.message : String(error), undefined), error);
  } finally {
    await rm(folder, { recursive: true, force: true });
    done();
  }
}

function sideBySide(timed: readonly TimedNode[]): Model {
  const nodes: Node[] = [];
  const initializers = new Map<string, Tensor>();
  const casts = new Set<string>();
  const put = (tensor: Tensor): string => {
    initializers.set(tensor.name, tensor);
    return tensor.name;
  };
  for (const [i, { opType, attributes, input, weight, dtype }] of timed.entries()) {
    const one = dtype === 'float32' ? 'one' : `one_${dtype}`;
    if (one !== 'one' && !casts.has(one)) {
      casts.add(one);
      nodes.push(makeNode('Cast', ['one'], [one], { to: dtype === 'float64' ? 11 : 10 }));
    }
    const shape = put(int64Tensor(`shape_${i}`, [input.length], input));
    // Small numbers that differ: nothing overflows, and no kernel has a short cut for them.
    const values = Float64Array.from({ length: elementCount(weight) }, (_, k) => 0.01 + (k % 7) * 0.001);
    nodes.push(
      makeNode('Expand', [one, shape], [`x_${i}`]),
      {
        ...makeNode(opType, [`x_${i}`, put(floatTensor(`w_${i}`, weight, dtype, values))], [nodeName(i)]),
        name: nodeName(i),
        attributes: new Map(attributes),
      },
      makeNode('ReduceMax', [nodeName(i)], [`y_${i}`], { keepdims: 0 }),
    );
  }
  return {
    graph: {
      name: 'kernel-times',
      nodes,
      initializers,
      inputs: [{ name: 'one', dtype: 'float32', shape: [1] }],
      outputs: timed.map(({ dtype }, i) => ({ name: `y_${i}`, dtype, shape: [] })),
      valueInfo: [],
      sparseInitializers: [],
    },
    irVersion: 8,
    opsets: new Map([['', OPSET]]),
    producer: { name: '', version: '' },
    metadata: [],
    functions: [],
  };
}

const nodeName = (index: number): string => `timed_${index}_`;

/** The fastest run of each node. Kernels of the blocked layout carry the name of the node's output and a suffix. */
function readProfile(text: string, count: number): number[] {
  const events = JSON.parse(text) as readonly { readonly cat: string; readonly name: string; readonly dur: number }[];
  const runs = Array.from({ length: count }, (): number[] => []);
  for (const { cat, name, dur } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    const found = /^timed_(\d+)_/.exec(name);
    if (found !== null) runs[Number(found[1])]!.push(dur / 1000);
  }
  return runs.map((list) => Math.min(...list.slice(WARM_UPS)));
}
