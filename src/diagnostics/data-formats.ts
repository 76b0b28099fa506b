import type { DataNote } from './calibration.js';
import { ExitCode, type Diagnostic } from './diagnostic.js';

// Diagnostics of tables (CSV) and sound (WAV) as calibration data.

function usage(code: string, message: string, where: string, advice: string): Diagnostic {
  return { code, message, where, advice, exitCode: ExitCode.Usage };
}

/** Where a value stands in a table, for a person with the file open in an editor. */
export interface Cell {
  readonly file: string;
  /** Line of the file, counted from 1. */
  readonly line: number;
  readonly column: string;
}

const at = ({ line, column }: Cell): string => `line ${line}, column '${column}'`;

export function csvHeaderMissing(file: string): Diagnostic {
  return usage(
    'CSV_HEADER_MISSING',
    'the first line of the table holds numbers where the names of the columns belong',
    file,
    'Write the names of the columns into the first line.',
  );
}

export function csvColumnTwice(file: string, column: string): Diagnostic {
  return usage('CSV_COLUMN_TWICE', `two columns are called '${column}'`, file, 'Give every column a name of its own.');
}

export function csvColumnMissing(file: string, column: string, last: string): Diagnostic {
  return usage(
    'CSV_COLUMN_MISSING',
    `there is a column '${last}' and none called '${column}'`,
    file,
    'Number the columns of an input from 0, without gaps.',
  );
}

export function csvColumnsWrong(file: string, input: string, wanted: number, found: number): Diagnostic {
  return usage(
    'CSV_COLUMNS_WRONG',
    `the input '${input}' wants ${wanted} column(s), the table has ${found}`,
    file,
    `Call the columns of the input '${input}.0', '${input}.1' and so on: columns of other names are then kept as labels.`,
  );
}

export function csvInputUnnamed(file: string, input: string, columns: readonly string[]): Diagnostic {
  return usage(
    'CSV_INPUT_UNNAMED',
    `no column is called after the input '${input}'; there are ${columns.map((c) => `'${c}'`).join(', ')}`,
    file,
    `The model has several inputs: call the columns of each '${input}', or '${input}.0', '${input}.1' and so on.`,
  );
}

export function csvInputUnfit(file: string, input: string, shape: string): Diagnostic {
  return usage(
    'CSV_INPUT_UNFIT',
    `the input '${input}' of shape ${shape} cannot be filled from the columns of a table`,
    file,
    'Give the inputs as .npz, or a module that exports loadData().',
  );
}

export function csvRowRagged(file: string, line: number, found: number, wanted: number): Diagnostic {
  return usage(
    'CSV_ROW_RAGGED',
    `line ${line} has ${found} value(s), and the header has ${wanted}`,
    file,
    'Write as many values into every line; put those with a separator in them into double quotes.',
  );
}

export function csvValueMissing(cell: Cell, text: string): Diagnostic {
  return usage(
    'CSV_VALUE_MISSING',
    `a value is missing${text === '' ? '' : ` ('${text}')`} at ${at(cell)}`,
    cell.file,
    'Fill it in as the model expects it, or remove the row.',
  );
}

export function csvValueIsText(cell: Cell, text: string, wanted: string): Diagnostic {
  return usage(
    'CSV_VALUE_IS_TEXT',
    `'${text}' is not ${wanted}, at ${at(cell)}`,
    cell.file,
    'Encode it as the model was trained with, or leave the column out. Decimals are written with a point.',
  );
}

export function csvTextNumbered(column: string, values: readonly string[]): DataNote {
  const shown = values.slice(0, 3).map((v, i) => `${v} = ${i}`);
  return {
    code: 'CSV_TEXT_NUMBERED',
    message: `the values of the column '${column}' are text and were numbered as they appear: ${shown.join(', ')}${values.length > 3 ? ', …' : ''}`,
  };
}

export function csvColumnDropped(column: string): DataNote {
  return {
    code: 'CSV_COLUMN_DROPPED',
    message: `the column '${column}', which no input takes, has missing values and was left out`,
  };
}

export function wavUnsupported(file: string, found: string): Diagnostic {
  return usage(
    'WAV_UNSUPPORTED',
    `sound stored as ${found} cannot be read`,
    file,
    'Save it as PCM of 8, 16, 24 or 32 bits, or as 32-bit float.',
  );
}

export function wavInputUnfit(inputs: readonly string[]): Diagnostic {
  return usage(
    'WAV_INPUT_UNFIT',
    `WAV files fit a model with one floating-point input of shape [N, samples] or [N, 1, samples], and this one has: ${inputs.join(', ')}`,
    '--data',
    'Give the prepared inputs as .npz, or a module that exports loadData().',
  );
}

export function wavLengthOpen(input: string): Diagnostic {
  return usage(
    'WAV_LENGTH_OPEN',
    `the model leaves open how many samples '${input}' has, so that files cannot be cut into windows`,
    '--data',
    'Cut the recordings yourself and give them as .npy or .npz.',
  );
}

export function wavTooShort(folder: string, samples: number): Diagnostic {
  return usage(
    'WAV_TOO_SHORT',
    `no file is as long as one input of the model (${samples} samples)`,
    folder,
    'Give longer recordings, or pad them as the model was trained with.',
  );
}

export function wavRateFound(rates: readonly number[], windows: number): DataNote {
  return {
    code: 'WAV_RATE',
    message: `${windows} windows of sound at ${rates.map((r) => `${r} Hz`).join(', ')}: an ONNX model does not say which rate it was trained with, so check that it is this one`,
  };
}

export function wavFilesShort(count: number, samples: number): DataNote {
  return {
    code: 'WAV_FILES_SHORT',
    message: `${count} file(s) are shorter than one input of the model (${samples} samples) and were left out`,
  };
}
