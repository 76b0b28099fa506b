/**
 * Several runs of models at once. The runtime shares a large product among its threads by itself; convolutions of small images, and what their
 * gradients are made of, run on one thread. So each part of a batch gets a thread with sessions of its own.
 */
import { Worker } from 'node:worker_threads';
import type { Tensor } from 'onnxruntime-node';
import { raise } from '../diagnostics/diagnostic.js';
import { modelDoesNotLoad, modelDoesNotRun } from '../diagnostics/runtime.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { encodeModel } from '../onnx/index.js';
import { arrayOf, runtimeOptions, Session, type SessionOptions } from './session.js';

/** A model that a pool has loaded. */
export type Loaded = number & { readonly loaded: unique symbol };

/** A model to run, after others whose outputs it may read. */
export interface Stage {
  readonly model: Loaded;
  /** Inputs, and the outputs of stages before that they take. */
  readonly from?: ReadonlyMap<string, string>;
}

type Results = Map<string, NumericArray>;

/** Sessions of the same models in one or several threads. One call at a time. */
export interface SessionPool {
  /** How many runs are made at once. */
  readonly size: number;
  /** @throws CondenseError when onnxruntime refuses the model */
  load(model: Model): Promise<Loaded>;
  unload(model: Loaded): Promise<void>;
  /**
   * Runs all stages once for each of the feeds.
   * @param shared feeds of all runs
   * @returns what the last stage gives out, in the order of the feeds
   * @throws CondenseError when the runtime fails on the values
   */
  run(stages: readonly Stage[], feeds: readonly Feeds[], shared?: Feeds): Promise<Results[]>;
  /** The same, all results added up. They have to be float32, and of the same shape in each run. */
  sum(stages: readonly Stage[], feeds: readonly Feeds[], shared?: Feeds): Promise<Results>;
  release(): Promise<void>;
}

/** Makes a pool, in this thread where runs are made one at a time. */
export function openPool(size: number, options: SessionOptions): SessionPool {
  return size === 1 ? new OwnThread(options) : new WorkerThreads(size, options);
}

class OwnThread implements SessionPool {
  readonly size = 1;
  private readonly sessions = new Map<Loaded, Session>();
  private made = 0;

  constructor(private readonly options: SessionOptions) {}

  async load(model: Model): Promise<Loaded> {
    const loaded = this.made++ as Loaded;
    this.sessions.set(loaded, await Session.open(model, this.options));
    return loaded;
  }

  async unload(model: Loaded): Promise<void> {
    await this.sessions.get(model)?.release();
    this.sessions.delete(model);
  }

  async run(stages: readonly Stage[], feeds: readonly Feeds[], shared: Feeds = new Map()): Promise<Results[]> {
    const results: Results[] = [];
    for (const own of feeds) results.push(await this.once(stages, new Map([...shared, ...own])));
    return results;
  }

  async sum(stages: readonly Stage[], feeds: readonly Feeds[], shared: Feeds = new Map()): Promise<Results> {
    let total: Results | undefined;
    for (const own of feeds) total = added(total, await this.once(stages, new Map([...shared, ...own])));
    return total ?? new Map();
  }

  private async once(stages: readonly Stage[], feeds: Feeds): Promise<Results> {
    const made: Results = new Map();
    let last: Results = made;
    for (const { model, from = new Map<string, string>() } of stages) {
      const taken = [...from].map(([input, output]) => [input, made.get(output)!] as const);
      last = await this.sessions.get(model)!.run(new Map([...feeds, ...taken]));
      for (const [name, array] of last) made.set(name, array);
    }
    return last;
  }

  async release(): Promise<void> {
    for (const model of [...this.sessions.keys()]) await this.unload(model);
  }
}

/**
 * What a thread runs: the same as {@link OwnThread}, with one thread of the runtime. Its text is handed over instead of a file, so that it runs
 * from sources and from a build alike.
 */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const runtime = import(workerData);
