import { backwardGraph, type BackwardGraph } from '../../src/autodiff/gradients.js';
import { skeleton } from '../../src/calibration/instrument.js';
import { randomNumbers } from '../../src/calibration/random.js';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { Feeds, NumericArray } from '../../src/graph/feeds.js';
import type { Model } from '../../src/graph/ir.js';
import { elementCount } from '../../src/graph/tensor.js';
import { floatTensor, toFloat64 } from '../../src/graph/tensor-data.js';
import { Session } from '../../src/runtime/session.js';
import { probeShapes } from '../../src/runtime/shapes.js';
import { buildModel, type AttributeValue, node } from '../build-model.js';
import { CPU, integers } from '../dense.js';

/** A node, with operands that are differentiated by and constants that are not. */
export interface NodeCase {
  readonly opType: string;
  /** Shapes of the operands; `''` leaves one out. */
  readonly operands: readonly (readonly number[] | '')[];
  readonly attributes?: Record<string, AttributeValue>;
  /** Integers that follow the operands (axes, shapes, pads); `''` leaves one out. */
  readonly integers?: readonly (readonly number[] | '')[];
  /** Floating-point constants that follow the operands. */
  readonly floats?: readonly (readonly number[])[];
  readonly outputs?: number;
  readonly opset?: number;
  /** Where the operands lie: `positive` above 0.5, `apart` all different by more than a step. */
  readonly values?: 'positive' | 'apart';
  /** Operands whose gradient is not asked for, by number. */
  readonly constant?: readonly number[];
}

type Precision = 'float64' | 'float32';

/** Steps of a central difference, and how near the two have to be relative to the size of what is added up. */
const STEPS: Record<Precision, { readonly step: number; readonly tolerance: number }> = {
  float64: { step: 1e-5, tolerance: 1e-7 },
  float32: { step: 4e-3, tolerance: 2e-3 },
};

/** The largest relative difference between the gradient by rules and a central difference along a random direction. */
export async function gradientError(
  given: NodeCase,
  seed: number,
): Promise<{ error: number; tolerance: number; stops: BackwardGraph['stops'] }> {
  try {
    return await errorAt(given, seed, 'float64');
  } catch (error) {
    // The runtime has no kernel in double for some operators.
    if (
      !(error instanceof CondenseError) ||
      !/NOT_IMPLEMENTED|not implemented|Could not find an implementation|type/i.test(error.diagnostic.message)
    )
      throw error;
    return errorAt(given, seed, 'float32');
  }
}

