/**
 * The configuration file: option keys as in the library, those of one command in a section of its name. A value says what the flag would say, as the
 * same text or as the library takes it, and goes through the flag's own parser, so that both mean the same and fail alike.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { configKeyUnknown, configTwice, configUnreadable, configValueWrong } from '../diagnostics/config.js';
import { CondenseError, raise } from '../diagnostics/diagnostic.js';
import { reasonOf } from '../onnx/file-errors.js';
import { nearest } from './nearest.js';
import { COMMANDS, IMAGE_KEYS, OPTIONS, optionsOf, parserOf, type CommandName, type OptionSpec } from './options.js';
import { isPlain } from './write.js';

/** Names of the file that is looked for in the working folder. */
export const CONFIG_FILES = ['onnx-condense.config.json', 'onnx-condense.config.mjs'] as const;

/** Option values by command and key. */
export interface Config {
  readonly file: string;
  readonly values: ReadonlyMap<CommandName, ReadonlyMap<string, unknown>>;
}

/**
 * Reads the configuration that a command line names, or else the one in the working folder.
 * @returns undefined where there is none, or the command line says --no-config
 * @throws CondenseError for one that cannot be read or holds what is no option
 */
export async function configFor(argv: readonly string[], folder: string): Promise<Config | undefined> {
  const named = namedIn(argv);
  if (named === false) return undefined;
  const found = CONFIG_FILES.filter((name) => existsSync(path.join(folder, name)));
  if (named === undefined && found.length > 1) raise(configTwice(found));
  const file = named ?? found[0];
  return file === undefined ? undefined : parseConfig(await contentOf(path.resolve(folder, file), file), file);
}

/** What `--config` and `--no-config` say, the last of them; the options themselves are not there yet when this is asked. */
function namedIn(argv: readonly string[]): string | false | undefined {
  let named: string | false | undefined;
  for (const [i, word] of argv.entries()) {
    if (word === '--config') named = argv[i + 1];
    else if (word.startsWith('--config=')) named = word.slice('--config='.length);
    else if (word === '--no-config') named = false;
  }
  return named;
}

async function contentOf(full: string, file: string): Promise<unknown> {
  try {
    if (!full.endsWith('.mjs') && !full.endsWith('.js')) return JSON.parse(await readFile(full, 'utf8'));
    const module = (await import(pathToFileURL(full).href)) as { readonly default?: unknown };
    return module.default;
  } catch (error) {
    return raise(configUnreadable(file, reasonOf(error)), error);
  }
}

/** Checks a configuration's content and turns its values into those of the options. @throws CondenseError */
export function parseConfig(content: unknown, file: string): Config {
  if (!isSection(content)) return raise(configUnreadable(file, 'it holds no object'));
  const values = new Map(COMMANDS.map((command) => [command, new Map<string, unknown>()]));
  const general = Object.entries(content).filter(([key, value]) => !isCommand(key) || !isSection(value));
  for (const [key, value] of flattened(general, file)) {
    const specs = OPTIONS.filter((o) => o.key === key && !ELSEWHERE.has(key));
    if (specs.length === 0)
      raise(configKeyUnknown(file, key, undefined, nearest(key, [...COMMANDS, ...keysOf(OPTIONS)])));
    for (const spec of specs) {
      const parsed = valueOf(spec, value, file);
      for (const command of spec.commands) values.get(command)!.set(key, parsed);
    }
  }
  for (const command of COMMANDS) {
    const section = content[command];
    if (!isSection(section)) continue;
    const own = optionsOf(command);
    for (const [key, value] of flattened(Object.entries(section), file)) {
      const spec = own.find((o) => o.key === key && !ELSEWHERE.has(key));
      if (spec === undefined) return raise(configKeyUnknown(file, key, command, nearest(key, keysOf(own))));
      values.get(command)!.set(key, valueOf(spec, value, file));
    }
  }
  return { file, values };
}

/** Options that say where the others come from or what becomes of them: not for the file itself. */
const ELSEWHERE: ReadonlySet<string> = new Set(['config', 'printConfig']);

function keysOf(options: readonly OptionSpec[]): string[] {
  return [...new Set([...options.map((o) => o.key), 'images'])].filter((key) => !ELSEWHERE.has(key));
}

function isCommand(key: string): key is CommandName {
  return COMMANDS.some((command) => command === key);
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The library has the options on images in one object, the command line each for itself. */
function flattened(entries: readonly (readonly [string, unknown])[], file: string): (readonly [string, unknown])[] {
  return entries.flatMap(([key, value]) => {
    if (key !== 'images' || !isSection(value)) return [[key, value] as const];
    return Object.entries(value).map(([inner, v]) => {
      const flat = inner === 'size' ? 'imageSize' : inner;
      if (!IMAGE_KEYS.some((k) => k === flat))
        raise(configKeyUnknown(file, `images.${inner}`, undefined, nearest(inner, ['size', ...IMAGE_KEYS.slice(1)])));
      return [flat, v] as const;
    });
  });
}

/** The value that the option's own parser makes of what the file says. */
function valueOf(spec: OptionSpec, value: unknown, file: string): unknown {
  const wrong = (): never => raise(configValueWrong(file, spec.key, JSON.stringify(value), spec.flags));
  const takesText = /[<[]/.test(spec.flags);
  if (typeof value === 'boolean') {
    if (spec.flags.includes('<')) return wrong();
    // false says what holds without the flag, or true where the flag takes something away: nothing is set.
    return value === spec.flags.startsWith('--no-') ? undefined : value;
  }
  if (!takesText) return wrong();
  const written = isPlain(value) ? String(value) : isObject(value) ? spec.write?.(value) : undefined;
  if (written === undefined) return wrong();
  const parse = parserOf(spec);
  try {
    return [written]
      .flat()
      .reduce<unknown>((before, text) => (parse === undefined ? text : parse(text, before)), undefined);
  } catch (error) {
    if (!(error instanceof CondenseError)) throw error;
    return raise({ ...error.diagnostic, where: `${file}: ${spec.key}` }, error);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Options as a configuration file could hold them. */
export function configText(options: object): string {
  const entries = Object.entries(options).filter(([key]) => !ELSEWHERE.has(key));
  const plain = (_key: string, value: unknown): unknown =>
    value instanceof Map ? Object.fromEntries(value as Map<string, unknown>) : value;
  return `${JSON.stringify(Object.fromEntries(entries), plain, 2)}\n`;
}
