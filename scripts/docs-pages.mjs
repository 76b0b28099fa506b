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

const INSPECT_FIGURES = [
  [
    'rank',
    'fewest principal directions that hold 99, 99.9 or 99.99 % of the variance of the neurons, where the weights behind read them',
  ],
  [
    'cosine',
    'share of the neurons with another one of at least this absolute cosine, not centred: what `--method cosine` would merge first',
  ],
  ['dead, constant', 'neurons that are as good as 0 on every row, and those with another value that never changes'],
  ['exact', 'neurons that `--method exact` removes, for every input'],
  [
    'nrmse',
    "predicted error of the model's outputs when this layer alone keeps 75, 50 or 25 % of its neurons, without the refit behind it; those of several layers add as squares",
  ],
];

const CONFIG_EXAMPLE = `{
  "data": ["inputs.npz"],
  "group": "blocks",
  "reduce": { "keepParams": 0.25, "keep": { "fc1": "50%" } },
  "bench": { "batch": [1, 256] }
}`;

/**
 * @returns pages by their path in the repository
 */
export async function docsPages({
  refusals,
  commands,
  completion,
  groups,
  options,
  imageKeys,
  formats,
  providers,
  tolerances,
  exitCodes,
}) {
  const pages = new Map([
    ['docs/data.md', dataPage({ options, imageKeys, formats })],
    ['docs/refusals.md', refusalsPage(refusals)],
    ['docs/cli.md', cliPage({ commands, completion, groups, options, formats, providers, tolerances, exitCodes })],
  ]);
  for (const [file, text] of pages) {
    const config = await prettier.resolveConfig(file);
    pages.set(file, await prettier.format(text, { ...config, parser: 'markdown' }));
  }
  return pages;
}

function refusalsPage(refusals) {
  const refusalTable = (why, limit) =>
    table(
      ['code', 'meaning', why, 'what you can do'],
      Object.entries(refusals)
        .filter(([, refusal]) => refusal.limit === limit)
        .map(([code, refusal]) => [`\`${code}\``, refusal.meaning, refusal.why, refusal.advice ?? '–']),
    );
  return [
    NOTE,
    '# Why a node was left as it is',
    'Every Gemm, MatMul, Conv and ConvTranspose of a model ends in the report, either with its widths before and after or with a refusal. ' +
      'A refusal is a value with three parts: a stable code, one sentence, and the nodes (or graph outputs) that are in the way. ' +
      'It never stops the run and it is never silent: what could not be condensed stays exactly as it was.',
    '## True limits',
    'Nothing can be removed there by this method, which removes channels and lets the weights behind them take over.',
    refusalTable('why', 'true'),
    '## Open',
    'Left alone today; a later version may lift it.',
    refusalTable('what it would take', 'open'),
    'The table of a run prints the sentence and the culprits; `--json` carries all three parts at `nodes[].refusal`. `inspect` prints the other columns as well.',
  ].join('\n\n');
}

const REPORT_PARTS = [
  ['verdict', 'equivalent or not; parameters, MACs, file size, latency before and after; each error beside its limit'],
  [
    'size against error',
    'of a sweep: the models that were tried, measured and predicted, with the one that was picked',
  ],
  [
    'layers',
    'the network with widths before and after, areas by parameters, nodes that were left with their reasons; of a layer the cosines of its neurons ' +
      '(reordered, at most 128 a side), the spectrum, the predicted error by width with the width that was chosen, the neurons that stayed, and ' +
      'who took over from the others. These need `reduce`, `sweep` or `inspect`',
  ],
  [
    'outputs',
    'original against reduced, errors of the rows, the worst rows with their numbers in the data, changed decisions',
  ],
  ['training', 'the loss by step, and how the learning rate was chosen'],
  ['to repeat it', 'command line, versions, seed, rows, and the sha256 of models and data'],
];

const formatTable = (formats) =>
  table(
    ['specification', 'holds'],
    formats.map((f) => [`\`${f.name}\``, f.description]),
  );

