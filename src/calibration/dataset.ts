import { existsSync } from 'node:fs';
import { CondenseError, raise } from '../diagnostics/diagnostic.js';
import * as problem from '../diagnostics/calibration.js';
import type { DataNote } from '../diagnostics/calibration.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Dimension } from '../graph/ir.js';
import { elementCount } from '../graph/tensor.js';
import { reasonOf } from '../onnx/file-errors.js';
import { convertElements } from './convert.js';
import { shuffled } from './random.js';
import { concatenate, takeRows } from './rows.js';
import { DATA_FORMATS } from './sources/formats.js';
import type { ImageOptions } from './sources/images.js';
import { rowAxisOf, type Chunk, type InputSpec } from './sources/source.js';

/** The rows of one input. */
export interface DatasetInput {
  readonly name: string;
  readonly array: NumericArray;
  /** Axis of `array` that the rows run along; null for a value that belongs to every row. */
  readonly rowAxis: number | null;
  /** The graph has no batch axis: a row is fed without the row axis. */
  readonly unbatched: boolean;
}

/** Calibration data: rows for every input of a model. */
export interface Dataset {
  readonly rows: number;
  readonly inputs: readonly DatasetInput[];
  /** Arrays in the data that are no input (labels, targets, groups), rows along axis 0. */
  readonly extras: ReadonlyMap<string, NumericArray>;
  /** The batch that the graph runs at, where its shapes fix one; 1 for a graph without a batch axis. */
  readonly fixedBatch: number | undefined;
  readonly notes: readonly DataNote[];
  /** Which rows of the data these are; absent where they are all of them. */
  readonly rowNumbers?: Int32Array;
}

/**
 * Reads and checks the data of one or more specifications: rows are appended, `name=file` arrays joined by row.
 *
 * Rows run along axis 0; where the graph fixes axis 0 to a number above 1 and leaves another axis open, along that one; a scalar belongs to
 * every row; an array of one more axis than the graph's input holds one run of the graph in each row.
 * @param maxRows keep a deterministic sample of this many rows, in their order
 * @throws CondenseError that names the input (and row) when names, types, shapes or values do not fit
 */
export async function loadDataset(
  specs: readonly string[],
  inputs: readonly InputSpec[],
  { maxRows, images }: { readonly maxRows?: number | undefined; readonly images?: ImageOptions | undefined } = {},
): Promise<Dataset> {
  const notes: DataNote[] = [];
  const chunks: Chunk[] = [];
  for (const spec of specs) {
    const format = DATA_FORMATS.find((f) => f.matches(spec));
    const file = spec.slice(spec.lastIndexOf('=') + 1);
    if (!spec.startsWith('random:') && !existsSync(spec) && !existsSync(file)) raise(problem.dataNotFound(spec));
    if (format === undefined)
      return raise(
        problem.dataUnknownFormat(
          spec,
          DATA_FORMATS.map((f) => f.name),
        ),
      );
    try {
      for await (const chunk of format.open(spec, { inputs, images, note: (note) => notes.push(note) }))
        chunks.push(chunk);
    } catch (error) {
      if (isSystemError(error)) raise(problem.dataUnreadable(spec, reasonOf(error)), error);
      throw error;
    }
  }
  const groups = joinByRow(chunks, inputs);
  const dataset = assemble(groups, inputs, notes);
  if (maxRows === undefined || dataset.rows <= maxRows) return dataset;
  return selectRows(dataset, shuffled(dataset.rows, 1).slice(0, maxRows).sort());
}

/** What the file system throws: no permission, a folder in a file's place, a file that is too large. */
function isSystemError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    !(error instanceof CondenseError) &&
    typeof (error as NodeJS.ErrnoException).code === 'string'
  );
}

/** Arrays that belong to the same rows, in parts that are appended, by name. */
type Group = ReadonlyMap<string, readonly NumericArray[]>;

/** Every `append` chunk is a group of its own; all `join` chunks are one (several files of one name are its parts). */
function joinByRow(chunks: readonly Chunk[], inputs: readonly InputSpec[]): Group[] {
  const names = inputs.map((i) => i.name);
  const groups: Group[] = [];
  const joined = new Map<string, NumericArray[]>();
  for (const { arrays, combine, file } of chunks) {
    const named = new Map<string, NumericArray>();
    for (const [name, array] of arrays) {
      if (name === '' && names.length !== 1) raise(problem.dataNeedsName(file, names));
      named.set(name === '' ? names[0]! : name, array);
    }
    if (combine === 'append') groups.push(new Map([...named].map(([name, array]) => [name, [array]])));
    else {
      for (const [name, array] of named) {
        if (!names.includes(name)) raise(problem.dataInputUnknown(name, names));
        joined.set(name, [...(joined.get(name) ?? []), array]);
      }
    }
  }
  return joined.size === 0 ? groups : [...groups, joined];
}

