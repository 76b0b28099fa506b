import { gatherRows, loadDataset } from '../calibration/dataset.js';
import { rowAxisOf, type InputSpec } from '../calibration/sources/source.js';
import { label } from '../channels/tracker.js';
import { macsUnknown, openAxes, type DataNote } from '../diagnostics/calibration.js';
import { CondenseError } from '../diagnostics/diagnostic.js';
import { diffGraphs, diffModels, type NodePair } from '../graph/diff.js';
import { parameterCount } from '../graph/edit.js';
import type { Model, Node } from '../graph/ir.js';
import { macsByNode } from '../graph/macs.js';
import { readModel } from '../onnx/index.js';
import type { DiffedModel, DiffedNode, DiffReport } from '../report/diff-report.js';
import { probeShapes } from '../runtime/shapes.js';
import { VERSION } from '../version.js';
import { fileBytes } from './file-bytes.js';
import { dataInputs } from './prepare.js';

/** Options of {@link diff}. */
export interface DiffOptions {
  /** Data, as for {@link condense}, with whose shapes multiply-accumulates are counted. Without it 1 stands for every axis that is left open. */
  readonly data?: readonly string[];
}

/**
 * What differs between two models: nodes that are gone, new or changed, the shapes of constants, and the totals of parameters and work.
 *
 * Nodes are the same where an output has the same name, else where they are called the same; constants are the same by their names.
 * @param before a model, or the path of one
 * @throws CondenseError for data or models that cannot be read (exit codes 2 and 4)
 */
export async function diff(
  before: Model | string,
  after: Model | string,
  options: DiffOptions = {},
): Promise<DiffReport> {
  const a = typeof before === 'string' ? await readModel(before) : before;
  const b = typeof after === 'string' ? await readModel(after) : after;
  const warnings = new Map<string, DataNote>();
  const note = (found: DataNote): void => {
    warnings.set(found.message, found);
  };
  const [old, now] = [await workOf(a, options.data, note), await workOf(b, options.data, note)];
  const { nodes, unchanged, constants } = diffGraphs(a.graph, b.graph);
  return {
    schemaVersion: 1,
    tool: { name: 'onnx-condense', version: VERSION },
    before: await figuresOf(a, old),
    after: await figuresOf(b, now),
    model: diffModels(a, b),
    nodes: nodes.map((pair) => diffedNode(pair, old, now)),
    unchangedNodes: unchanged,
    constants,
    warnings: [...warnings.values()],
  };
}

/** Multiply-accumulates of each node for one row; undefined where the shapes are not known. */
type Work = ReadonlyMap<Node, number> | undefined;

/** Runs the model on one row to find its shapes. What it cannot be run on only costs the figure: a model may be compared all the same. */
async function workOf(
  model: Model,
  data: readonly string[] | undefined,
  note: (note: DataNote) => void,
): Promise<Work> {
  const inputs = dataInputs(model);
  try {
    const dataset = await loadDataset(data ?? [`random:${fixedRows(inputs)}`], inputs);
    const rows = dataset.fixedBatch ?? 1;
    const feeds = gatherRows(
      dataset,
      Array.from({ length: rows }, (_, i) => i),
    );
    const shapes = await probeShapes(model, feeds, { provider: 'cpu' });
    // Nothing but what was fed: the runtime does not load the model.
    if (shapes.size > feeds.size) {
      const open = inputs.filter(({ shape = [] }) =>
        shape.some((d, axis) => typeof d !== 'number' && axis !== rowAxisOf(shape)),
      );
      if (data === undefined && open.length > 0) note(openAxes(open.map(({ name }) => name)));
      return new Map([...macsByNode(model, shapes)].map(([node, macs]) => [node, macs / rows]));
    }
  } catch (error) {
    if (!(error instanceof CondenseError) || data !== undefined) throw error;
  }
  note(macsUnknown(model.source?.path));
  return undefined;
}

/** The rows that the shapes of the inputs fix, or 1. */
function fixedRows(inputs: readonly InputSpec[]): number {
  return Math.max(
    1,
    ...inputs.flatMap(({ shape = [] }) => {
      const rows = shape[rowAxisOf(shape)];
      return typeof rows === 'number' ? [rows] : [];
    }),
  );
}

async function figuresOf(model: Model, work: Work): Promise<DiffedModel> {
  return {
    file: model.source?.path ?? null,
    sha256: model.source?.sha256 ?? null,
    nodes: model.graph.nodes.length,
    parameters: parameterCount(model),
    macs: work === undefined ? null : [...work.values()].reduce((sum, macs) => sum + macs, 0),
    bytes: model.source === undefined ? null : await fileBytes(model.source),
  };
}

function diffedNode({ before, after, differences, constants }: NodePair, old: Work, now: Work): DiffedNode {
  const macsOf = (node: Node | undefined, work: Work): number | null =>
    node === undefined ? null : (work?.get(node) ?? null);
  const shown = after ?? before!;
  return {
    kind: after === undefined ? 'removed' : before === undefined ? 'added' : 'changed',
    node: label(shown),
    opType: shown.opType,
    differences,
    constants,
    macs: { before: macsOf(before, old), after: macsOf(after, now) },
  };
}
