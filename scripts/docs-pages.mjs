/** The pages of docs/ that are made from lists in the code. Pure: what goes in decides what comes out. */
import prettier from 'prettier';

const NOTE = '<!-- Made by `npm run docs` from the code; edit there. -->';

const EXIT_MEANINGS = {
  Done: 'done; also when there was nothing to remove (the output is then a copy of the input, and the report says so)',
  Unexpected: 'a fault of the program itself: please report it',
  Usage: 'wrong usage, options, configuration or calibration data',
  CheckFailed: 'the check failed; nothing was written (verify: the second model is not within tolerance)',
  ModelInvalid: 'the model is invalid or unsupported',
  BudgetUnreachable: 'no plan meets the budget; the nearest figures are printed',
  Interrupted: 'interrupted; no half-written file is left',
};

/**
 * @returns pages by their path in the repository
 */
export async function docsPages({ refusals, options, formats, providers, tolerances, exitCodes }) {
  const pages = new Map([
    ['docs/refusals.md', refusalsPage(refusals)],
    ['docs/cli.md', cliPage({ options, formats, providers, tolerances, exitCodes })],
  ]);
  for (const [file, text] of pages) {
    const config = await prettier.resolveConfig(file);
    pages.set(file, await prettier.format(text, { ...config, parser: 'markdown' }));
  }
  return pages;
}

function refusalsPage(refusals) {
  return [
    NOTE,
    '# Why a node was left as it is',
    'Every Gemm, MatMul, Conv and ConvTranspose of a model ends in the report, either with its widths before and after or with a refusal. ' +
      'A refusal is a value with three parts: a stable code, one sentence, and the nodes (or graph outputs) that are in the way. ' +
      'It never stops the run and it is never silent: what could not be condensed stays exactly as it was.',
    table(
      ['code', 'meaning'],
      Object.entries(refusals).map(([code, meaning]) => [`\`${code}\``, meaning]),
    ),
    'The table of a run prints the sentence and the culprits; `--json` carries all three parts at `nodes[].refusal`.',
  ].join('\n\n');
}

function cliPage({ options, formats, providers, tolerances, exitCodes }) {
  const optionsOf = (command) =>
    table(
      ['option', 'meaning'],
      options.filter((o) => o.commands.includes(command)).map((o) => [`\`${o.flags}\``, o.description]),
    );
  return [
    NOTE,
    '# Command line',
    '```sh\nonnx-condense [reduce] <model.onnx> <output.onnx> --data <spec>… [options]\nonnx-condense verify <a.onnx> <b.onnx> --data <spec>… [options]\n```',
    'Tables and messages for people go to stderr. With `--json`, stdout holds exactly one JSON document with a `schemaVersion`.',
    '## reduce',
    'Makes a smaller model, checks it, and writes it only if the check passes. It is the default command: its name may be left out.',
    optionsOf('reduce'),
    '## verify',
    'Compares a second model with a first one on data.',
    optionsOf('verify'),
    '## Calibration data',
    'A specification given to `--data` or `--test` is one of these. Given several times, rows are appended; `name=file.npy` parts are joined by row.',
    table(
      ['specification', 'holds'],
      formats.map((f) => [`\`${f.name}\``, f.description]),
    ),
    '## Tolerances',
    'A list like `nrmse=1e-2,agreement=0.98`; a bare number means `nrmse`. It replaces the default, holds for every output, and a measure that an output does not have is passed over.',
    table(
      ['key', 'limit'],
      Object.entries(tolerances).map(([key, { kind }]) => [`\`${key}\``, kind === 'at-most' ? 'at most' : 'at least']),
    ),
    '## Execution providers',
    `${providers.map((p) => `\`${p}\``).join(', ')}, as far as onnxruntime-node offers them on the platform, or \`auto\`. One that is asked for by name and cannot be used is an error that says why and how to install it; under \`auto\` it is a warning.`,
    '## Exit codes',
    table(
      ['code', 'meaning'],
      Object.entries(exitCodes).map(([name, code]) => [String(code), meaningOf(name)]),
    ),
  ].join('\n\n');
}

function meaningOf(exitCode) {
  const meaning = EXIT_MEANINGS[exitCode];
  if (meaning === undefined) throw new Error(`scripts/docs-pages.mjs has no words for the exit code ${exitCode}`);
  return meaning;
}

function table(head, rows) {
  // Inside `code` only the bar has a meaning of its own, elsewhere Markdown's marks do too.
  const escape = (cell) => cell.replace(cell.startsWith('`') ? /\|/g : /[|*_<]/g, '\\$&');
  const line = (cells) => `| ${cells.map(escape).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
