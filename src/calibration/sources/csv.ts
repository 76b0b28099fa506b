/**
 * A table with a header. The columns of an input are those called after it, `input` alone or `input.0`, `input.1`, … (also `input[0]`);
 * without any such name, a model with one input takes all columns in their order. What no input takes is kept aside: labels, groups.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { CondenseError, raise } from '../../diagnostics/diagnostic.js';
import { dataMalformed, dataTypeUnsupported } from '../../diagnostics/calibration.js';
import {
  csvColumnDropped,
  csvColumnMissing,
  csvColumnsWrong,
  csvColumnTwice,
  csvHeaderMissing,
  csvInputUnfit,
  csvInputUnnamed,
  csvRowRagged,
  csvTextNumbered,
  csvValueIsText,
  csvValueMissing,
  type Cell,
} from '../../diagnostics/data-formats.js';
import type { NumericArray } from '../../graph/feeds.js';
import { elementCount, isFloat, type DataType } from '../../graph/tensor.js';
import { rowAxisOf, type DataFormat, type InputSpec, type SourceContext } from './source.js';

export const csv: DataFormat = {
  name: 'table.csv',
  description:
    'a table with a header: columns called after the inputs (x, or x.0, x.1, …), or all in their order for a model with one input; others are kept aside',
  example: '--data table.csv',
  matches: (spec) => /\.(csv|tsv)$/i.test(spec),
  *open(spec, { inputs, note }) {
    const bytes = readFileSync(spec);
    let table: Table | undefined;
    try {
      // Rows become numbers one by one: the text of a large table is never held as a whole.
      parse(bytes, {
        bom: true,
        delimiter: separatorOf(bytes),
        trim: true,
        skip_empty_lines: true,
        relax_column_count: true,
        on_record: (cells: string[], { lines }) => {
          if (table === undefined) table = new Table(spec, cells, inputs);
          else table.add(cells, lines);
          return null;
        },
      });
    } catch (error) {
      if (error instanceof CondenseError) throw error;
      raise(dataMalformed(spec, error instanceof Error ? error.message : String(error)), error);
    }
    if (table === undefined) return raise(dataMalformed(spec, 'it is empty'));
    yield { arrays: table.arrays(note), file: spec, combine: 'append' };
  },
};

/** Comma, semicolon or tab: what the first line has most of. */
function separatorOf(bytes: Buffer): string {
  const end = bytes.indexOf('\n');
  const header = bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
  const count = (separator: string): number => header.split(separator).length;
  return [',', ';', '\t'].reduce((best, s) => (count(s) > count(best) ? s : best));
}

/** What stands for a value that is not there, in lower case. */
const MISSING = new Set(['', 'na', 'n/a', 'nan', 'null', 'none', '?']);

/** How the numbers of a column become elements of a type. */
interface ElementKind {
  readonly dtype: DataType;
  readonly wanted: string;
  fits(value: number): boolean;
  array(values: readonly number[]): NumericArray['data'];
}

const numberKind = (dtype: DataType, array: ElementKind['array']): ElementKind => ({
  dtype,
  wanted: 'a number',
  fits: (value) => !Number.isNaN(value),
  array,
});

const integerKind = (dtype: DataType, low: number, high: number, array: ElementKind['array']): ElementKind => ({
  dtype,
  wanted: `a whole number (${dtype})`,
  fits: (value) => Number.isSafeInteger(value) && value >= low && value <= high,
  array,
});

const [SAFE, INT32] = [Number.MAX_SAFE_INTEGER, 2 ** 31];
const FLOAT32 = numberKind('float32', (v) => Float32Array.from(v));
const KINDS: readonly ElementKind[] = [
  FLOAT32,
  numberKind('float64', (v) => Float64Array.from(v)),
  integerKind('int8', -128, 127, (v) => Int8Array.from(v)),
  integerKind('uint8', 0, 255, (v) => Uint8Array.from(v)),
  integerKind('int16', -32768, 32767, (v) => Int16Array.from(v)),
  integerKind('uint16', 0, 65535, (v) => Uint16Array.from(v)),
  integerKind('int32', -INT32, INT32 - 1, (v) => Int32Array.from(v)),
  integerKind('uint32', 0, 2 * INT32 - 1, (v) => Uint32Array.from(v)),
  integerKind('int64', -SAFE, SAFE, (v) => BigInt64Array.from(v, BigInt)),
  integerKind('uint64', 0, SAFE, (v) => BigUint64Array.from(v, BigInt)),
  integerKind('bool', 0, 1, (v) => Uint8Array.from(v)),
];

/** Columns that an input takes, and the values that came from them so far, row by row. */
interface Taken {
  readonly name: string;
  readonly kind: ElementKind;
  readonly columns: readonly number[];
  /** Axes behind that of the rows. */
  readonly inner: readonly number[];
  readonly values: number[];
}

/** A column that no input takes: the different texts in it by the order in which they appear, and which of them each row has. */
interface Extra {
  readonly column: string;
  readonly at: number;
  readonly texts: Map<string, number>;
  readonly codes: number[];
}

/** The rows of a table, as numbers. */
class Table {
  private readonly taken: readonly Taken[];
  private readonly extras: readonly Extra[];
  private rows = 0;

