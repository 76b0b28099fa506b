import { mkdir, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { writeFileAtomically } from '../onnx/atomic-file.js';
import { runtimeVersion } from '../runtime/providers.js';

/** Raised when the meaning of what is stored changes. */
const FORMAT = 1;

/** Times of layers in milliseconds that were measured on this machine, kept from one run to the next. */
export class LatencyCache {
  private changed = false;

  private constructor(
    private readonly file: string | undefined,
    private readonly times: Map<string, number>,
  ) {}

  /**
   * The cache of this machine, runtime and number of threads; an unreadable one counts as empty.
   * @param folder where it is kept; undefined: only in memory
   */
  static async open(folder: string | undefined): Promise<LatencyCache> {
    if (folder === undefined) return new LatencyCache(undefined, new Map());
    const cpus = os.cpus();
    const machine = [cpus[0]?.model ?? os.arch(), cpus.length, runtimeVersion(), FORMAT].join(' ');
    const file = path.join(folder, `latency-${machine.replace(/[^\w.]+/g, '-')}.json`);
    try {
      const entries = Object.entries(JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>);
      return new LatencyCache(
        file,
        new Map(entries.filter((e): e is [string, number] => typeof e[1] === 'number' && Number.isFinite(e[1]))),
      );
    } catch {
      return new LatencyCache(file, new Map());
    }
  }

  get(key: string): number | undefined {
    return this.times.get(key);
  }

  set(key: string, milliseconds: number): void {
    this.times.set(key, milliseconds);
    this.changed = true;
  }

  /** Writes what is new. A folder that cannot be written to costs only the time of measuring again. */
  async save(): Promise<void> {
    if (this.file === undefined || !this.changed) return;
    try {
      await mkdir(path.dirname(this.file), { recursive: true });
      await writeFileAtomically(this.file, JSON.stringify(Object.fromEntries(this.times)));
      this.changed = false;
    } catch {
      // Nothing depends on it.
    }
  }
}

/** The user's folder for what can be made again, by the conventions of the system. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const home = os.homedir();
  const base =
    process.platform === 'win32'
      ? (env['LOCALAPPDATA'] ?? path.join(home, 'AppData', 'Local'))
      : process.platform === 'darwin'
        ? path.join(home, 'Library', 'Caches')
        : (env['XDG_CACHE_HOME'] ?? path.join(home, '.cache'));
  return path.join(base, 'onnx-condense');
}
