import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { CondenseError, raise } from '../../diagnostics/diagnostic.js';
import { dataModuleFailed } from '../../diagnostics/calibration.js';
import type { ElementArray, NumericArray } from '../../graph/feeds.js';
import { elementCount, type DataType } from '../../graph/tensor.js';
import type { DataFormat } from './source.js';

const TYPE_OF: readonly [abstract new (...args: never[]) => ElementArray, DataType][] = [
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [Uint16Array, 'uint16'],
  [Int16Array, 'int16'],
  [Int8Array, 'int8'],
  [Uint8Array, 'uint8'],
  [Int32Array, 'int32'],
  [Uint32Array, 'uint32'],
  [BigInt64Array, 'int64'],
  [BigUint64Array, 'uint64'],
];

/** Types that share their typed array with another: they have to be said. */
const SAME_ARRAY: Partial<Record<DataType, DataType>> = { float16: 'uint16', bool: 'uint8' };

/** An ES module exporting `loadData()`: feeds `{ inputName: { dims, data, dtype? } }`, one at a time or as a list, sync or async. */
export const dataModule: DataFormat = {
  name: 'module.mjs',
  description: 'an ES module exporting loadData(), a (sync or async) generator of { inputName: { dims, data } }',
  example: '--data data.mjs',
  matches: (spec) => /\.(mjs|js)$/.test(spec) && !spec.includes('='),
  async *open(spec) {
    const fail = (error: unknown): never =>
      error instanceof CondenseError
        ? raise(error.diagnostic)
        : raise(dataModuleFailed(spec, error instanceof Error ? error.message : String(error)), error);
    let feeds: AsyncIterator<unknown> | Iterator<unknown>;
    try {
      const loaded = (await import(pathToFileURL(path.resolve(spec)).href)) as { loadData?: unknown };
      if (typeof loaded.loadData !== 'function')
        return raise(dataModuleFailed(spec, 'the module exports no function loadData'));
      const result: unknown = await (loaded.loadData as () => unknown)();
      feeds = iterate(result, spec);
    } catch (error) {
      return fail(error);
    }
    for (;;) {
      let next: IteratorResult<unknown>;
      try {
        next = await feeds.next();
      } catch (error) {
        return fail(error);
      }
      if (next.done === true) return;
      yield { arrays: toArrays(next.value, spec), file: spec, combine: 'append' as const };
    }
  },
};

function iterate(result: unknown, spec: string): AsyncIterator<unknown> | Iterator<unknown> {
  if (typeof result === 'object' && result !== null) {
    if (Symbol.asyncIterator in result) return (result as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    if (Symbol.iterator in result) return (result as Iterable<unknown>)[Symbol.iterator]();
  }
  return raise(dataModuleFailed(spec, 'loadData() returned neither a generator nor a list'));
}

function toArrays(feed: unknown, spec: string): Map<string, NumericArray> {
  if (typeof feed !== 'object' || feed === null)
    raise(dataModuleFailed(spec, 'loadData() yielded something that is not an object'));
  const arrays = new Map<string, NumericArray>();
  for (const [name, value] of Object.entries(feed as Record<string, unknown>)) {
    const { dims, data, dtype } = (value ?? {}) as { dims?: unknown; data?: ElementArray; dtype?: DataType };
    const found = TYPE_OF.find(([array]) => data instanceof array);
    if (!isShape(dims) || data === undefined || found === undefined) {
      raise(dataModuleFailed(spec, `'${name}' is not of the form { dims, data } with a typed array`));
    }
    if (dtype !== undefined && dtype !== found[1] && SAME_ARRAY[dtype] !== found[1]) {
      raise(dataModuleFailed(spec, `'${name}' says ${dtype} and holds ${found[1]}`));
    }
    if (elementCount(dims) !== data.length)
      raise(dataModuleFailed(spec, `'${name}' has ${data.length} elements for dims [${dims.join(', ')}]`));
    arrays.set(name, { dtype: dtype ?? found[1], dims: [...dims], data });
  }
  return arrays;
}

function isShape(dims: unknown): dims is readonly number[] {
  return Array.isArray(dims) && dims.every((d) => Number.isSafeInteger(d) && d >= 0);
}
