import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { DataNote } from '../../diagnostics/calibration.js';
import type { NumericArray } from '../../graph/feeds.js';
import type { Dimension } from '../../graph/ir.js';
import type { DataType } from '../../graph/tensor.js';
import type { ImageOptions } from './images.js';

/** An input of the model that wants data. */
export interface InputSpec {
  readonly name: string;
  readonly dtype: DataType;
  /** Undefined where the model does not even state the rank. */
  readonly shape: readonly Dimension[] | undefined;
}

/** The axis that rows run along: 0, or the first open one where the graph fixes axis 0 to a number above 1. */
export function rowAxisOf(shape: readonly Dimension[]): number {
  const [lead] = shape;
  const open = shape.findIndex((d) => typeof d !== 'number');
  return typeof lead === 'number' && lead > 1 && open > 0 ? open : 0;
}

/** Arrays that belong to the same rows, by name; '' for an array that came without one. */
export interface Chunk {
  readonly arrays: ReadonlyMap<string, NumericArray>;
  /** What each array came from, for messages. */
  readonly file: string;
  /** `join`: one array of several that are joined by row; `append`: rows of their own. */
  readonly combine: 'append' | 'join';
}

/** What a source was opened with, and what it has to say. */
export interface SourceContext {
  readonly inputs: readonly InputSpec[];
  readonly note: (note: DataNote) => void;
  /** How images become values, and how sounds are scaled. */
  readonly images?: ImageOptions | undefined;
}

/** A data format. Adding one is an entry in the list of `formats.ts`, and one test. */
export interface DataFormat {
  readonly name: string;
  /** One line for the help. */
  readonly description: string;
  /** What a command line with such data says, for the docs. */
  readonly example: string;
  /** Whether a specification is in this format. */
  matches(spec: string): boolean;
  open(spec: string, context: SourceContext): AsyncIterable<Chunk> | Iterable<Chunk>;
}

/** Whether a specification is the path of a folder. */
export function isFolder(spec: string): boolean {
  return statSync(spec, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Files of a folder and its sub-folders whose names match, in the order of their paths below it, which is the same on every system. */
export function filesBelow(folder: string, names: RegExp): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => names.test(name))
    .map((name) => name.split(path.sep).join('/'))
    .sort()
    .map((name) => path.join(folder, name));
}
