import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadDataset, type Dataset } from '../../src/calibration/dataset.js';
import type { InputSpec } from '../../src/calibration/sources/source.js';
import { CondenseError, ExitCode, type Diagnostic } from '../../src/diagnostics/diagnostic.js';
import { temporaryFolders } from '../temporary-folder.js';

const newFolder = temporaryFolders();

const input = (name: string, shape: InputSpec['shape'], dtype: InputSpec['dtype'] = 'float32'): InputSpec => ({
  name,
  dtype,
  shape,
});
const X2 = [input('x', ['N', 2])];

function load(text: string, inputs: readonly InputSpec[], name = 'table.csv'): Promise<Dataset> {
  const file = path.join(newFolder(), name);
  writeFileSync(file, text);
  return loadDataset([file], inputs);
}

/** Dims and values of each input. */
async function arraysOf(text: string, inputs: readonly InputSpec[], name?: string): Promise<unknown[]> {
  const { inputs: loaded } = await load(text, inputs, name);
  return loaded.map(({ array }) => [array.dims, [...(array.data as Float32Array)]]);
}

async function refusal(text: string, inputs: readonly InputSpec[]): Promise<Diagnostic> {
  const error: unknown = await load(text, inputs).catch((e: unknown) => e);
  if (!(error instanceof CondenseError)) throw error;
  expect(error.diagnostic.exitCode).toBe(ExitCode.Usage);
  return error.diagnostic;
}

describe('columns find their inputs', () => {
  it('one input takes all columns in their order', async () => {
    expect(await arraysOf('a,b\n1,2.5\n-3e-1, 4 \n', X2)).toEqual([
      [
        [2, 2],
        [1, 2.5, Math.fround(-0.3), 4],
      ],
    ]);
    expect(await arraysOf('a,b,c\n1,2,3\n', [input('x', ['N', undefined])])).toEqual([
      [
        [1, 3],
        [1, 2, 3],
      ],
    ]);
    expect(await arraysOf('a,b\n1,2\n', [input('x', ['N', 1, 1, 2])])).toEqual([
      [
        [1, 1, 1, 2],
        [1, 2],
      ],
    ]);
  });

  it('several take those called after them, in whatever order they stand; the others are kept aside', async () => {
    const inputs = [input('x', ['N', 2]), input('id', ['N'], 'int64'), input('on', ['N', 1], 'bool')];
    const text = 'label,x[1],id,x.0,on\n7,2,40,1,True\n8,4,50,3,0\n';
    const { inputs: loaded, extras } = await load(text, inputs);
    expect(loaded.map(({ array }) => [array.dtype, array.dims, [...(array.data as Float32Array)]])).toEqual([
      ['float32', [2, 2], [1, 2, 3, 4]],
      ['int64', [2], [40n, 50n]],
      ['bool', [2, 1], [1, 0]],
    ]);
    expect([...extras]).toEqual([['label', { dtype: 'float64', dims: [2], data: Float64Array.of(7, 8) }]]);
  });

  it('one input with columns called after it leaves the others as labels', async () => {
    const { extras, inputs } = await load('x.0,y,x.1\n1,9,2\n', X2);
    expect([...extras.keys()]).toEqual(['y']);
    expect([...(inputs[0]!.array.data as Float32Array)]).toEqual([1, 2]);
  });

  it('a graph without a batch takes one row for each run', async () => {
    const { inputs } = await load('a,b,c\n1,2,3\n4,5,6\n', [input('x', [3])]);
    expect(inputs[0]).toMatchObject({ unbatched: true, array: { dims: [2, 3] } });
  });
});

