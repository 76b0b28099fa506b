import { raise } from '../diagnostics/diagnostic.js';
import { activationNotFinite } from '../diagnostics/runtime.js';
import type { Kernel } from '../channels/types.js';
import { makeNode } from '../graph/attributes.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model, Node } from '../graph/ir.js';
import { elementCount, type DataType, type Tensor } from '../graph/tensor.js';
import { Session, type SessionOptions } from '../runtime/session.js';
import {
  flatten,
  momentNames,
  momentNodes,
  productType,
  sample,
  skeleton,
  type Fragment,
  type MomentNames,
  type MomentRequest,
} from './instrument.js';
import { Moments } from './moments.js';
import { drawPositions, patchIndices } from './positions.js';

/** One run of the graph. `rows` are the data rows in it; `fold` the part of the data they belong to. */
export interface Batch {
  readonly feeds: Feeds;
  readonly rows: ArrayLike<number>;
  readonly fold: number;
}

/** A graph that computes the requested values, without outputs: nodes, constants and inputs. */
export interface StreamGraph {
  readonly base: Model;
  readonly nodes: readonly Node[];
  readonly initializers: readonly Tensor[];
  readonly inputs: readonly { readonly name: string; readonly dtype: DataType; readonly rank?: number }[];
}

export interface StreamOptions extends SessionOptions {
  readonly folds: number;
  /**
   * The graph runs at a small fixed batch: values are stacked over this many runs before the runtime forms the products. 1 where each run
   * brings enough rows.
   */
  readonly stack: number;
  /** Values to hand back for every batch. */
  readonly keep?: readonly { readonly name: string; readonly dtype: DataType }[];
  readonly onBatch?: (done: number, rows: number) => void;
}

export interface StreamResult {
  /** Moments of each request by fold. */
  readonly moments: ReadonlyMap<string, readonly Moments[]>;
  /** Kept values, one map per batch in order. */
  readonly kept: readonly Feeds[];
}

/**
 * Runs the graph over all batches and returns second moments of the requested values, formed inside the runtime: activations do not become
 * JS numbers, and memory does not depend on the number of rows.
 * @throws CondenseError naming value, node and row when an activation is NaN or infinite.
 */
export async function streamMoments(
  graph: StreamGraph,
  requests: readonly MomentRequest[],
  batches: Iterable<Batch>,
  options: StreamOptions,
): Promise<StreamResult> {
  const names = requests.map(momentNames);
  const stacked = options.stack > 1;
  const keep = options.keep ?? [];
  const opset = graph.base.opsets.get('') ?? 1;
  const fragments = names.flatMap((n) => valueNodes(n, opset));
  const products = joinFragments(names.map((n) => momentNodes(n, opset)));
  const values = joinFragments(fragments);
  const matrices = names.flatMap((n) => [n.x, ...(n.z === undefined ? [] : [n.z])]);
  const positions = names.flatMap((n) => [
    ...(n.positionsX === undefined
      ? []
      : [{ name: n.positionsX, dtype: 'int64' as const, rank: patchOf(n, 'x') === undefined ? 1 : 2 }]),
    ...(n.positionsZ === undefined
      ? []
      : [{ name: n.positionsZ, dtype: 'int64' as const, rank: patchOf(n, 'z') === undefined ? 1 : 2 }]),
  ]);
  const pilots = names.flatMap((n) => [n.pilotX, ...(n.pilotZ === undefined ? [] : [n.pilotZ])]);
  const sums = names.flatMap((n) =>
    Object.entries(n.outputs).map(([kind, name]) => ({
      name,
      dtype: kind === 'xx' || kind === 'zx' ? productType(n.request) : ('float32' as const),
    })),
  );
  const floats = (list: readonly string[]): { name: string; dtype: DataType }[] =>
    list.map((name) => ({ name, dtype: 'float32' }));

  // Values to keep leave through an Identity: onnxruntime 1.30 crashes on a Gemm between two Transposes whose output is a graph output.
  const exits = keep.map(({ name }, i) => makeNode('Identity', [name], [keptName(i)]));
  const valueModel = skeleton(graph.base, {
    nodes: [...graph.nodes, ...values.nodes, ...exits, ...(stacked ? [] : products.nodes)],
    initializers: [...graph.initializers, ...values.initializers, ...(stacked ? [] : products.initializers)],
    inputs: [...graph.inputs, ...positions, ...(stacked ? [] : floats(pilots).map((p) => ({ ...p, rank: 1 })))],
    outputs: [...(stacked ? floats(matrices) : sums), ...keep.map(({ dtype }, i) => ({ name: keptName(i), dtype }))],
  });
  const productModel = skeleton(graph.base, {
    nodes: products.nodes,
    initializers: products.initializers,
    inputs: [...floats(matrices).map((p) => ({ ...p, rank: 2 })), ...floats(pilots).map((p) => ({ ...p, rank: 1 }))],
    outputs: sums,
  });

  const valueSession = await Session.open(valueModel, options);
  const productSession = stacked ? await Session.open(productModel, options) : undefined;
  const kept: Feeds[] = [];
  const collector = new Collector(names, options.folds);
  try {
    let pending: { feeds: Feeds; batch: Batch }[] = [];
    let done = 0;
    const flush = async (): Promise<void> => {
      if (pending.length === 0) return;
      const feeds = stacked
        ? stackRows(
            pending.map((p) => p.feeds),
            matrices,
          )
        : pending[0]!.feeds;
      const session = productSession ?? valueSession;
      if (collector.pilot === undefined) collector.setPilot(await session.run(withPilots(feeds, names, undefined)));
      const outputs = await session.run(withPilots(feeds, names, collector.pilot));
      const bad = collector.add(outputs, pending[0]!.batch.fold);
      if (bad !== undefined)
        await blame(
          bad,
          graph,
          pending.map((p) => p.batch),
          options,
        );
      if (!stacked && keep.length > 0) kept.push(keptValues(outputs, keep));
      pending = [];
    };
    let number = 0;
    for (const batch of batches) {
      const feeds = positions.length === 0 ? batch.feeds : withPositions(batch.feeds, names, number++);
      if (stacked) {
        if (pending.length > 0 && pending[0]!.batch.fold !== batch.fold) await flush();
        const outputs = await valueSession.run(feeds);
        if (keep.length > 0) kept.push(keptValues(outputs, keep));
        pending.push({ feeds: pick(outputs, floats(matrices)), batch });
        if (pending.length >= options.stack) await flush();
      } else {
        pending.push({ feeds, batch });
        await flush();
      }
      done += batch.rows.length;
      options.onBatch?.(done, batch.rows.length);
    }
    await flush();
  } finally {
    await valueSession.release();
    await productSession?.release();
  }
  return { moments: collector.result(), kept };
}