  constructor(
    private readonly file: string,
    private readonly header: readonly string[],
    inputs: readonly InputSpec[],
  ) {
    if (header.every((name) => name !== '' && !Number.isNaN(Number(name)))) raise(csvHeaderMissing(file));
    const twice = header.find((name, i) => header.indexOf(name) !== i);
    if (twice !== undefined) raise(csvColumnTwice(file, twice));
    const named = inputs.map((input) => columnsNamed(file, header, input.name));
    const all = inputs.length === 1 && named[0]!.length === 0;
    this.taken = inputs.map((input, i) => {
      const columns = all ? header.map((_name, column) => column) : named[i]!;
      if (columns.length === 0) raise(csvInputUnnamed(file, input.name, header));
      // float16 and bfloat16 are converted like those of any other file.
      const kind = isFloat(input.dtype)
        ? (KINDS.find((k) => k.dtype === input.dtype) ?? FLOAT32)
        : KINDS.find((k) => k.dtype === input.dtype);
      if (kind === undefined) return raise(dataTypeUnsupported(file, input.dtype));
      return { name: input.name, kind, columns, inner: innerAxes(file, input, columns.length), values: [] };
    });
    const used = new Set(this.taken.flatMap((t) => t.columns));
    this.extras = header.flatMap((column, at) =>
      used.has(at) ? [] : [{ column, at, texts: new Map<string, number>(), codes: [] }],
    );
  }

  /** @param line of the file that the row ends on */
  add(cells: readonly string[], line: number): void {
    if (cells.length !== this.header.length) raise(csvRowRagged(this.file, line, cells.length, this.header.length));
    for (const { kind, columns, values } of this.taken) {
      for (const at of columns) values.push(this.number(cells[at]!, kind, line, at));
    }
    for (const { at, texts, codes } of this.extras) {
      const text = cells[at]!;
      const code = texts.get(text) ?? texts.size;
      texts.set(text, code);
      codes.push(code);
    }
    this.rows++;
  }

  arrays(note: SourceContext['note']): Map<string, NumericArray> {
    const arrays = new Map<string, NumericArray>();
    for (const { name, kind, inner, values } of this.taken)
      arrays.set(name, { dtype: kind.dtype, dims: [this.rows, ...inner], data: kind.array(values) });
    for (const { column, texts, codes } of this.extras) {
      const different = [...texts.keys()];
      if (different.some((text) => MISSING.has(text.toLowerCase()))) {
        note(csvColumnDropped(column));
        continue;
      }
      const numbers = different.map(Number);
      const isText = numbers.some(Number.isNaN);
      if (isText) note(csvTextNumbered(column, different));
      const data = Float64Array.from(codes, (code) => (isText ? code : numbers[code]!));
      arrays.set(column, { dtype: 'float64', dims: [this.rows], data });
    }
    return arrays;
  }

  private number(text: string, kind: ElementKind, line: number, at: number): number {
    const cell = (): Cell => ({ file: this.file, line, column: this.header[at]! });
    const lower = text.toLowerCase();
    if (MISSING.has(lower)) raise(csvValueMissing(cell(), text));
    const value = kind.dtype === 'bool' && /^(true|false)$/.test(lower) ? Number(lower === 'true') : Number(text);
    return kind.fits(value) ? value : raise(csvValueIsText(cell(), text, kind.wanted));
  }
}

/** Positions of the columns that are called after an input; none where there are none. */
function columnsNamed(file: string, header: readonly string[], input: string): number[] {
  const alone = header.indexOf(input);
  if (alone >= 0) return [alone];
  const numbered = new Map<number, number>();
  for (const [at, name] of header.entries()) {
    if (!name.startsWith(input)) continue;
    const found = /^(?:\.(\d+)|\[(\d+)\])$/.exec(name.slice(input.length));
    if (found !== null) numbered.set(Number(found[1] ?? found[2]), at);
  }
  const last = Math.max(-1, ...numbered.keys());
  return Array.from(
    { length: last + 1 },
    (_, k) => numbered.get(k) ?? raise(csvColumnMissing(file, `${input}.${k}`, header[numbered.get(last)!]!)),
  );
}

/** The axes of an input behind that of the rows, which so many columns fill. */
function innerAxes(file: string, { name, shape = [undefined, undefined] }: InputSpec, columns: number): number[] {
  const unfit = (): never =>
    raise(csvInputUnfit(file, name, `[${shape.map((d) => (d === undefined ? '?' : String(d))).join(', ')}]`));
  const [lead, ...rest] = shape;
  // A single fixed axis is a graph without a batch: each row is one run of it.
  const inner = rest.length === 0 && typeof lead === 'number' && lead > 1 ? [lead] : rest;
  if (shape.length === 0 || rowAxisOf(shape) !== 0) return unfit();
  const open = inner.filter((d) => typeof d !== 'number').length;
  if (open > 1) return unfit();
  const fixed = elementCount(inner.filter((d) => typeof d === 'number'));
  const wanted = open === 0 ? fixed : Math.ceil(columns / fixed) * fixed;
  if (wanted !== columns) raise(csvColumnsWrong(file, name, wanted, columns));
  return inner.map((d) => (typeof d === 'number' ? d : columns / fixed));
}
