/** The network as people draw it: layers and how they are connected, with what became of them. */
import { label, type KnownShapes } from '../channels/tracker.js';
import { meaningOf } from '../channels/refusal.js';
import type { ChannelAnalysis } from '../channels/types.js';
import type { Model, Node } from '../graph/ir.js';
import { LAYERS } from '../graph/layers.js';
import { elementCount, isFloat } from '../graph/tensor.js';
import { constantAt, freeNames, subgraphs, UseIndex } from '../graph/uses.js';
import type { NetworkOutline, OutlineNode } from '../report/details.js';

/** A model with the shapes of its values for some feed. */
export interface ShapedModel {
  readonly model: Model;
  readonly shapes: KnownShapes;
}

/**
 * Layers are the nodes that the analysis looked at (without one, all that multiply by a matrix). Another node is drawn only where several
 * layers meet in it; values pass through the rest.
 * @param after the reduced model; the same nodes by their names. Without it nothing was made
 */
export function networkOutline(
  before: ShapedModel,
  after: ShapedModel | undefined,
  analysis?: ChannelAnalysis,
): NetworkOutline {
  const { graph } = before.model;
  const index = new UseIndex(graph);
  const reduced = after === undefined ? undefined : nodesByName(after.model);
  const reducedIndex = after === undefined ? undefined : new UseIndex(after.model.graph);
  const targets = new Map(analysis?.targets.map((target) => [label(target.node), target]));
  const nodes: OutlineNode[] = [];
  const edges: (readonly [number, number])[] = [];
  /** Which drawn nodes a value comes from. */
  const origins = new Map<string, readonly number[]>();
  const draw = (node: OutlineNode, from: readonly number[]): number => {
    nodes.push(node);
    for (const source of from) edges.push([source, nodes.length - 1]);
    return nodes.length - 1;
  };
  const nothing = { before: 0, after: 0 };
  for (const { name } of graph.inputs) {
    if (graph.initializers.has(name)) continue;
    origins.set(name, [draw({ kind: 'input', name, opType: 'input', parameters: nothing, layers: [] }, [])]);
  }
  for (const node of graph.nodes) {
    const read = [...node.inputs, ...subgraphs(node).flatMap((inner) => [...freeNames(inner)])];
    const from = [...new Set(read.flatMap((value) => origins.get(value) ?? []))];
    const name = label(node);
    const target = targets.get(name);
    const isLayer = analysis === undefined ? LAYERS.has(node.opType) && from.length > 0 : target !== undefined;
    let own = from;
    if (isLayer) {
      const other = reduced?.get(name);
      const [width, left] = [
        widthOf(node, before.shapes, target?.width),
        other === undefined ? undefined : widthOf(other, after!.shapes, undefined),
      ];
      const size = parametersOf(node, index);
      const refusal = target?.refusal;
      const advice = refusal === undefined ? undefined : meaningOf(refusal.code).advice;
      own = [
        draw(
          {
            kind: 'layer',
            name,
            opType: node.opType,
            ...(width === undefined ? {} : { before: width }),
            ...(left === undefined ? {} : { after: left }),
            parameters: { before: size, after: other === undefined ? size : parametersOf(other, reducedIndex!) },
            layers: target?.spaces ?? [],
            ...(refusal === undefined ? {} : { refusal: { ...refusal, ...(advice === undefined ? {} : { advice }) } }),
          },
          from,
        ),
      ];
    } else if (from.length > 1) {
      own = [draw({ kind: 'join', name, opType: node.opType, parameters: nothing, layers: [] }, from)];
    }
    for (const output of node.outputs) if (output !== '') origins.set(output, own);
  }
  for (const { name } of graph.outputs)
    draw({ kind: 'output', name, opType: 'output', parameters: nothing, layers: [] }, origins.get(name) ?? []);
  return withoutDeadEnds({ nodes, edges });
}

/** Joins of values that no layer and no output reads (shapes that are computed) say nothing. */
function withoutDeadEnds({ nodes, edges }: NetworkOutline): NetworkOutline {
  const alive = nodes.map(({ kind }) => kind !== 'join');
  for (let changed = true; changed;) {
    changed = false;
    for (const [from, to] of edges.toReversed()) {
      if (alive[from]! || !alive[to]!) continue;
      alive[from] = true;
      changed = true;
    }
  }
  const position = new Map<number, number>();
  alive.forEach((stays, i) => {
    if (stays) position.set(i, position.size);
  });
  return {
    nodes: nodes.filter((_, i) => alive[i]),
    edges: edges.flatMap(([from, to]) => {
      const pair = [position.get(from), position.get(to)] as const;
      return pair[0] === undefined || pair[1] === undefined ? [] : [[pair[0], pair[1]] as const];
    }),
  };
}

function nodesByName({ graph }: Model): Map<string, Node> {
  return new Map(graph.nodes.map((node) => [label(node), node]));
}

/** Length of the axis that a layer's outputs run along. */
function widthOf(node: Node, shapes: KnownShapes, known: number | undefined): number | undefined {
  if (known !== undefined) return known;
  const dims = shapes.get(node.outputs[0] ?? '');
  return node.opType.startsWith('Conv') ? dims?.[1] : dims?.at(-1);
}

/** Floating-point elements of the constants that a node reads. */
function parametersOf(node: Node, index: UseIndex): number {
  const held = node.inputs.flatMap((value) => (value === '' ? [] : (constantAt(index, value)?.tensor ?? [])));
  return held.reduce((sum, { dtype, dims }) => {
    const size = elementCount(dims);
    return sum + (isFloat(dtype) && size > 1 ? size : 0);
  }, 0);
}