async function errorAt(given: NodeCase, seed: number, precision: Precision) {
  const next = randomNumbers(seed);
  const names = given.operands.map((dims, i) => (dims === '' ? '' : `a${i}`));
  const model = modelOf(given, names, precision);
  const values = new Map<string, Float64Array>();
  given.operands.forEach((dims, i) => {
    if (dims !== '') values.set(names[i]!, numbers(elementCount(dims), given.values, 0.03 + 0.025 * i, next));
  });
  const dimsOf = new Map(given.operands.flatMap((dims, i) => (dims === '' ? [] : [[names[i]!, dims] as const])));
  const feedsAt = (shift: number, direction: ReadonlyMap<string, Float64Array>): Feeds =>
    new Map(
      [...values].map(([name, x]) => {
        const moved = x.map((v, k) => v + shift * (direction.get(name)?.[k] ?? 0));
        const data = precision === 'float64' ? moved : Float32Array.from(moved);
        return [name, { dtype: precision, dims: dimsOf.get(name)!, data } satisfies NumericArray];
      }),
    );
  const wanted = names.filter((name, i) => name !== '' && given.constant?.includes(i) !== true);
  const direction = new Map(wanted.map((name) => [name, values.get(name)!.map(() => 2 * next() - 1)]));
  const { step, tolerance } = STEPS[precision];

  // Says which kernel is missing; asking for shapes would only give none.
  await (await Session.open(model, CPU)).release();
  const shapes = await probeShapes(model, feedsAt(0, direction), CPU);
  const weights = model.graph.outputs.map(({ name }) =>
    floatTensor(
      `weight_${name}`,
      shapes.get(name)!,
      precision,
      Float64Array.from({ length: elementCount(shapes.get(name)!) }, () => 2 * next() - 1),
    ),
  );
  const backward = backwardGraph(model, {
    seeds: new Map(model.graph.outputs.map(({ name }, i) => [name, weights[i]!.name])),
    wanted,
    shapes,
    taken: new Set(),
  });
  if (backward.stops.length > 0) return { error: Infinity, tolerance, stops: backward.stops };
  const combined = skeleton(model, {
    nodes: [...model.graph.nodes, ...backward.nodes],
    initializers: [...model.graph.initializers.values(), ...weights, ...backward.initializers],
    inputs: [...dimsOf].map(([name, dims]) => ({ name, dtype: precision, rank: dims.length })),
    outputs: [
      ...model.graph.outputs.map(({ name }) => ({ name, dtype: precision })),
      ...[...backward.gradients.values()].map((name) => ({ name, dtype: precision })),
    ],
  });
  const session = await Session.open(combined, { ...CPU, optimisation: 'exact' });
  try {
    const loss = async (shift: number): Promise<number> => {
      const outputs = await session.run(feedsAt(shift, direction));
      return model.graph.outputs.reduce((sum, { name }, i) => {
        return sum + dot(asNumbers(outputs.get(name)!), toFloat64(weights[i]!));
      }, 0);
    };
    const outputs = await session.run(feedsAt(0, direction));
    let analytic = 0;
    let size = 0;
    for (const name of wanted) {
      const gradient = backward.gradients.get(name);
      if (gradient === undefined) continue;
      const array = outputs.get(gradient)!;
      if (array.dims.join() !== dimsOf.get(name)!.join())
        throw new Error(`the gradient of ${name} has the shape ${array.dims.join()}, not ${dimsOf.get(name)!.join()}`);
      const g = asNumbers(array);
      const d = direction.get(name)!;
      analytic += dot(g, d);
      size += g.reduce((sum, v, k) => sum + Math.abs(v * d[k]!), 0);
    }
    const numeric = ((await loss(step)) - (await loss(-step))) / (2 * step);
    return { error: Math.abs(analytic - numeric) / Math.max(size, 1), tolerance, stops: backward.stops };
  } finally {
    await session.release();
  }
}

function modelOf(given: NodeCase, names: readonly string[], precision: Precision): Model {
  const lists = given.integers ?? [];
  const floats = given.floats ?? [];
  const outputs = Array.from({ length: given.outputs ?? 1 }, (_, i) => `y${i}`);
  return buildModel({
    inputs: given.operands.flatMap((dims, i) =>
      dims === '' ? [] : [{ name: names[i]!, shape: [...dims], dtype: precision }],
    ),
    nodes: [
      node(
        given.opType,
        [...names, ...lists.map((list, i) => (list === '' ? '' : `i${i}`)), ...floats.map((_, i) => `f${i}`)],
        outputs,
        given.attributes ?? {},
      ),
    ],
    initializers: [
      ...lists.flatMap((list, i) => (list === '' ? [] : [integers(`i${i}`, list)])),
      ...floats.map((list, i) =>
        floatTensor(`f${i}`, list.length === 1 ? [] : [list.length], precision, Float64Array.from(list)),
      ),
    ],
    outputs: outputs.map((name) => ({ name, dtype: precision })),
    opset: given.opset ?? 17,
  });
}

function numbers(count: number, values: NodeCase['values'], offset: number, next: () => number): Float64Array {
  if (values === 'positive') return Float64Array.from({ length: count }, () => 0.5 + next());
  if (values !== 'apart') return Float64Array.from({ length: count }, () => 3 * (2 * next() - 1));
  // A shuffled ladder that does not meet 0: no two elements change places within a step.
  const ladder = Array.from({ length: count }, (_, i) => 0.15 * (i - count / 2) + offset);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [ladder[i], ladder[j]] = [ladder[j]!, ladder[i]!];
  }
  return Float64Array.from(ladder);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function asNumbers({ data }: NumericArray): Float64Array {
  return Float64Array.from(data as Float32Array | Float64Array);
}
