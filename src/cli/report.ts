/** `--report`: the page about a run, written last, so that nothing else depends on it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BudgetError } from '../condense/budget-error.js';
import { CondenseError, ExitCode, formatDiagnostic } from '../diagnostics/diagnostic.js';
import { reportUnwritable } from '../diagnostics/report.js';
import { writeFileAtomically } from '../onnx/atomic-file.js';
import { reasonOf } from '../onnx/file-errors.js';
import { htmlReport } from '../report/html/page.js';
import type { Reported } from '../report/html/report-data.js';
import type { RecordedFile, RunRecord } from '../report/run-record.js';
import { VERSION } from '../version.js';
import type { Streams } from './streams.js';

/** Files of a run by role: what was given to options or as arguments. Undefined ones are left out. */
export type NamedFiles = readonly (readonly [role: string, name: string | readonly string[] | undefined])[];

/**
 * Writes the page whole or not at all. Models and tables are out by then: what goes wrong here is told, and changes nothing else.
 * @param code what the command ends with otherwise
 * @returns that, or the report's own code where the command itself went well
 */
export async function writeReport<Code extends ExitCode>(
  file: string | undefined,
  result: Reported,
  argv: readonly string[],
  files: NamedFiles,
  streams: Streams,
  code: Code,
): Promise<ExitCode> {
  if (file === undefined) return code;
  try {
    await writeFileAtomically(file, htmlReport(result, await runRecord(argv, files)));
    return code;
  } catch (error) {
    if (!(error instanceof CondenseError)) throw error;
    streams.stderr.write(`onnx-condense: ${formatDiagnostic(reportUnwritable(file, reasonOf(error.cause)))}\n`);
    return code === ExitCode.Done ? ExitCode.Usage : code;
  }
}

/** Does the work of a command; where no plan meets the budget, the page says so before the error goes on. */
export async function withRefusal<T>(
  file: string | undefined,
  command: 'reduce' | 'sweep',
  argv: readonly string[],
  files: NamedFiles,
  streams: Streams,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BudgetError) {
      const { diagnostic, details } = error;
      const refused = { command, refused: diagnostic, ...(details && { details }) };
      await writeReport(file, refused, argv, files, streams, diagnostic.exitCode);
    }
    throw error;
  }
}

async function runRecord(argv: readonly string[], files: NamedFiles): Promise<RunRecord> {
  const recorded: RecordedFile[] = [];
  for (const [role, names] of files) {
    for (const name of names === undefined ? [] : typeof names === 'string' ? [names] : names)
      recorded.push(await recordedFile(role, name));
  }
  return {
    command: ['onnx-condense', ...argv],
    versions: [
      ['onnx-condense', VERSION],
      ['onnxruntime-node', await versionOf('onnxruntime-node')],
      ['Node', process.version],
      ['platform', `${process.platform} ${process.arch}`],
    ],
    files: recorded,
  };
}

async function versionOf(name: string): Promise<string> {
  const file = createRequire(import.meta.url).resolve(`${name}/package.json`);
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version;
}

/** @param name a path, or a data specification like `name=file.npy` or `random:` */
async function recordedFile(role: string, name: string): Promise<RecordedFile> {
  for (const file of [name, name.slice(name.indexOf('=') + 1)]) {
    const found = await stat(file).catch(() => undefined);
    if (found === undefined) continue;
    return found.isDirectory()
      ? { role, name, ...(await hashFolder(file)) }
      : { role, name, sha256: await hashFile(file), bytes: found.size };
  }
  return { role, name, sha256: null, bytes: null };
}

async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function hashFolder(folder: string): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const found = await stat(path.join(folder, name));
    if (!found.isFile()) continue;
    bytes += found.size;
    hash.update(`${name.split(path.sep).join('/')}\0${await hashFile(path.join(folder, name))}\n`);
  }
  return { sha256: hash.digest('hex'), bytes };
}
