import { raise } from '../src/diagnostics/diagnostic.js';
import { graphHasCycle } from '../src/diagnostics/graph.js';
import { cloneModel } from '../src/graph/edit.js';
import { topologicalOrder } from '../src/graph/order.js';
import type { Pass } from './pass.js';

/** Restores the topological order that ONNX demands; a graph that is in order is left as it is. */
export const orderNodes: Pass<undefined> = {
  name: 'order-nodes',
  description: 'restore the topological order of the nodes where a file lacks it',
  requires: 'a graph without cycles',
  ensures: 'every value is defined before it is read',
  run(model) {
    const order = topologicalOrder(model.graph);
    if (order === undefined) raise(graphHasCycle(model.source?.path));
    if (order.every((node, i) => node === model.graph.nodes[i])) return { model, changed: false, notes: [] };
    const ordered = cloneModel({ ...model, graph: { ...model.graph, nodes: order } });
    return { model: ordered, changed: true, notes: ['nodes were not in topological order; the order was restored'] };
  },
};