function assemble(groups: readonly Group[], specs: readonly InputSpec[], notes: DataNote[]): Dataset {
  const inputs = specs.map((spec) => {
    const parts = groups.flatMap((group) => {
      const arrays = group.get(spec.name) ?? raise(problem.dataInputMissing(spec.name, [...group.keys()]));
      return arrays.map((array) => checkType(spec, array, notes));
    });
    if (parts.length === 0) raise(problem.dataInputMissing(spec.name, []));
    return placeRows(spec, parts);
  });
  const withRows = inputs.filter((i) => i.rowAxis !== null);
  const first = withRows[0];
  if (first === undefined) return raise(problem.dataNoRows(specs[0]?.name ?? ''));
  // Within each group, so that rows of one part are never fed together with rows of another.
  for (const group of groups) {
    const rowsOf = ({ name, rowAxis }: DatasetInput): number =>
      group.get(name)!.reduce((sum, part) => sum + part.dims[rowAxis!]!, 0);
    for (const other of withRows) {
      if (rowsOf(other) !== rowsOf(first))
        raise(problem.dataRowsDiffer(first.name, rowsOf(first), other.name, rowsOf(other)));
    }
  }
  const rows = first.array.dims[first.rowAxis!]!;
  if (rows === 0) raise(problem.dataNoRows(first.name));
  for (const input of inputs) checkFinite(input);
  return { rows, inputs, extras: extrasOf(groups, specs, rows), fixedBatch: fixedBatchOf(specs, inputs), notes };
}

/** Arrays that are no input and have one entry for each row in every group. */
function extrasOf(groups: readonly Group[], specs: readonly InputSpec[], rows: number): Map<string, NumericArray> {
  const extras = new Map<string, NumericArray>();
  const known = new Set(specs.map((s) => s.name));
  for (const name of groups[0]?.keys() ?? []) {
    const parts = groups.flatMap((group) => group.get(name) ?? []);
    const total = parts.reduce((sum, p) => sum + (p.dims[0] ?? 0), 0);
    const alike = parts.every(
      (p) => p.dtype === parts[0]!.dtype && p.dims.slice(1).join() === parts[0]!.dims.slice(1).join(),
    );
    if (!known.has(name) && parts.length === groups.length && total === rows && alike)
      extras.set(name, concatenate(parts, 0));
  }
  return extras;
}

function checkType(spec: InputSpec, array: NumericArray, notes: DataNote[]): NumericArray {
  if (array.dtype === spec.dtype) return array;
  const converted = convertElements(array.data, array.dtype, spec.dtype);
  if (converted === undefined) return raise(problem.dataWrongType(spec.name, array.dtype, spec.dtype));
  const note = problem.dataConverted(spec.name, array.dtype, spec.dtype);
  if (!notes.some((n) => n.message === note.message)) notes.push(note);
  return { dtype: spec.dtype, dims: array.dims, data: converted };
}

/** Finds the row axis, checks the shapes and appends the parts. */
function placeRows(spec: InputSpec, parts: readonly NumericArray[]): DatasetInput {
  const { name } = spec;
  const [first] = parts as [NumericArray, ...NumericArray[]];
  // A shape that the model does not state is that of the data, with rows along axis 0.
  const shape: readonly Dimension[] = spec.shape ?? first.dims.map(() => undefined);
  if (shape.length === 0 && first.dims.length === 0) return { name, array: first, rowAxis: null, unbatched: false };
  const unbatched = first.dims.length === shape.length + 1;
  const rowAxis = unbatched ? 0 : rowAxisOf(shape);
  const wanted = unbatched ? [undefined, ...shape] : shape;
  for (const part of parts) {
    const fits =
      part.dims.length === wanted.length &&
      part.dims.every(
        (d, axis) =>
          axis === rowAxis || (typeof wanted[axis] === 'number' ? d === wanted[axis] : d === first.dims[axis]),
      );
    if (!fits)
      raise(
        problem.dataWrongShape(
          name,
          part.dims,
          `[${wanted.map((d, axis) => (axis === rowAxis ? 'rows' : (d ?? '?'))).join(', ')}]`,
        ),
      );
  }
  return { name, array: concatenate(parts, rowAxis), rowAxis, unbatched };
}

function checkFinite({ name, array, rowAxis }: DatasetInput): void {
  const { data, dims, dtype } = array;
  const bad =
    data instanceof Float32Array || data instanceof Float64Array
      ? data.findIndex((v) => !Number.isFinite(v))
      : dtype === 'float16' && data instanceof Uint16Array
        ? data.findIndex((bits) => (bits & 0x7c00) === 0x7c00)
        : -1;
  if (bad < 0) return;
  const inner = elementCount(dims.slice((rowAxis ?? 0) + 1));
  raise(problem.dataNotFinite(name, rowAxis === null ? 0 : Math.floor(bad / inner) % dims[rowAxis]!));
}

function fixedBatchOf(specs: readonly InputSpec[], inputs: readonly DatasetInput[]): number | undefined {
  for (const [i, input] of inputs.entries()) {
    if (input.unbatched) return 1;
    const d = input.rowAxis === null ? undefined : specs[i]!.shape?.[input.rowAxis];
    if (typeof d === 'number') return d;
  }
  return undefined;
}

/** The feeds of some rows, in the order given. Neighbouring rows along axis 0 are views, not copies. */
export function gatherRows(dataset: Dataset, rows: ArrayLike<number>): Feeds {
  const feeds = new Map<string, NumericArray>();
  for (const { name, array, rowAxis, unbatched } of dataset.inputs) {
    const part = rowAxis === null ? array : takeRows(array, rowAxis, rows);
    feeds.set(name, unbatched ? { ...part, dims: part.dims.slice(1) } : part);
  }
  return feeds;
}

/** The dataset with some of its rows only. */
export function selectRows(dataset: Dataset, rows: Int32Array): Dataset {
  return {
    ...dataset,
    rows: rows.length,
    rowNumbers: rows.map((row) => dataset.rowNumbers?.[row] ?? row),
    inputs: dataset.inputs.map((input) =>
      input.rowAxis === null ? input : { ...input, array: takeRows(input.array, input.rowAxis, rows) },
    ),
    extras: new Map([...dataset.extras].map(([name, array]) => [name, takeRows(array, 0, rows)])),
  };
}
