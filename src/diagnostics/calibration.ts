import { ExitCode, type Diagnostic } from './diagnostic.js';

function usage(code: string, message: string, where: string, advice: string): Diagnostic {
  return { code, message, where, advice, exitCode: ExitCode.Usage };
}

export function dataNotFound(spec: string): Diagnostic {
  return usage(
    'DATA_NOT_FOUND',
    `the calibration data '${spec}' does not exist`,
    '--data',
    'Give the path of a file or folder that exists.',
  );
}

export function dataUnreadable(spec: string, reason: string): Diagnostic {
  return usage(
    'DATA_UNREADABLE',
    `the calibration data '${spec}' cannot be read: ${reason}`,
    '--data',
    'Give a file that may be read, below 2 GiB; larger data goes into several files.',
  );
}

export function dataUnknownFormat(spec: string, formats: readonly string[]): Diagnostic {
  return usage(
    'DATA_UNKNOWN_FORMAT',
    `'${spec}' is in no format that is known`,
    '--data',
    `Known formats: ${formats.join('; ')}.`,
  );
}

export function dataMalformed(file: string, reason: string): Diagnostic {
  return usage(
    'DATA_MALFORMED',
    `the file is damaged or not what its name says: ${reason}`,
    file,
    'Write the file again.',
  );
}

export function dataTypeUnsupported(file: string, type: string): Diagnostic {
  return usage(
    'DATA_TYPE_UNSUPPORTED',
    `arrays of type ${type} cannot be read`,
    file,
    'Save the array as float32, float64, float16, an integer type or bool.',
  );
}

export function dataInputMissing(input: string, found: readonly string[]): Diagnostic {
  const has = found.length === 0 ? 'nothing' : found.map((n) => `'${n}'`).join(', ');
  return usage(
    'DATA_INPUT_MISSING',
    `the data has no array for the input '${input}'; it has ${has}`,
    '--data',
    `Name the array '${input}', or give --data '${input}=file.npy'.`,
  );
}

export function dataInputUnknown(name: string, inputs: readonly string[]): Diagnostic {
  return usage(
    'DATA_INPUT_UNKNOWN',
    `the model has no input '${name}'`,
    '--data',
    `Its inputs are: ${inputs.join(', ')}.`,
  );
}

export function dataNeedsName(file: string, inputs: readonly string[]): Diagnostic {
  return usage(
    'DATA_NEEDS_NAME',
    `the model has ${inputs.length} inputs, and '${file}' holds one array without a name`,
    '--data',
    `Give one --data name=file for each of: ${inputs.join(', ')}.`,
  );
}

export function dataWrongType(input: string, found: string, wanted: string): Diagnostic {
  return usage(
    'DATA_WRONG_TYPE',
    `the input '${input}' wants ${wanted}, the data is ${found}`,
    input,
    `Save the array as ${wanted}.`,
  );
}

export function dataWrongShape(input: string, found: readonly number[], wanted: string): Diagnostic {
  return usage(
    'DATA_WRONG_SHAPE',
    `the input '${input}' wants ${wanted}, the data has [${found.join(', ')}]`,
    input,
    'Save the rows along axis 0, in the shape that the model takes.',
  );
}

export function dataNoRows(input: string): Diagnostic {
  return usage(
    'DATA_NO_ROWS',
    `the data for the input '${input}' has no rows`,
    input,
    'Give at least a few hundred rows.',
  );
}

export function dataNotFinite(input: string, row: number): Diagnostic {
  return usage(
    'DATA_NOT_FINITE',
    `NaN or Inf in the data for the input '${input}', first in row ${row}`,
    input,
    'Remove that row.',
  );
}

export function dataRowsDiffer(a: string, rowsA: number, b: string, rowsB: number): Diagnostic {
  return usage(
    'DATA_ROWS_DIFFER',
    `the input '${a}' has ${rowsA} rows and '${b}' has ${rowsB}`,
    '--data',
    'Arrays are joined by row: give the same number of rows for every input.',
  );
}

export function dataModuleFailed(file: string, reason: string): Diagnostic {
  return usage(
    'DATA_MODULE_FAILED',
    `loadData() failed: ${reason}`,
    file,
    'Export a function loadData() that yields objects { inputName: { dims, data } }.',
  );
}

