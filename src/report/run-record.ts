/** A file that a run read or wrote. */
export interface RecordedFile {
  /** What it was to the run: model, teacher, data, test data, output, … */
  readonly role: string;
  /** As it was given. */
  readonly name: string;
  /** Of the file; of a folder, of the names and hashes of what is in it. Null where there is nothing to read. */
  readonly sha256: string | null;
  readonly bytes: number | null;
}

/** What it takes to run the same again. */
export interface RunRecord {
  /** The command line, word by word; absent where the library was called. */
  readonly command?: readonly string[];
  readonly versions: readonly (readonly [name: string, version: string])[];
  readonly files: readonly RecordedFile[];
}
