// Writes the pages of docs/ that are made from lists in the code. Run it after an edit of such a list: npm run docs
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DATA_FORMATS } from '../dist/src/calibration/sources/formats.js';
import { REFUSALS } from '../dist/src/channels/refusal.js';
import { COMMAND_SPECS } from '../dist/src/cli/commands.js';
import { INSTALLATION } from '../dist/src/cli/completion.js';
import { IMAGE_KEYS, OPTION_GROUPS, OPTIONS } from '../dist/src/cli/options.js';
import { ExitCode } from '../dist/src/diagnostics/diagnostic.js';
import { PROVIDERS } from '../dist/src/runtime/providers.js';
import { TOLERANCE_KEYS } from '../dist/src/verify/tolerance.js';
import { docsPages } from './docs-pages.mjs';

process.chdir(path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..'));
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
for (const [file, text] of pages) {
  await writeFile(file, text);
  console.log(file);
}
