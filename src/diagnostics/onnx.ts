import { ExitCode, type Diagnostic } from './diagnostic.js';

// Diagnostics of the file layer: what can be wrong with an ONNX file, its external data, or the place it is written to.

const NOT_ONNX_ADVICE = 'Check that the file is an ONNX model and that the download or export finished.';

/** A fault of the model itself. */
function invalid(code: string, message: string, where: string | undefined, advice: string): Diagnostic {
  return { code, message, advice, exitCode: ExitCode.ModelInvalid, ...(where === undefined ? {} : { where }) };
}

/** A path on the command line that cannot be used. */
function usage(code: string, message: string, where: string, advice: string): Diagnostic {
  return { code, message, where, advice, exitCode: ExitCode.Usage };
}

export function modelFileMissing(path: string): Diagnostic {
  return usage('MODEL_FILE_MISSING', 'The model file does not exist.', path, 'Check the path.');
}

export function modelFileIsFolder(path: string): Diagnostic {
  return usage(
    'MODEL_FILE_IS_FOLDER',
    'A folder was given where a model file is expected.',
    path,
    'Name the .onnx file inside it.',
  );
}

export function modelFileUnreadable(path: string, reason: string): Diagnostic {
  return usage(
    'MODEL_FILE_UNREADABLE',
    `The model file cannot be read: ${reason}.`,
    path,
    'Check its permissions and the disk.',
  );
}

export function modelFileTooLarge(path: string, bytes: number): Diagnostic {
  return invalid(
    'MODEL_FILE_TOO_LARGE',
    `The model file has ${bytes} bytes, more than one protobuf message can hold.`,
    path,
    'Store its weights as external data.',
  );
}

export function modelFileEmpty(path: string | undefined): Diagnostic {
  return invalid('MODEL_FILE_EMPTY', 'The model file is empty.', path, NOT_ONNX_ADVICE);
}

export function modelMalformed(path: string | undefined, detail: string): Diagnostic {
  return invalid('MODEL_MALFORMED', `The file is not a well-formed ONNX model: ${detail}.`, path, NOT_ONNX_ADVICE);
}

export function modelWithoutGraph(path: string | undefined): Diagnostic {
  return invalid('MODEL_WITHOUT_GRAPH', 'The file holds no ONNX graph.', path, NOT_ONNX_ADVICE);
}

export function modelNestedTooDeeply(path: string | undefined, limit: number): Diagnostic {
  return invalid(
    'MODEL_NESTED_TOO_DEEPLY',
    `The model nests more than ${limit} subgraphs.`,
    path,
    'No known exporter writes such a model.',
  );
}

export function modelTooLarge(bytes: number): Diagnostic {
  return invalid(
    'MODEL_TOO_LARGE',
    `The encoded model would have ${bytes} bytes; a protobuf message ends at 2 GiB.`,
    undefined,
    'Write it with external data.',
  );
}

export function tensorDataMismatch(tensor: string, detail: string): Diagnostic {
  return invalid(
    'TENSOR_DATA_MISMATCH',
    `The data of a tensor does not fit its shape and type: ${detail}.`,
    tensor,
    NOT_ONNX_ADVICE,
  );
}

export function tensorTypeUnsupported(tensor: string, dtype: string, wanted: string): Diagnostic {
  return invalid(
    'TENSOR_TYPE_UNSUPPORTED',
    `A tensor of type ${dtype} cannot be read as ${wanted}.`,
    tensor,
    'Convert the model to float32, float16 or float64 first.',
  );
}

export function integerUnsafe(tensor: string, value: bigint): Diagnostic {
  return invalid(
    'INTEGER_UNSAFE',
    `The tensor holds the integer ${value}, beyond ±(2^53 - 1).`,
    tensor,
    'Such a constant cannot describe a shape; check the export.',
  );
}

const EXTERNAL_ADVICE =
  'Keep the data file beside the model, as it was exported, and reach it by a relative path inside that folder.';

export function externalDataWithoutFolder(tensor: string): Diagnostic {
  return invalid(
    'EXTERNAL_DATA_WITHOUT_FOLDER',
    'The model keeps data in another file, but it was not read from a folder.',
    tensor,
    'Read it with readModel(path), or give decodeModel the folder.',
  );
}

export function externalDataMissing(tensor: string, location: string): Diagnostic {
  return invalid(
    'EXTERNAL_DATA_MISSING',
    `The external data file '${location}' does not exist.`,
    tensor,
    EXTERNAL_ADVICE,
  );
}

export function externalDataUnreadable(tensor: string, location: string, reason: string): Diagnostic {
  return invalid(
    'EXTERNAL_DATA_UNREADABLE',
    `The external data file '${location}' cannot be read: ${reason}.`,
    tensor,
    EXTERNAL_ADVICE,
  );
}

export function externalDataOutsideFolder(tensor: string, location: string, how: string): Diagnostic {
  return invalid(
    'EXTERNAL_DATA_OUTSIDE_FOLDER',
    `The external data location '${location}' is refused: ${how}.`,
    tensor,
    EXTERNAL_ADVICE,
  );
}

export function externalDataOutOfRange(tensor: string, location: string, detail: string): Diagnostic {
  return invalid(
    'EXTERNAL_DATA_OUT_OF_RANGE',
    `The tensor's range in the external data file '${location}' is wrong: ${detail}.`,
    tensor,
    'The data file is truncated or does not belong to this model.',
  );
}

export function outputUnwritable(path: string, reason: string): Diagnostic {
  return usage(
    'OUTPUT_UNWRITABLE',
    `The output cannot be written: ${reason}.`,
    path,
    'Check the folder, its permissions and the free space.',
  );
}

export function externalNameInvalid(name: string): Diagnostic {
  return usage(
    'EXTERNAL_NAME_INVALID',
    "The external data file needs a plain file name other than the model's own.",
    name,
    'Give a name without a folder; the file is written beside the model.',
  );
}