/** Nodes that bring a request's values into the form of matrices. */
function valueNodes(names: MomentNames, opset: number): Fragment[] {
  const { request, x, z, positionsX, positionsZ } = names;
  const { sampling } = request;
  if (sampling === undefined || positionsX === undefined)
    return [flatten(request.x, x), ...(request.z === undefined ? [] : [flatten(request.z, z!)])];
  return [
    sample(request.x, positionsX, patchOf(names, 'x'), x, opset),
    ...(request.z === undefined ? [] : [sample(request.z, positionsZ!, patchOf(names, 'z'), z!, opset)]),
  ];
}

/** The patch that a request's x or z is made of. */
function patchOf({ request: { sampling } }: MomentNames, value: 'x' | 'z'): Kernel | undefined {
  return sampling?.patched === value ? sampling.patch : undefined;
}

/** The feeds with the positions that each request takes from this batch. */
function withPositions(feeds: Feeds, names: readonly MomentNames[], batch: number): Feeds {
  const all = new Map(feeds);
  const put = (name: string | undefined, dims: readonly number[], values: Int32Array): void => {
    if (name !== undefined) all.set(name, { dtype: 'int64', dims, data: BigInt64Array.from(values, BigInt) });
  };
  for (const n of names) {
    const { sampling } = n.request;
    if (sampling === undefined) continue;
    const positions = drawPositions(sampling, batch);
    for (const [name, value] of [
      [n.positionsX, 'x'],
      [n.positionsZ, 'z'],
    ] as const) {
      const patch = patchOf(n, value);
      if (patch === undefined) put(name, [positions.length], positions);
      else {
        const indices = patchIndices(patch, sampling.map, positions);
        put(name, [positions.length, indices.length / positions.length], indices);
      }
    }
  }
  return all;
}

function joinFragments(fragments: readonly Fragment[]): Fragment {
  return { nodes: fragments.flatMap((f) => f.nodes), initializers: fragments.flatMap((f) => f.initializers) };
}

function pick(outputs: ReadonlyMap<string, NumericArray>, keep: readonly { readonly name: string }[]): Feeds {
  return new Map(keep.map(({ name }) => [name, outputs.get(name)!]));
}

function keptName(index: number): string {
  return `condense_kept_${index}`;
}

/** The values to keep under their own names. */
function keptValues(outputs: ReadonlyMap<string, NumericArray>, keep: readonly { readonly name: string }[]): Feeds {
  return new Map(keep.map(({ name }, i) => [name, outputs.get(keptName(i))!]));
}

/** Rows of float32 matrices one below the other. */
function stackRows(parts: readonly Feeds[], names: readonly string[]): Feeds {
  const result = new Map<string, NumericArray>();
  for (const name of names) {
    const arrays = parts.map((p) => p.get(name)!);
    const data = new Float32Array(arrays.reduce((sum, a) => sum + elementCount(a.dims), 0));
    let at = 0;
    for (const array of arrays) {
      data.set(array.data as Float32Array, at);
      at += array.data.length;
    }
    const features = arrays[0]!.dims[1]!;
    result.set(name, { dtype: 'float32', dims: [data.length / features, features], data });
  }
  return result;
}

/** Pilot means as graph inputs; zeros before they are known. */
type Pilot = ReadonlyMap<string, Float32Array>;

