import { existsSync } from 'node:fs';
import { raise } from '../diagnostics/diagnostic.js';
import * as problem from '../diagnostics/calibration.js';
import type { DataNote } from '../diagnostics/calibration.js';
import type { ElementArray, Feeds, NumericArray } from '../graph/feeds.js';
import { elementCount } from '../graph/tensor.js';
import { convertElements } from './convert.js';
import { shuffled } from './random.js';
import { DATA_FORMATS } from './sources/formats.js';
import type { Chunk, InputSpec } from './sources/source.js';

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
  { maxRows }: { readonly maxRows?: number | undefined } = {},
): Promise<Dataset> {
  const notes: DataNote[] = [];
  const chunks: Chunk[] = [];
  for (const spec of specs) {
    const format = DATA_FORMATS.find((f) => f.matches(spec));
    const file = spec.slice(spec.lastIndexOf('=') + 1);
    if (!spec.startsWith('random:') && !existsSync(spec) && !existsSync(file)) raise(problem.dataNotFound(spec));
    if (format === undefined) return raise(problem.dataUnknownFormat(spec, DATA_FORMATS.map((f) => f.name)));
    for await (const chunk of format.open(spec, { inputs, note: (note) => notes.push(note) })) chunks.push(chunk);
  }
  const groups = joinByRow(chunks, inputs);
  const dataset = assemble(groups, inputs, notes);
  if (maxRows === undefined || dataset.rows <= maxRows) return dataset;
  return selectRows(dataset, shuffled(dataset.rows, 1).slice(0, maxRows).sort());
}

/** Arrays of the same rows together: every `append` chunk alone, all `join` chunks as one (several files of one name are appended). */
function joinByRow(chunks: readonly Chunk[], inputs: readonly InputSpec[]): ReadonlyMap<string, NumericArray>[] {
  const names = inputs.map((i) => i.name);
  const groups: ReadonlyMap<string, NumericArray>[] = [];
  const joined = new Map<string, NumericArray>();
  for (const { arrays, combine, file } of chunks) {
    const named = new Map<string, NumericArray>();
    for (const [name, array] of arrays) {
      if (name === '' && names.length !== 1) raise(problem.dataNeedsName(file, names));
      named.set(name === '' ? names[0]! : name, array);
    }
    if (combine === 'append') groups.push(named);
    else {
      for (const [name, array] of named) {
        if (!names.includes(name)) raise(problem.dataInputUnknown(name, names));
        const before = joined.get(name);
        joined.set(name, before === undefined ? array : concatenate([before, array], 0));
      }
    }
  }
  return joined.size === 0 ? groups : [...groups, joined];
}

function assemble(groups: readonly ReadonlyMap<string, NumericArray>[], specs: readonly InputSpec[], notes: DataNote[]): Dataset {
  const inputs = specs.map((spec) => {
    const parts = groups.map((group) => {
      const array = group.get(spec.name) ?? raise(problem.dataInputMissing(spec.name, [...group.keys()]));
      return checkType(spec, array, notes);
    });
    if (parts.length === 0) raise(problem.dataInputMissing(spec.name, []));
    return placeRows(spec, parts);
  });
  const withRows = inputs.filter((i) => i.rowAxis !== null);
  const first = withRows[0];
  if (first === undefined) return raise(problem.dataNoRows(specs[0]?.name ?? ''));
  const rows = rowCount(first);
  for (const other of withRows) {
    if (rowCount(other) !== rows) raise(problem.dataRowsDiffer(first.name, rows, other.name, rowCount(other)));
  }
  if (rows === 0) raise(problem.dataNoRows(first.name));
  for (const input of inputs) checkFinite(input);

  const extras = new Map<string, NumericArray>();
  const known = new Set(specs.map((s) => s.name));
  for (const name of groups[0]?.keys() ?? []) {
    const parts = groups.flatMap((group) => group.get(name) ?? []);
    const total = parts.reduce((sum, p) => sum + (p.dims[0] ?? 0), 0);
    if (!known.has(name) && parts.length === groups.length && total === rows) extras.set(name, concatenate(parts, 0));
  }
  return { rows, inputs, extras, fixedBatch: fixedBatchOf(specs, inputs), notes };
}

