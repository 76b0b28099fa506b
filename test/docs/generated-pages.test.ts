import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { docsPages } from '../../scripts/docs-pages.mjs';
import { DATA_FORMATS } from '../../src/calibration/sources/formats.js';
import { REFUSALS } from '../../src/channels/refusal.js';
import { COMMAND_SPECS } from '../../src/cli/commands.js';
import { INSTALLATION } from '../../src/cli/completion.js';
import { IMAGE_KEYS, OPTION_GROUPS, OPTIONS } from '../../src/cli/options.js';
import { ExitCode } from '../../src/diagnostics/diagnostic.js';
import { PROVIDERS } from '../../src/runtime/providers.js';
import { TOLERANCE_KEYS } from '../../src/verify/tolerance.js';

const repoRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

const pages = await docsPages({
  refusals: REFUSALS,
  commands: COMMAND_SPECS,
  completion: INSTALLATION,
  groups: OPTION_GROUPS,
  options: OPTIONS,
  imageKeys: IMAGE_KEYS,
  formats: DATA_FORMATS,
  providers: PROVIDERS,
  tolerances: TOLERANCE_KEYS,
  exitCodes: ExitCode,
});

it.each([...pages])('%s says what the code says (npm run docs)', (file, text) => {
  expect(readFileSync(path.join(repoRoot, file), 'utf8')).toBe(text);
});

it('the pages name every refusal and every option', () => {
  const [limits, open] = pages.get('docs/refusals.md')!.split('\n## Open\n');
  for (const [code, { limit, meaning, why }] of Object.entries(REFUSALS)) {
    const line = (limit === 'true' ? limits! : open!).split('\n').find((l) => l.includes(`\`${code}\``));
    expect(line).toContain(meaning);
    expect(line).toContain(why);
  }
  for (const { flags } of OPTIONS) expect(pages.get('docs/cli.md')).toContain(flags.replaceAll('|', '\\|'));
});

it('the example of every data format is one of that format, with options that exist', () => {
  const flags = OPTIONS.map((o) => o.flags.split(' ')[0]);
  for (const { name, example } of DATA_FORMATS) {
    const words = example.split(' ');
    for (const word of words.filter((w) => w.startsWith('--'))) expect(flags).toContain(word);
    const folder = name.endsWith('/');
    const specs = words.filter((_, i) => words[i - 1] === '--data');
    expect(specs.length).toBeGreaterThan(0);
    for (const spec of specs) {
      if (folder) expect(spec).toMatch(/\/$/);
      else expect(DATA_FORMATS.find((f) => f.matches(spec))?.name).toBe(name);
    }
  }
});
