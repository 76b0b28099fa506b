import type { Feeds } from '../graph/feeds.js';
import { makeNode } from '../graph/attributes.js';
import { allNames, uniqueName } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { CondenseError } from '../diagnostics/diagnostic.js';
import { withSession, type SessionOptions } from './session.js';

/** Operators whose outputs are not tensors: nothing can ask for their shape. */
const NOT_TENSORS = /^(Sequence(Construct|Empty|Insert|Erase|Map)|SplitToSequence|Optional|ZipMap|DictVectorizer)$/;

/**
 * Concrete shapes of every value that the main graph computes, for the given feeds: asked of the runtime through Shape nodes, so that no
 * shape inference of our own can be wrong. Falls back to no shapes at all where the runtime cannot load such a graph.
 */
export async function probeShapes(
  model: Model,
  feeds: Feeds,
  options: SessionOptions,
): Promise<Map<string, readonly number[]>> {
  const taken = allNames(model);
  const probes = new Map<string, string>();
  for (const node of model.graph.nodes) {
    if (NOT_TENSORS.test(node.opType)) continue;
    for (const name of node.outputs) if (name !== '') probes.set(uniqueName(`shape_of_${name}`, taken), name);
  }
  const probed: Model = {
    ...model,
    graph: {
      ...model.graph,
      nodes: [...model.graph.nodes, ...[...probes].map(([probe, name]) => makeNode('Shape', [name], [probe]))],
      outputs: [...probes.keys()].map((name) => ({ name, dtype: 'int64', shape: undefined })),
    },
  };
  const shapes = new Map<string, readonly number[]>();
  for (const [name, array] of feeds) shapes.set(name, array.dims);
  let results;
  try {
    results = await withSession(probed, { ...options, provider: 'cpu' }, (session) => session.run(feeds));
  } catch (error) {
    if (error instanceof CondenseError && error.diagnostic.code === 'MODEL_DOES_NOT_LOAD') return shapes;
    throw error;
  }
  for (const [probe, name] of probes) {
    const array = results.get(probe);
    if (array !== undefined) shapes.set(name, Array.from(array.data as BigInt64Array, Number));
  }
  return shapes;
}
