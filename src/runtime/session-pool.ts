/**
 * Several runs of one model at once. The runtime shares the work of a layer among its threads where that is one large product; convolutions of
 * small images, and what their gradients are made of, run on one thread. So each part of a batch gets a thread with sessions of its own.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Tensor } from 'onnxruntime-node';
import { raise } from '../diagnostics/diagnostic.js';
import { modelDoesNotLoad, modelDoesNotRun } from '../diagnostics/runtime.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { encodeModel } from '../onnx/index.js';
import { arrayOf, runtimeOptions, Session, type SessionOptions } from './session.js';

/** A model to run, after others whose outputs it may read. */
export interface Stage {
  readonly model: Model;
  /** Inputs, and the outputs of stages before that they take. */
  readonly from?: ReadonlyMap<string, string>;
}

/** Sessions of the same stages. */
export interface SessionPool {
  /** How many runs are made at once. */
  readonly size: number;
  /**
   * Runs all stages once for each of the feeds.
   * @param shared feeds of all runs
   * @returns what the last stage gives out, in the order of the feeds
   * @throws CondenseError when the runtime fails on the values
   */
  run(feeds: readonly Feeds[], shared?: Feeds): Promise<Map<string, NumericArray>[]>;
  release(): Promise<void>;
}

/**
 * Loads stages, in this thread for a pool of one, else once in each of as many others.
 * @throws CondenseError when onnxruntime refuses a model
 */
export async function openPool(stages: readonly Stage[], size: number, options: SessionOptions): Promise<SessionPool> {
  return size === 1 ? OwnThread.open(stages, options) : WorkerThreads.open(stages, size, options);
}

class OwnThread implements SessionPool {
  readonly size = 1;
  private constructor(private readonly sessions: readonly (readonly [Session, Stage['from']])[]) {}

  static async open(stages: readonly Stage[], options: SessionOptions): Promise<OwnThread> {
    const sessions: [Session, Stage['from']][] = [];
    try {
      for (const { model, from } of stages) sessions.push([await Session.open(model, options), from]);
    } catch (error) {
      await new OwnThread(sessions).release();
      throw error;
    }
    return new OwnThread(sessions);
  }

  async run(feeds: readonly Feeds[], shared: Feeds = new Map()): Promise<Map<string, NumericArray>[]> {
    const results: Map<string, NumericArray>[] = [];
    for (const own of feeds) {
      const made = new Map<string, NumericArray>();
      let last = made;
      for (const [session, from = new Map<string, string>()] of this.sessions) {
        last = await session.run(
          new Map([...shared, ...own, ...[...from].map(([i, o]) => [i, made.get(o)!] as const)]),
        );
        for (const [name, array] of last) made.set(name, array);
      }
      results.push(last);
    }
    return results;
  }

  async release(): Promise<void> {
    for (const [session] of this.sessions) await session.release();
  }
}

/**
 * What a thread runs: the same as {@link OwnThread}, with one thread of the runtime. Its text is handed over instead of a file, so that it runs from sources and
 * from a build alike.
 */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const loaded = (async () => {
  const ort = await import(workerData.runtime);
  const sessions = [];
  for (const { bytes, options, from } of workerData.stages)
    sessions.push([await ort.InferenceSession.create(bytes, options), from]);
  return { ort, sessions };
})();
const failed = (error) => ({ failed: error instanceof Error ? error.message : String(error) });
loaded.then(() => parentPort.postMessage({}), (error) => parentPort.postMessage(failed(error)));
parentPort.on('message', async (feeds) => {
  const { ort, sessions } = await loaded;
  if (feeds === undefined) {
    for (const [session] of sessions) await session.release();
    parentPort.close();
    return;
  }
  try {
    const given = new Map([...feeds].map(([name, { dtype, dims, data }]) => [name, new ort.Tensor(dtype, data, dims)]));
    const made = new Map();
    let last;
    for (const [session, from] of sessions) {
      const inputs = {};
      for (const name of session.inputNames) {
        const tensor = from.has(name) ? made.get(from.get(name)) : given.get(name);
        if (tensor !== undefined) inputs[name] = tensor;
      }
      last = await session.run(inputs);
      for (const name of session.outputNames) made.set(name, last[name]);
    }
    parentPort.postMessage({ results: Object.entries(last).map(([name, { type, dims, data }]) => [name, { type, dims, data }]) });
  } catch (error) {
    parentPort.postMessage(failed(error));
  }
});
`;

interface Answer {
  readonly failed?: string;
  readonly results?: readonly (readonly [string, Pick<Tensor, 'type' | 'dims' | 'data'>])[];
}

class WorkerThreads implements SessionPool {
  private constructor(private readonly workers: readonly Worker[]) {}

  static async open(stages: readonly Stage[], size: number, options: SessionOptions): Promise<WorkerThreads> {
    const workerData = {
      runtime: import.meta.resolve('onnxruntime-node'),
      stages: stages.map(({ model, from = new Map<string, string>() }) => ({
        bytes: Buffer.concat(encodeModel(model)),
        options: { ...runtimeOptions(model, options), intraOpNumThreads: 1 },
        from,
      })),
    };
    const workers = Array.from({ length: size }, () => new Worker(THREAD, { eval: true, execArgv: [], workerData }));
    const answers = (await Promise.all(workers.map((w) => once(w, 'message')))) as [Answer][];
    const refused = answers.find(([{ failed }]) => failed !== undefined)?.[0].failed;
    if (refused !== undefined) {
      await Promise.all(workers.map((w) => w.terminate()));
      raise(modelDoesNotLoad(refused, stages.at(-1)?.model.source?.path));
    }
    return new WorkerThreads(workers);
  }

  get size(): number {
    return this.workers.length;
  }

  async run(feeds: readonly Feeds[], shared: Feeds = new Map()): Promise<Map<string, NumericArray>[]> {
    const results: Map<string, NumericArray>[] = [];
    await Promise.all(
      this.workers.map(async (worker, k) => {
        for (let i = k; i < feeds.length; i += this.size) {
          worker.postMessage(new Map([...shared, ...feeds[i]!]));
          const [answer] = (await once(worker, 'message')) as [Answer];
          if (answer.results === undefined) raise(modelDoesNotRun(answer.failed ?? ''));
          results[i] = new Map(answer.results.map(([name, value]) => [name, arrayOf(value)]));
        }
      }),
    );
    return results;
  }

  async release(): Promise<void> {
    await Promise.all(
      this.workers.map(async (worker) => {
        const ended = once(worker, 'exit');
        worker.postMessage(undefined);
        await ended;
      }),
    );
  }
}