function rowCount({ array, rowAxis }: DatasetInput): number {
  return rowAxis === null ? 1 : array.dims[rowAxis]!;
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
  const { name, shape } = spec;
  const [first] = parts as [NumericArray, ...NumericArray[]];
  if (shape.length === 0 && first.dims.length === 0) return { name, array: first, rowAxis: null, unbatched: false };
  const unbatched = first.dims.length === shape.length + 1;
  const open = shape.findIndex((d) => typeof d !== 'number');
  const lead = shape[0];
  const rowAxis = !unbatched && typeof lead === 'number' && lead > 1 && open > 0 ? open : 0;
  const wanted = unbatched ? [undefined, ...shape] : shape;
  for (const part of parts) {
    const fits =
      part.dims.length === wanted.length &&
      part.dims.every((d, axis) => axis === rowAxis || (typeof wanted[axis] === 'number' ? d === wanted[axis] : d === first.dims[axis]));
    if (!fits) raise(problem.dataWrongShape(name, part.dims, `[${wanted.map((d, axis) => (axis === rowAxis ? 'rows' : (d ?? '?'))).join(', ')}]`));
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
    const d = input.rowAxis === null ? undefined : specs[i]!.shape[input.rowAxis];
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
    inputs: dataset.inputs.map((input) => (input.rowAxis === null ? input : { ...input, array: takeRows(input.array, input.rowAxis, rows) })),
    extras: new Map([...dataset.extras].map(([name, array]) => [name, takeRows(array, 0, rows)])),
  };
}

function takeRows(array: NumericArray, axis: number, rows: ArrayLike<number>): NumericArray {
  const { dims, data, dtype } = array;
  const outDims = dims.map((d, i) => (i === axis ? rows.length : d));
  const block = elementCount(dims.slice(axis + 1));
  const source = data as Exclude<ElementArray, string[]>;
  const start = rows[0] ?? 0;
  if (axis === 0) {
    let contiguous = true;
    for (let i = 1; contiguous && i < rows.length; i++) contiguous = rows[i] === start + i;
    if (contiguous) return { dtype, dims: outDims, data: source.subarray(start * block, (start + rows.length) * block) };
  }
  const outer = elementCount(dims.slice(0, axis));
  const length = dims[axis]!;
  const result = emptyLike(source, outer * rows.length * block);
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < rows.length; i++, at += block) {
      const from = (o * length + rows[i]!) * block;
      result.set(source.subarray(from, from + block) as never, at);
    }
  }
  return { dtype, dims: outDims, data: result };
}

function concatenate(parts: readonly NumericArray[], axis: number): NumericArray {
  const [first] = parts as [NumericArray, ...NumericArray[]];
  if (parts.length === 1) return first;
  const dims = first.dims.map((d, i) => (i === axis ? parts.reduce((sum, p) => sum + p.dims[axis]!, 0) : d));
  const result = emptyLike(first.data as Exclude<ElementArray, string[]>, elementCount(dims));
  const outer = elementCount(dims.slice(0, axis));
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const part of parts) {
      const size = elementCount(part.dims.slice(axis));
      const piece = (part.data as Exclude<ElementArray, string[]>).subarray(o * size, (o + 1) * size);
      result.set(piece as never, at);
      at += size;
    }
  }
  return { dtype: first.dtype, dims, data: result };
}

function emptyLike(array: Exclude<ElementArray, string[]>, length: number): Exclude<ElementArray, string[]> {
  const Constructor = array.constructor as new (length: number) => Exclude<ElementArray, string[]>;
  return new Constructor(length);
}

