import { readFileSync } from 'node:fs';
import path from 'node:path';
import { LAYERS } from '../../src/graph/layers.js';
import { label } from '../../src/channels/tracker.js';
import type { CondenseOptions } from '../../src/index.js';
import type { Graph, Model } from '../../src/graph/ir.js';
import { subgraphs } from '../../src/graph/uses.js';
import type { NodeReport } from '../../src/report/report.js';
import { sharedModels } from '../shared-models.js';

/** What the tests read of an entry in the collection's index.json. Files are relative to the collection. */
export interface Entry {
  readonly name: string;
  readonly model: string;
  readonly parameters: number;
  readonly tags: readonly string[];
  readonly feed: { readonly batch: 'any' | 1 | 'none' };
  readonly calib: DataFile;
  readonly test: DataFile;
}

/** A file of arrays by input name, or of raw images (`preprocess`; see the collection's README). */
interface DataFile {
  readonly file: string;
  readonly ready?: boolean;
  readonly preprocess?: { readonly input: string; readonly scale: number; readonly mean: readonly number[] };
}

export const collection = sharedModels();

/** The entries of index.json; none where the collection is missing. */
export const ENTRIES: readonly Entry[] =
  collection === undefined
    ? []
    : (JSON.parse(readFileSync(path.join(collection.root, 'index.json'), 'utf8')) as { models: Entry[] }).models;

export function entry(name: string): Entry {
  const found = ENTRIES.find((e) => e.name === name);
  if (found === undefined) throw new Error(`${name} is not in the collection`);
  return found;
}

/** Absolute path of a file of the collection. */
export function fileOf(relative: string): string {
  return path.join(collection!.root, relative);
}

/** The model's own rows: calib.npz to fit, test.npz to check. */
export function ownData({ calib, test }: Entry): Pick<CondenseOptions, 'data' | 'test'> {
  return { data: [fileOf(calib.file)], test: [fileOf(test.file)] };
}

/** Every Gemm, MatMul, Conv and ConvTranspose of a model in all scopes, by name: what a report must speak of. */
export function targetLabels(model: Model): string[] {
  const visit = (graph: Graph): string[] =>
    graph.nodes.flatMap((node) => [
      ...(node.domain === '' && LAYERS.has(node.opType) ? [label(node)] : []),
      ...subgraphs(node).flatMap(visit),
    ]);
  return visit(model.graph);
}

export function isConvolutional(model: Model): boolean {
  const visit = (graph: Graph): boolean =>
    graph.nodes.some((n) => n.opType === 'Conv' || n.opType === 'ConvTranspose' || subgraphs(n).some(visit));
  return visit(model.graph);
}

/** Names of nodes and graph outputs, all that a refusal may point at. */
export function namesOf(model: Model): Set<string> {
  const visit = (graph: Graph): string[] => [
    ...graph.outputs.map((o) => o.name),
    ...graph.nodes.flatMap((node) => [label(node), ...subgraphs(node).flatMap(visit)]),
  ];
  return new Set(visit(model.graph));
}

/** A table line in short: `name 256→190`, `name 256` (had its chance, lost nothing) or `name CODE`. */
export function summary({ node, before, after, refusal }: NodeReport): string {
  if (refusal !== undefined) return `${node} ${refusal.code}`;
  return before === after ? `${node} ${before}` : `${node} ${before}→${after}`;
}