export function dataKeyMissing(key: string, found: readonly string[]): Diagnostic {
  return usage(
    'DATA_KEY_MISSING',
    `the data has no array '${key}' to group by; it has ${found.join(', ')}`,
    '--group',
    'Name an array with one value for each row, or use --group blocks.',
  );
}

export function dataTooFewRows(rows: number): Diagnostic {
  return usage(
    'DATA_TOO_FEW_ROWS',
    `${rows} row(s) cannot be split into rows to fit and rows to check`,
    '--data',
    'Give more rows, or check on others with --test.',
  );
}

/** A note of the data: said in the report, never an error. */
export interface DataNote {
  readonly code: string;
  readonly message: string;
}

export function dataConverted(input: string, found: string, wanted: string): DataNote {
  return {
    code: 'DATA_CONVERTED',
    message: `the data for the input '${input}' was converted from ${found} to ${wanted}`,
  };
}

export function dataIsRandom(rows: number): DataNote {
  return {
    code: 'DATA_IS_RANDOM',
    message: `${rows} random rows stand in for data: what is redundant on noise may matter on real inputs, so the check proves little`,
  };
}

export function rowsAreFew(rows: number, widest: number): DataNote {
  return {
    code: 'ROWS_ARE_FEW',
    message: `${rows} rows to fit are few for the widest layer (${widest} features): ${5 * widest} or more are better`,
  };
}

export function openAxes(inputs: readonly string[]): DataNote {
  return {
    code: 'AXES_OPEN',
    message: `shapes are open beyond the rows (${inputs.join(', ')}): MACs are counted with 1 for each such axis; --data gives others`,
  };
}

export function macsUnknown(file: string | undefined): DataNote {
  return {
    code: 'MACS_UNKNOWN',
    message: `MACs are not counted: ${file ?? 'the model'} does not run on inputs of its smallest shapes; --data gives others`,
  };
}

export function overfitted(node: string, ratio: number): DataNote {
  return {
    code: 'OVERFITTED',
    message: `at '${node}' the error on validation rows is ${ratio.toFixed(1)} times that on the fitted ones: more rows would help`,
  };
}

export function sharpMissing(): Diagnostic {
  return usage(
    'SHARP_MISSING',
    'images are decoded by the package sharp, which is not installed',
    '--data',
    'Run: npm install sharp. Or save the prepared images as .npy or .npz.',
  );
}

export function imageInputMissing(inputs: readonly string[]): Diagnostic {
  return usage(
    'IMAGE_INPUT_MISSING',
    `a folder of images fits a model with one input of four axes, and this one has: ${inputs.join(', ')}`,
    '--data',
    'Give the prepared inputs as .npz, or a module that exports loadData().',
  );
}

export function imageLayoutUnknown(input: string): Diagnostic {
  return usage(
    'IMAGE_LAYOUT_UNKNOWN',
    `the shape of '${input}' does not show where the colours are`,
    '--layout',
    'Give --layout nchw or --layout nhwc.',
  );
}

export function imageSizeUnknown(input: string): Diagnostic {
  return usage(
    'IMAGE_SIZE_UNKNOWN',
    `the model leaves the size of '${input}' open`,
    '--image-size',
    'Give --image-size 224 or --image-size 192x256 (height x width).',
  );
}

export function imageChannelsUnsupported(input: string, layout: string, channels: number): Diagnostic {
  return usage(
    'IMAGE_CHANNELS_UNSUPPORTED',
    `'${input}' has ${channels} channels when read as ${layout}; images have 1 or 3`,
    '--layout',
    'Give the other --layout, or the prepared inputs as .npz.',
  );
}

export function imageNumbersWrong(option: string, reason: string): Diagnostic {
  return usage(
    'IMAGE_NUMBERS_WRONG',
    `--${option} does not fit: ${reason}`,
    `--${option}`,
    'Give one number, or one for each channel.',
  );
}

export function imageInputIsBytes(input: string): Diagnostic {
  return usage(
    'IMAGE_INPUT_IS_BYTES',
    `'${input}' is of type uint8 and takes the pixels themselves`,
    '--scale',
    'Leave out --scale, --mean and --std.',
  );
}
