/** The only folder that knows onnxruntime. */
import path from 'node:path';
import * as ort from 'onnxruntime-node';
import { raise } from '../diagnostics/diagnostic.js';
import { modelDoesNotLoad, modelDoesNotRun } from '../diagnostics/runtime.js';
import type { Model } from '../graph/ir.js';
import type { ElementArray, Feeds, NumericArray } from '../graph/feeds.js';
import type { DataType } from '../graph/tensor.js';
import { encodeModel } from '../onnx/index.js';
import type { ProviderName } from './providers.js';

export interface SessionOptions {
  readonly provider: ProviderName;
  /**
   * `exact` keeps values bit-identical to an unoptimised run (graph optimisation level "extended"); `fast` adds the blocked kernels, which
   * move values by up to 1.3e-5 of a tensor's maximum and are about twice as fast for convolutions.
   */
  readonly optimisation?: 'exact' | 'fast';
  /** `latency`: as people run it, with threads that wait for work in a loop. By default they sleep, which is better while other things run. */
  readonly purpose?: 'values' | 'latency';
}

/** A model loaded into the runtime. Release it: sessions hold native memory. */
export class Session {
  private constructor(
    private readonly inner: ort.InferenceSession,
    readonly inputNames: readonly string[],
    readonly outputNames: readonly string[],
  ) {}

  /** @throws CondenseError when onnxruntime refuses the model. */
  static async open(model: Model, options: SessionOptions): Promise<Session> {
    const bytes = Buffer.concat(encodeModel(model));
    try {
      const inner = await ort.InferenceSession.create(bytes, runtimeOptions(model, options));
      return new Session(inner, inner.inputNames, inner.outputNames);
    } catch (error) {
      raise(modelDoesNotLoad(error instanceof Error ? error.message : String(error), model.source?.path), error);
    }
  }

  /** Runs one batch. Inputs that the model does not have are ignored. @throws CondenseError when the runtime fails on the values. */
  async run(feeds: Feeds): Promise<Map<string, NumericArray>> {
    const tensors: Record<string, ort.Tensor> = {};
    for (const name of this.inputNames) {
      const array = feeds.get(name);
      if (array !== undefined)
        tensors[name] = new ort.Tensor(array.dtype as ort.Tensor.Type, array.data as ort.Tensor.DataType, [
          ...array.dims,
        ]);
    }
    let results: ort.InferenceSession.OnnxValueMapType;
    try {
      results = await this.inner.run(tensors);
    } catch (error) {
      raise(modelDoesNotRun(error instanceof Error ? error.message : String(error)), error);
    }
    const outputs = new Map<string, NumericArray>();
    for (const name of this.outputNames) {
      const value = results[name];
      if (value instanceof ort.Tensor) outputs.set(name, arrayOf(value));
    }
    return outputs;
  }

  async release(): Promise<void> {
    await this.inner.release();
  }
}

/** What the runtime is told when it loads a model. */
export function runtimeOptions(model: Model, options: SessionOptions): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: options.provider === 'cpu' ? ['cpu'] : [options.provider, 'cpu'],
    graphOptimizationLevel: options.optimisation === 'exact' ? 'extended' : 'all',
    logSeverityLevel: 4,
    enableMemPattern: options.purpose === 'latency',
    extra: {
      session: {
        ...(options.purpose === 'latency' ? {} : { intra_op: { allow_spinning: '0' } }),
        ...externalDataFolder(model),
      },
    },
  };
}

/** Tensors that were read from external data still refer to their file: the runtime reads them from the model's folder. */
function externalDataFolder({ source }: Model): Record<string, string> {
  if (source === undefined || source.externalFiles.length === 0) return {};
  return { model_external_initializers_file_folder_path: path.resolve(path.dirname(source.path)) };
}

/** A result of the runtime. float16 comes as Float16Array where the engine has it; everything else here works with bit patterns. */
export function arrayOf({ type, dims, data }: Pick<ort.Tensor, 'type' | 'dims' | 'data'>): NumericArray {
  const array = data as ElementArray;
  if (type !== 'float16' || array instanceof Uint16Array) return { dtype: type as DataType, dims, data: array };
  const view = array as unknown as ArrayBufferView;
  return { dtype: type, dims, data: new Uint16Array(view.buffer, view.byteOffset, view.byteLength / 2) };
}

/** Opens a session, hands it to `use`, and releases it whatever happens. */
export async function withSession<T>(
  model: Model,
  options: SessionOptions,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await Session.open(model, options);
  try {
    return await use(session);
  } finally {
    await session.release();
  }
}