function dataPage({ options, imageKeys, formats }) {
  return [
    NOTE,
    '# Calibration data',
    'Unlabelled inputs like those that the model will see. `--data` may be given several times; `--test` takes the same forms.',
    formatTable(formats),
    'Rows of several specifications are appended; `name=file.npy` parts are joined by row. One example of each:',
    `\`\`\`sh\n${formats.map((f) => `onnx-condense net.onnx small.onnx ${f.example}`).join('\n')}\n\`\`\``,
    'Names, types, shapes and values are checked: rows run along the first axis (where the graph fixes that to a number above 1 and leaves another open, along that one), ' +
      'floating-point types are converted to each other with a note, and a NaN is refused with its row. Arrays of an `.npz` and columns of a table that are no input of the model may serve `--group`, and go to `--metric` as labels ([metric.md](metric.md)).',
    '## Folders of images',
    'For a model with one input of four axes. Needs the package sharp: `npm install sharp`. ' +
      'Sub-folders are read as well, and rows stand in the order of the paths. An image is turned upright as its EXIF data says, transparency is dropped, and ' +
      'it is resized to fill the size; what is over on two sides is cut off. One channel is the luma 0.299 R + 0.587 G + 0.114 B.',
    'x = (pixel · scale − mean) / std, with pixels from 0 to 255. Lists are in the order in which the model takes the channels (with `--colours bgr`: blue first). ' +
      'The numbers must be those that the model was trained with: with others the sample is not like its inputs, and the reduced model is made for the wrong ones. A model of type uint8 takes the pixels themselves.',
    table(
      ['option', 'meaning'],
      options.filter((o) => imageKeys.includes(o.key)).map((o) => [`\`${o.flags}\``, o.description]),
    ),
    table(
      ['trained with', 'options'],
      [
        ['pixels / 255', '`--scale 1/255`'],
        ['pixels from -1 to 1', '`--scale 1/127.5 --mean 1`'],
        ['ImageNet statistics of torchvision', '`--scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225`'],
        ['means of BGR pixels (Caffe)', '`--colours bgr --mean 103.939,116.779,123.68`'],
      ],
    ),
    'Any other preprocessing (letterboxes, crops of another scale) is best done where the model was trained, and saved as `.npy` or `.npz`.',
    '## Tables',
    'The first line names the columns; commas, semicolons or tabs separate them. A model with one input takes all columns in their order. ' +
      'Where columns are called after an input, `speed` alone or `speed.0`, `speed.1` (also `speed[0]`), these are its columns and all others are labels: they may serve `--group` and go to `--metric`, ' +
      'and where they hold text it is numbered as it appears. A missing value or text in a column of an input is refused with its line and column.',
    '## Sound',
    'For a model with one input of shape [N, samples] or [N, 1, samples], with a fixed number of samples. PCM of 8, 16, 24 or 32 bits and 32-bit float are read, channels are averaged, and values run from -1 to 1: a model that was trained on samples as they stand in files of 16 bits wants `--scale 32768` (`--mean` and `--std` work as for images). ' +
      'Each file is cut into windows of that length, one behind the other; what is left at its end is dropped. Nothing is resampled: a note names the rate that was found, to be compared with the one that the model was trained with. ' +
      '`--group file` keeps the windows of a file on one side of the split between fit and check, which neighbouring windows need.',
  ].join('\n\n');
}