describe('forms of the file', () => {
  const wanted = [
    [
      [1, 2],
      [1.5, 2],
    ],
  ];

  it.each([
    ['semicolons', 'a;b\n1.5;2\n'],
    ['tabs', 'a\tb\n1.5\t2\n', 'table.tsv'],
    ['quotes, a byte order mark, Windows line ends, an empty line', '\ufeff"a, first","b"\r\n"1.5",2\r\n\r\n'],
    ['no line end', 'a,b\n1.5,2'],
  ])('%s', async (_form, text, name?: string) => {
    expect(await arraysOf(text, X2, name)).toEqual(wanted);
  });

  it('tables are appended', async () => {
    const folder = newFolder();
    const files = ['one.csv', 'two.csv'].map((name) => path.join(folder, name));
    for (const file of files) writeFileSync(file, 'a,b\n1,2\n');
    expect((await loadDataset(files, X2)).rows).toBe(2);
  });
});

it('labels that are text are numbered with a note; those with gaps are left out with one', async () => {
  const { extras, notes } = await load('x.0,x.1,kind,gap\n1,2,cat,\n3,4,dog,1\n5,6,cat,2\n', X2);
  expect([...extras.keys()]).toEqual(['kind']);
  expect([...(extras.get('kind')!.data as Float64Array)]).toEqual([0, 1, 0]);
  expect(notes.map((n) => n.code)).toEqual(['CSV_TEXT_NUMBERED', 'CSV_COLUMN_DROPPED']);
  expect(notes[0]!.message).toContain('cat = 0, dog = 1');
});

describe('what does not fit is named with line and column', () => {
  it.each([
    ['a missing value', 'a,b\n1,2\n\n3,\n', 'CSV_VALUE_MISSING', /missing at line 4, column 'b'/],
    ['one that is said to be missing', 'a,b\n1,NA\n', 'CSV_VALUE_MISSING', /missing \('NA'\) at line 2, column 'b'/],
    ['text', 'a,b\nhot,2\n', 'CSV_VALUE_IS_TEXT', /'hot' is not a number, at line 2, column 'a'/],
    ['a decimal comma', 'a;b\n1;2,5\n', 'CSV_VALUE_IS_TEXT', /'2,5' is not a number, at line 2, column 'b'/],
    ['too few columns', 'a\n1\n', 'CSV_COLUMNS_WRONG', /'x' wants 2 column\(s\), the table has 1/],
    ['too many', 'a,b,c\n1,2,3\n', 'CSV_COLUMNS_WRONG', /wants 2 column\(s\), the table has 3/],
    ['a gap in the numbers', 'x.0,x.2\n1,2\n', 'CSV_COLUMN_MISSING', /a column 'x\.2' and none called 'x\.1'/],
    ['a short row', 'a,b\n1,2\n3\n', 'CSV_ROW_RAGGED', /line 3 has 1 value\(s\), and the header has 2/],
    ['no header', '1,2\n3,4\n', 'CSV_HEADER_MISSING', /first line/],
    ['a name twice', 'a,a\n1,2\n', 'CSV_COLUMN_TWICE', /two columns are called 'a'/],
    ['a quote that is never closed', 'a,b\n"1,2\n', 'DATA_MALFORMED', /Quote Not Closed/],
    ['nothing', '', 'DATA_MALFORMED', /empty/],
    ['no rows', 'a,b\n', 'DATA_NO_ROWS', /no rows/],
  ])('%s', async (_what, text, code, message) => {
    const diagnostic = await refusal(text, X2);
    expect(diagnostic.code).toBe(code);
    expect(diagnostic.message).toMatch(message);
  });

  it('an input of several that no column is called after; a fraction for whole numbers; a shape that is no table', async () => {
    const two = [input('x', ['N', 1]), input('t', ['N', 1], 'int32')];
    expect((await refusal('x,u\n1,2\n', two)).message).toContain("no column is called after the input 't'");
    expect((await refusal('x,t\n1,2.5\n', two)).message).toMatch(/'2\.5' is not a whole number \(int32\)/);
    expect((await refusal('a,b\n1,2\n', [input('x', ['N', 'h', 'w'])])).code).toBe('CSV_INPUT_UNFIT');
  });
});