function withPilots(feeds: Feeds, names: readonly MomentNames[], pilot: Pilot | undefined): Feeds {
  const all = new Map(feeds);
  const put = (name: string | undefined, length: number | undefined): void => {
    if (name === undefined || length === undefined) return;
    all.set(name, { dtype: 'float32', dims: [length], data: pilot?.get(name) ?? new Float32Array(length) });
  };
  for (const n of names) {
    put(n.pilotX, n.request.x.features);
    put(n.pilotZ, n.request.z?.features);
  }
  return all;
}

class Collector {
  pilot: Pilot | undefined;
  private readonly moments = new Map<string, Moments[]>();

  constructor(
    private readonly names: readonly MomentNames[],
    private readonly folds: number,
  ) {}

  /** Means of the first batch (run with zero pilots): any point near the data will do, so half-precision rounding does not matter. */
  setPilot(outputs: ReadonlyMap<string, NumericArray>): void {
    const pilot = new Map<string, Float32Array>();
    for (const n of this.names) {
      const rows = rowsOf(outputs, n);
      const mean = (name: string): Float32Array =>
        (outputs.get(name)!.data as Float32Array).map((v) => (Number.isFinite(v) ? v / rows : 0));
      pilot.set(n.pilotX, mean(n.outputs.x));
      if (n.pilotZ !== undefined) pilot.set(n.pilotZ, mean(n.outputs.z!));
      const shiftX = Float64Array.from(pilot.get(n.pilotX)!);
      const shiftZ = n.pilotZ === undefined ? new Float64Array(0) : Float64Array.from(pilot.get(n.pilotZ)!);
      this.moments.set(
        n.request.key,
        Array.from({ length: this.folds }, () => Moments.empty(shiftX, shiftZ, productType(n.request))),
      );
    }
    this.pilot = pilot;
  }

  /** Adds a batch; returns the request whose values are not finite, if any. */
  add(outputs: ReadonlyMap<string, NumericArray>, fold: number): MomentRequest | undefined {
    for (const n of this.names) {
      const data = (name: string | undefined): Float32Array | Float64Array | undefined =>
        name === undefined ? undefined : (outputs.get(name)!.data as Float32Array | Float64Array);
      const x = data(n.outputs.x)!;
      const z = data(n.outputs.z);
      if (!x.every(Number.isFinite) || !(z ?? x).every(Number.isFinite)) return n.request;
      const sums = {
        x,
        xx: data(n.outputs.xx)!,
        ...(z === undefined ? {} : { z, zx: data(n.outputs.zx)!, zz: data(n.outputs.zz)! }),
      };
      this.moments.get(n.request.key)![fold]!.add(rowsOf(outputs, n), sums);
    }
    return undefined;
  }

  result(): ReadonlyMap<string, readonly Moments[]> {
    return this.moments;
  }
}

/** How many rows a batch's sums hold. The runtime counts them: a value may have several rows for each row of data. */
function rowsOf(outputs: ReadonlyMap<string, NumericArray>, names: MomentNames): number {
  return Number((outputs.get(names.outputs.rows)!.data as Float32Array)[0]);
}

/** Finds the first row whose activation is not finite and raises the diagnostic that names it. */
async function blame(
  request: MomentRequest,
  graph: StreamGraph,
  batches: readonly Batch[],
  options: SessionOptions,
): Promise<never> {
  // Patches hold each channel several times; the channels themselves are enough to look at.
  const taps = (value: 'x' | 'z'): number =>
    request.sampling?.patched === value ? elementCount(request.sampling.patch?.shape ?? []) : 1;
  const sources = [
    { ...request.x, features: request.x.features / taps('x') },
    ...(request.z === undefined ? [] : [{ ...request.z, features: request.z.features / taps('z') }]),
  ];
  const parts = sources.map((source, i) => flatten(source, `condense_blame_${i}`));
  const session = await Session.open(
    skeleton(graph.base, {
      nodes: [...graph.nodes, ...parts.flatMap((p) => p.nodes)],
      initializers: [...graph.initializers, ...parts.flatMap((p) => p.initializers)],
      inputs: graph.inputs,
      outputs: sources.map((_, i) => ({ name: `condense_blame_${i}`, dtype: 'float32' })),
    }),
    options,
  );
  try {
    for (const batch of batches) {
      const outputs = await session.run(batch.feeds);
      for (const [i, source] of sources.entries()) {
        const array = outputs.get(`condense_blame_${i}`)!;
        const at = (array.data as Float32Array).findIndex((v) => !Number.isFinite(v));
        if (at < 0) continue;
        const perRow = array.dims[0]! / batch.rows.length;
        raise(
          activationNotFinite(
            source.value,
            request.node ?? request.key,
            batch.rows[Math.floor(at / source.features / perRow)] ?? 0,
          ),
        );
      }
    }
  } finally {
    await session.release();
  }
  return raise(activationNotFinite(request.x.value, request.node ?? request.key, batches[0]?.rows[0] ?? 0));
}