function cliPage({ commands, completion, groups, options, formats, providers, tolerances, exitCodes }) {
  const optionsOf = (command) =>
    Object.entries(groups)
      .map(([group, title]) => [title, options.filter((o) => o.group === group && o.commands.includes(command))])
      .filter(([, own]) => own.length > 0)
      .map(([title, own]) => {
        const rows = own.map((o) => [`\`${o.flags}\``, o.description]);
        return `**${title}**\n\n${table(['option', 'meaning'], rows)}`;
      })
      .join('\n\n');
  return [
    NOTE,
    '# Command line',
    `\`\`\`sh\n${Object.entries(commands)
      .map(([name, { files }]) => usageOf(name, files, options))
      .join('\n')}\n\`\`\``,
    'Tables and messages for people go to stderr: on a terminal with a line that shows how far the work is, elsewhere with one line for each stage when it has ended. `--quiet` leaves only errors. `--help` names the options that are wanted often, `--help --all` all of them. With `--json`, stdout holds exactly one JSON document with a `schemaVersion`.',
    '## reduce',
    'Makes a smaller model, checks it, and writes it only if the check passes. It is the default command: its name may be left out.',
    optionsOf('reduce'),
    '## sweep',
    'Makes models of several sizes from the same statistics, checks each, and shows the curve of size against error; with `--pick` it writes one of them. Without `--trials`, predictions alone choose the widths.',
    optionsOf('sweep'),
    '## distill',
    'Trains the weights of the second model on the outputs of the first one, without labels, with gradients that are ONNX graphs themselves. Ctrl-C ends the learning and keeps the best so far, a second one the run. The best weights on validation rows are kept, and the result is checked on rows that played no part.',
    optionsOf('distill'),
    '## verify',
    'Compares a second model with a first one on data.',
    optionsOf('verify'),
    '## bench',
    'Times models that take the same inputs, in turn, and compares all with the first: latency, throughput, size, and the memory that each adds to a process of its own.',
    optionsOf('bench'),
    '## inspect',
    'Shows how condensed a model is and what could be removed, layer by layer. A layer is what is condensed as one: channels that several nodes share, as those of a residual stream, are one layer.',
    table(['figure', 'meaning'], INSPECT_FIGURES),
    'Several models must have the same layers, as checkpoints of one training have: collinear neurons and the rank then stand side by side, one column for each, and no errors are predicted. ' +
      'Every node that is left alone is listed with its reason ([refusals.md](refusals.md)). Nothing is made, so no row is set aside for a check.',
    optionsOf('inspect'),
    '## diff',
    'Shows what differs between two models: nodes that are gone (`-`), new (`+`) or changed (`~`), with the shapes of the constants that they read, and the totals of nodes, parameters, MACs and bytes. ' +
      'Nodes are the same where an output has the same name, else where they are called the same; constants are the same by their names. The exit code is 0 whether or not the models differ.',
    optionsOf('diff'),
    '## completion',
    'Prints a script with which a shell completes commands, options and their values.',
    `\`\`\`sh\n${Object.values(completion).join('\n')}\n\`\`\``,
    '## Configuration file',
    'Options that are always the same may stand in `onnx-condense.config.json` in the working folder, or in a file that `--config` names. ' +
      "A key is the flag's name in camel case (`--keep-params` is `keepParams`, `--no-gate` is `gate: false`); those of one command alone go into a section of its name. " +
      'A value is what the flag takes, as text or as the library takes it. Flags win over the file, a section over what stands outside of it, and what a command does not have is passed over outside of the sections.',
    `\`\`\`json\n${CONFIG_EXAMPLE}\n\`\`\``,
    '`onnx-condense.config.mjs` says the same with `export default { … }`. Paths in it are relative to the working folder, as on the command line. `--print-config` shows what holds for a command, as such a file, and ends.',
    '## Files for other programs',
    '`--emit triton:models/net` writes the model that was made into the model repository `models` of Triton Inference Server as well: `net/config.pbtxt` and `net/1/model.onnx`, or with external data the folder `net/1/model.onnx` with both files, as Triton wants it. ' +
      'Where axis 0 of all inputs and outputs is open, it is the batch, and `max_batch_size` is 1024: lower it where requests must not be that large. Else it is 0. Shapes that the model does not state are left out, for Triton to complete. ' +
      'A model that was made from the same input is exchanged (the student, or what `distill` made of it), its `config.pbtxt` kept as it is; another one is replaced with `--in-place` alone. Nothing is emitted where nothing is written.',
    '`--sidecar` writes what `--json` prints to a file beside the model, `small.condense.json` for `small.onnx`. Unlike the model it holds times, so that it is not the same twice.',
    'transformers.js looks for the weights of `onnx/model.onnx` in `onnx/model.onnx_data`: give `--external-data model.onnx_data`, and write into a folder without such a file, since one that is there keeps its name and the new one gets a number.',
    'In a chain of tools the order is: simplify (onnxsim, OnnxSlim), condense, then quantise or convert.',
    '## Report',
    '`--report file.html` writes a page about the run, beside everything else: one file that needs no network, in light and dark. It is written last, also when the check failed or no plan meets the budget. ' +
      'For it both models are timed for a second. Should it fail only after the work, the model is there all the same.',
    table(['part', 'what it shows'], REPORT_PARTS),
    '## When files cannot be written',
    'Before the work begins, every place that a run is going to write to is tried: the model, `--plan-out`, `--csv`, `--sidecar`, `--report`, `--emit` and `--checkpoint`. A folder that is missing or takes no files, a folder where a file is wanted, and a path that the run reads or writes otherwise end it with exit code 2. ' +
      'What goes wrong only later, as on a disk that is full, ends it with exit code 2 as well: files appear whole under their names or not at all, and what stood there before stays. The model is written first, so that it is there when only another file fails. Output that somebody stops reading (`| head`) is no error.',
    '## Calibration data',
    'A specification given to `--data` or `--test` is one of these; [data.md](data.md) has an example of each.',
    formatTable(formats),
    '## Tolerances',
    'A list like `nrmse=1e-2,agreement=0.98`; a bare number means `nrmse`. It replaces the default, holds for every output, and a measure that an output does not have is passed over.',
    table(
      ['key', 'limit'],
      [
        ...Object.entries(tolerances).map(([key, { kind }]) => [
          `\`${key}\``,
          kind === 'at-most' ? 'at most' : 'at least',
        ]),
        [
          '`score`',
          'what the score of `--metric` may change by for the worse: `-0.5%`, `-0.005` ([metric.md](metric.md))',
        ],
      ],
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

function usageOf(name, files, options) {
  const data = options.some((o) => o.key === 'data' && o.mandatory === true && o.commands.includes(name));
  const words = ['onnx-condense', name === 'reduce' ? '[reduce]' : name, ...files, ...(data ? ['--data <spec>…'] : [])];
  return `${words.join(' ').replaceAll('...>', '>…')} [options]`;
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
