/** The network as a graph of layers, laid out by dagre: what is chosen in it shows beside it. */
import { graphlib, layout } from '@dagrejs/dagre';
import { curveBasis, line } from 'd3-shape';
import { scaleSqrt } from 'd3-scale';
import type { NetworkOutline, OutlineNode } from '../details.js';
import { html, type Markup } from './markup.js';
import { at, brief, tidy } from './numbers.js';

const LAYER = { width: 208, height: 58 };
const SMALL = { width: 150, height: 26 };
const JOIN = { width: 58, height: 20 };
/** Side of the square whose area is that of the largest layer. */
const SQUARE = 44;
const MARGIN = 12;
/** Characters that fit into a box. */
const NAME_LENGTH = 20;

/** Panels by node: that of the first layer whose channels it makes, or its own where it makes none. */
export function panelOf(node: OutlineNode, position: number): string | undefined {
  if (node.kind !== 'layer') return undefined;
  return node.layers[0] === undefined ? `node-${position}` : `layer-${node.layers[0]}`;
}

/** @returns the drawing with its tools; the panels come from `layersSection` */
export function networkDrawing({ nodes, edges }: NetworkOutline): Markup {
  const placed = layoutOf(nodes, edges);
  // One of them is in the tab order; arrow keys reach the others.
  const first = nodes.findIndex(({ kind }) => kind === 'layer');
  const largest = nodes.reduce((most, n) => Math.max(most, n.parameters.before), 1);
  const side = scaleSqrt([0, largest], [0, SQUARE]);
  const path = line<{ x: number; y: number }>(
    ({ x }) => x,
    ({ y }) => y,
  ).curve(curveBasis);
  return html`<div class="tools">
      <label for="search">Search</label>
      <input id="search" type="search" placeholder="name" autocomplete="off" />
      <span id="found" class="small" role="status"></span>
      <span class="buttons">
        <button type="button" id="zoom-out" aria-label="Smaller">−</button>
        <button type="button" id="zoom-in" aria-label="Larger">+</button>
        <button type="button" id="zoom-fit">Fit</button>
      </span>
    </div>
    <div
      id="graph"
      class="graph"
      role="region"
      aria-label="Network. Arrow keys go from layer to layer, Enter shows one."
    >
      <svg
        width="${Math.ceil(placed.width)}"
        height="${Math.ceil(placed.height)}"
        viewBox="0 0 ${Math.ceil(placed.width)} ${Math.ceil(placed.height)}"
        data-nodes="${nodes.length}"
      >
        <defs>
          <marker id="arrow" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" orient="auto">
            <path d="M0,0L6,3L0,6z" />
          </marker>
        </defs>
        <g class="edges">
          ${placed.edges.map((points) => html`<path d="${tidy(path(points))}" marker-end="url(#arrow)" />`)}
        </g>
        ${nodes.map((node, i) => drawn(node, i, placed.nodes[i]!, side, i === first))}
      </svg>
    </div>
    <p class="small legend">
      <svg width="18" height="18" aria-hidden="true" class="swatch">
        <rect class="was" x="1" y="1" width="16" height="16" />
        <rect class="is" x="1" y="5" width="12" height="12" />
      </svg>
      the area of a square is the number of parameters: outline before, filled after;
      <span class="mark-left">⚠</span> left as it is, with the reason when chosen
    </p>`;
}

interface Place {
  readonly x: number;
  readonly y: number;
}

function layoutOf(
  nodes: NetworkOutline['nodes'],
  edges: NetworkOutline['edges'],
): { width: number; height: number; nodes: readonly Place[]; edges: readonly (readonly Place[])[] } {
  const graph = new graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: 'TB', nodesep: 18, ranksep: 26, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  nodes.forEach((node, i) => graph.setNode(String(i), { ...sizeOf(node) }));
  edges.forEach(([from, to], i) => graph.setEdge(String(from), String(to), {}, String(i)));
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return {
    width,
    height,
    nodes: nodes.map((_, i) => graph.node(String(i)) as unknown as Place),
    edges: edges.map(
      ([from, to], i) =>
        (graph.edge(String(from), String(to), String(i)) as unknown as { points: readonly Place[] }).points,
    ),
  };
}

function sizeOf({ kind }: OutlineNode): { readonly width: number; readonly height: number } {
  return kind === 'layer' ? LAYER : kind === 'join' ? JOIN : SMALL;
}

function drawn(node: OutlineNode, i: number, { x, y }: Place, side: (value: number) => number, first: boolean): Markup {
  const { width, height } = sizeOf(node);
  const corner = `translate(${at(x - width / 2)} ${at(y - height / 2)})`;
  if (node.kind !== 'layer')
    return html`<g class="node ${node.kind}" transform="${corner}">
      <title>${node.kind === 'join' ? `${node.opType} ${node.name}` : `${node.kind} ${node.name}`}</title>
      <rect width="${width}" height="${height}" rx="${height / 2}" />
      <text x="${width / 2}" y="${height / 2 + 4}" text-anchor="middle"
        >${shortened(node.kind === 'join' ? node.opType : node.name, node.kind === 'join' ? 8 : NAME_LENGTH)}</text
      >
    </g>`;
  const { before, after } = node.parameters;
  const [outer, inner] = [Math.max(3, side(before)), Math.min(side(after), side(before))];
  const bottom = (height + SQUARE) / 2;
  const left = node.refusal !== undefined;
  return html`<g
    class="node layer${left && ' left'}"
    transform="${corner}"
    role="button"
    tabindex="${first ? 0 : -1}"
    data-panel="${panelOf(node, i)}"
    data-search="${`${node.name} ${node.opType}`.toLowerCase()}"
    aria-label="${node.opType} ${node.name}, ${widths(node)}${left && `, left: ${node.refusal.message}`}"
  >
    <title>
      ${node.name}: ${brief(before)} → ${brief(after)} parameters${left && `. Left: ${node.refusal.message}`}
    </title>
    <rect class="box" width="${width}" height="${height}" rx="6" />
    <rect class="was" x="7" y="${at(bottom - outer)}" width="${at(outer)}" height="${at(outer)}" />
    <rect class="is" x="7" y="${at(bottom - inner)}" width="${at(inner)}" height="${at(inner)}" />
    <text class="title" x="60" y="18">${shortened(node.name, NAME_LENGTH)}</text>
    <text x="60" y="34">${shortened(node.opType, 12)}${left && ' ⚠'}</text>
    <text class="widths" x="60" y="50">${widths(node)}</text>
  </g>`;
}

/** 3200 → 761 */
export function widths({ before, after }: OutlineNode): string {
  if (before === undefined) return 'width not known';
  return after === undefined || after === before ? String(before) : `${before} → ${after}`;
}

/** The ends of a long name say more than its beginning alone. */
export function shortened(name: string, length: number): string {
  if (name.length <= length) return name;
  const head = Math.floor((length - 1) / 3);
  return `${name.slice(0, head)}…${name.slice(name.length - (length - 1 - head))}`;
}