const sessions = new Map();
const plain = (results) => Object.entries(results).map(([name, { type, dims, data }]) => [name, { type, dims, data }]);
const answers = {
  load: async ({ model, bytes, options }) => {
    sessions.set(model, await (await runtime).InferenceSession.create(bytes, options));
  },
  unload: async ({ model }) => {
    await sessions.get(model)?.release();
    sessions.delete(model);
  },
  run: async ({ stages, feeds, shared, sum }) => {
    const { Tensor } = await runtime;
    const tensors = (arrays) => [...arrays].map(([name, { dtype, dims, data }]) => [name, new Tensor(dtype, data, dims)]);
    const common = tensors(shared);
    const all = [];
    for (const own of feeds) {
      const given = new Map([...common, ...tensors(own)]);
      const made = new Map();
      let last;
      for (const { model, from = new Map() } of stages) {
        const session = sessions.get(model);
        const inputs = {};
        for (const name of session.inputNames) {
          const tensor = from.has(name) ? made.get(from.get(name)) : given.get(name);
          if (tensor !== undefined) inputs[name] = tensor;
        }
        last = await session.run(inputs);
        for (const name of session.outputNames) made.set(name, last[name]);
      }
      if (!sum || all.length === 0) all.push(plain(last));
      else
        for (const [name, { data }] of all[0]) {
          const more = last[name].data;
          for (let i = 0; i < data.length; i++) data[i] += more[i];
        }
    }
    return all;
  },
};
parentPort.on('message', async ({ kind, ...message }) => {
  try {
    parentPort.postMessage({ results: await answers[kind](message) });
  } catch (error) {
    parentPort.postMessage({ failed: error instanceof Error ? error.message : String(error) });
  }
});
`;

type PlainResults = readonly (readonly [string, Pick<Tensor, 'type' | 'dims' | 'data'>])[];

interface Answer {
  readonly failed?: string;
  readonly results?: readonly PlainResults[];
}

/** A thread that answers one message at a time. */
class Thread {
  private readonly worker = new Worker(THREAD, {
    eval: true,
    execArgv: [],
    workerData: import.meta.resolve('onnxruntime-node'),
  });
  private waiting: { answer: (answer: Answer) => void; fail: (error: Error) => void } | undefined;
  /** Why there will be no more answers. */
  private gone: Error | undefined;

  constructor() {
    const end = (error: Error): void => {
      this.gone ??= error;
      this.waiting?.fail(this.gone);
      this.waiting = undefined;
    };
    this.worker.on('message', (answer: Answer) => {
      this.worker.unref();
      this.waiting?.answer(answer);
      this.waiting = undefined;
    });
    this.worker.on('error', end);
    this.worker.on('messageerror', end);
    this.worker.on('exit', (code) => {
      end(new Error(`a thread of the runtime ended with code ${code}`));
    });
    // A thread that nobody waits for keeps no process alive.
    this.worker.unref();
  }

  ask(message: object): Promise<Answer> {
    return new Promise((answer, fail) => {
      if (this.gone !== undefined) {
        fail(this.gone);
        return;
      }
      // What cannot be sent throws here, and is no question then.
      this.worker.postMessage(message);
      this.worker.ref();
      this.waiting = { answer, fail };
    });
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }
}

class WorkerThreads implements SessionPool {
  private readonly threads: readonly Thread[];
  private readonly models = new Set<Loaded>();
  private made = 0;

  constructor(
    readonly size: number,
    private readonly options: SessionOptions,
  ) {
    this.threads = Array.from({ length: size }, () => new Thread());
  }

  async load(model: Model): Promise<Loaded> {
    const loaded = this.made++ as Loaded;
    this.models.add(loaded);
    const message = {
      kind: 'load',
      model: loaded,
      bytes: Buffer.concat(encodeModel(model)),
      options: { ...runtimeOptions(model, this.options), intraOpNumThreads: 1 },
    };
    for (const { failed } of await this.ask(() => message))
      if (failed !== undefined) raise(modelDoesNotLoad(failed, model.source?.path));
    return loaded;
  }

  async unload(model: Loaded): Promise<void> {
    this.models.delete(model);
    await this.ask(() => ({ kind: 'unload', model }));
  }

  async run(stages: readonly Stage[], feeds: readonly Feeds[], shared: Feeds = new Map()): Promise<Results[]> {
    const answers = await this.share(stages, feeds, shared, false);
    return feeds.map((_, i) => answers[i % this.size]![Math.floor(i / this.size)]!);
  }

  async sum(stages: readonly Stage[], feeds: readonly Feeds[], shared: Feeds = new Map()): Promise<Results> {
    const parts = await this.share(stages, feeds, shared, true);
    return parts.flat().reduce<Results | undefined>(added, undefined) ?? new Map();
  }

  /** Feeds are dealt to the threads by turns. */
  private async share(
    stages: readonly Stage[],
    feeds: readonly Feeds[],
    shared: Feeds,
    sum: boolean,
  ): Promise<Results[][]> {
    const answers = await this.ask((thread) => ({
      kind: 'run',
      stages,
      feeds: feeds.filter((_, i) => i % this.size === thread).map(withoutRest),
      shared: withoutRest(shared),
      sum,
    }));
    return answers.map(({ failed, results = [] }) => {
      if (failed !== undefined) raise(modelDoesNotRun(failed));
      return results.map((all) => new Map(all.map(([name, value]) => [name, arrayOf(value)])));
    });
  }

  /** Asks all threads and waits for all: an answer that is still to come would be taken for that to the next question. */
  private async ask(message: (thread: number) => object): Promise<Answer[]> {
    const answers = await Promise.allSettled(this.threads.map((thread, k) => thread.ask(message(k))));
    return answers.map((a) => {
      if (a.status === 'rejected') return raise(modelDoesNotRun(String(a.reason)), a.reason);
      return a.value;
    });
  }

  async release(): Promise<void> {
    // Sessions hold native memory, which the end of a thread need not give back.
    for (const model of [...this.models]) await this.unload(model).catch(() => undefined);
    await Promise.allSettled(this.threads.map((thread) => thread.end()));
  }
}

/** Adds results to others, in place. */
function added(total: Results | undefined, more: Results): Results {
  if (total === undefined) return more;
  for (const [name, { data }] of total) {
    const [sum, next] = [data as Float32Array, more.get(name)!.data as Float32Array];
    for (let i = 0; i < sum.length; i++) sum[i]! += next[i]!;
  }
  return total;
}

/** Feeds whose arrays lie alone in their memory: all of that is copied to another thread. */
function withoutRest(feeds: Feeds): Feeds {
  return new Map(
    [...feeds].map(([name, array]): [string, NumericArray] => {
      const { data } = array;
      const alone = Array.isArray(data) || data.byteLength === data.buffer.byteLength;
      return [name, alone ? array : { ...array, data: data.slice() }];
    }),
  );
}
