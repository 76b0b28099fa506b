import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from 'vitest';
import { run } from '../../src/cli/program.js';

export const repoRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
/** The entry point of the build. */
export const mainFile = builtMain();

/** What a run of the command line left behind. */
export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the built command line as a process, its streams piped.
 * @param interrupt sends a signal as soon as the process says `after` on stderr
 */
export async function runCli(
  args: readonly string[],
  interrupt?: { readonly after: string; readonly signal: NodeJS.Signals },
): Promise<CliResult> {
  const { process: child, result } = spawnCli(args);
  let stderr = '';
  child.stderr?.on('data', (text: string) => {
    stderr += text;
    if (interrupt !== undefined && !child.killed && stderr.includes(interrupt.after)) child.kill(interrupt.signal);
  });
  return result;
}

/**
 * The same, with the process at hand while it runs.
 * @param target a file descriptor that takes stdout, which the result then lacks
 */
export function spawnCli(
  args: readonly string[],
  target?: number,
): {
  readonly process: ChildProcess;
  readonly result: Promise<CliResult>;
} {
  const child = spawn(process.execPath, [mainFile, ...args], { stdio: ['ignore', target ?? 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  // What nobody reads cannot be looked at.
  const words = (): readonly string[] => (child.stdout?.destroyed === false || stdout !== '' ? args : []);
  return { process: child, result: ended.then((code) => checked(words(), { code, stdout, stderr })) };
}

/**
 * The same without a process of its own, from the sources: for the many mistakes that one line of the parser tells apart.
 * @param folder where a configuration file is looked for
 */
export async function runHere(args: readonly string[], folder?: string): Promise<CliResult> {
  const text = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr'): NodeJS.WriteStream =>
    ({
      isTTY: false,
      write: (part: string) => {
        text[name] += part;
        return true;
      },
    }) as NodeJS.WriteStream;
  const code = await run(args, { stdout: stream('stdout'), stderr: stream('stderr') }, undefined, folder);
  return checked(args, { code, ...text });
}

/** What holds for every run: stderr has neither colours nor a stack trace, and with `--json` stdout is exactly one document. */
function checked(args: readonly string[], result: CliResult): CliResult {
  expect(result.stderr).not.toMatch(/\u001b\[/);
  expect(result.stderr).not.toMatch(/^\s+at /m);
  if (args.includes('--json') && result.code !== 130 && result.code !== null)
    expect(JSON.parse(result.stdout)).toMatchObject({ schemaVersion: 1 });
  return result;
}

/** A folder that all tests of a file share; `inside('net.onnx')` is a path in it. */
export function sharedFolder(): (...parts: string[]) => string {
  let root: string | undefined;
  beforeAll(() => {
    root = mkdtempSync(path.join(os.tmpdir(), 'onnx-condense-cli-'));
  });
  afterAll(() => {
    if (root !== undefined) rmSync(root, { recursive: true, force: true });
  });
  return (...parts) => path.join(root ?? '', ...parts);
}

/** Names in a folder, sorted. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder).sort();
}

/** Tests of an old build would prove nothing about the sources, so it must be newer than they are. */
function builtMain(): string {
  const file = path.join(repoRoot, 'dist/src/cli/main.js');
  if (!existsSync(file)) throw new Error(`${file} does not exist: run 'npm run build' first`);
  const built = statSync(file).mtimeMs;
  for (const folder of ['src', 'passes']) {
    for (const name of readdirSync(path.join(repoRoot, folder), { recursive: true, encoding: 'utf8' })) {
      if (/\.(ts|js|css)$/.test(name) && statSync(path.join(repoRoot, folder, name)).mtimeMs > built)
        throw new Error(`${folder}/${name} is newer than dist: run 'npm run build' first`);
    }
  }
  return file;
}
