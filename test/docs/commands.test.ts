import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/options.js';
import { runHere, sharedFolder } from '../cli/cli.js';
import { codeBlocks, PAGES, readPage, repoRoot } from './pages.js';

/** Models that a command of the guide needs only seconds for. */
const QUICK = ['mlperf-kws-dscnn', 'vit-pgd-2-3-16', 'sac-halfcheetah', 'tll-8', 'openwakeword-mycroft', 'silero-vad'];

/** A command line of a page, and what the page says that it prints. */
interface Documented {
  readonly command: string;
  /** What stands below the block, where this is its only command. */
  readonly printed: readonly string[];
}

const PROGRAM = /^(?:onnx-condense|node dist\/src\/cli\/main\.js) /;
const inside = sharedFolder();

/** The commands of a page. */
function commandsOf(page: string): Documented[] {
  // Those of a list are indented.
  const blocks = codeBlocks(readPage(page).replace(/^ {3}(?=\S)/gm, ''));
  return blocks.flatMap(({ language, text }, i) => {
    if (language !== 'sh') return [];
    const lines = text
      .replace(/\\\n\s*/g, '')
      .trimEnd()
      .split('\n');
    const below = blocks[i + 1]?.language === 'text' ? blocks[i + 1]!.text.trimEnd().split('\n') : [];
    return (
      lines
        // Not how a command is called in general.
        .filter((line) => PROGRAM.test(line) && !line.endsWith('[options]'))
        .map((command) => ({ command: command.replace(PROGRAM, ''), printed: lines.length === 1 ? below : [] }))
    );
  });
}

/** The words of a command line as a shell takes them apart, without what redirects its output. */
function words(command: string): string[] {
  const found = [...command.replace(/ > .*$/, '').matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)];
  return found.map(([word]) => word.replace(/'([^']*)'|"([^"]*)"/g, (_, a?: string, b?: string) => a ?? b ?? ''));
}

describe('every command of the pages is one that the program understands', () => {
  const documented = PAGES.flatMap((page) => commandsOf(page).map(({ command }) => [page, command] as const));

  it('there are many', () => {
    expect(documented.length).toBeGreaterThan(40);
  });

  it.each(documented)('%s: %s', async (_, command) => {
    const args = words(command);
    mkdirSync(inside('empty'), { recursive: true });
    if (args[0] === 'completion') {
      expect((await runHere(args, inside('empty'))).code).toBe(0);
      return;
    }
    // A configuration is a document of another kind than those of `--json`.
    const { code, stderr } = await runHere([...args.filter((a) => a !== '--json'), '--print-config'], inside('empty'));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    // What `--print-config` does without.
    const name = COMMANDS.find((c) => c === args[0]) ?? 'reduce';
    if (name !== 'diff' && !args.includes('--print-config')) expect(args).toContain('--data');
  });
});

const models = path.resolve(repoRoot, '../shared/models');
describe.skipIf(!existsSync(models))('the quick commands of the guide print what stands below them', () => {
  beforeAll(() => {
    // The pages speak of paths as they are in a checkout, and what is written must not end there.
    mkdirSync(inside('checkout'), { recursive: true });
    symlinkSync(path.dirname(models), inside('shared'), 'dir');
    for (const { language, text } of codeBlocks(readPage('docs/guide.md'))) {
      const name = language === 'js' ? /^\/\/ (\S+)\n/.exec(text)?.[1] : undefined;
      if (name !== undefined) writeFileSync(inside('checkout', name), text);
    }
  });

  const quick = commandsOf('docs/guide.md').filter(
    ({ command, printed }) =>
      printed.length > 0 && QUICK.some((name) => words(command).some((w) => w.includes(`/${name}/model.onnx`))),
  );

  it('there are some of each task', () => {
    expect(quick.length).toBeGreaterThanOrEqual(8);
  });

  it.each(quick)('$command', ({ command, printed }) => {
    const main = path.join(repoRoot, 'dist/src/cli/main.js');
    const { stderr } = spawnSync(process.execPath, [main, ...words(command)], {
      cwd: inside('checkout'),
      encoding: 'utf8',
    });
    const said = stderr.split('\n').map(pattern);
    for (const line of printed.filter((l) => l !== '…')) {
      const wanted = pattern(line.replace(/…$/, ''));
      expect(
        said.some((s) => (line.endsWith('…') ? s.startsWith(wanted) : s === wanted)),
        `'${line}' in\n${stderr}`,
      ).toBe(true);
    }
  });
});

/** A line but for its figures, which differ in their last digits from one machine to another, and for how they are spaced. */
function pattern(line: string): string {
  return line
    .replace(/-?\d[\d.]*(?:e[-+]?\d+)?/g, '#')
    .replace(/\s+/g, ' ')
    .trim();
}
