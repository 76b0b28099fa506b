import { Command, CommanderError, Option } from 'commander';
import { CondenseError, ExitCode, formatDiagnostic, type Diagnostic } from '../diagnostics/diagnostic.js';
import type { BenchOptions } from '../condense/bench.js';
import type { DiffOptions } from '../condense/diff.js';
import type { DistillOptions } from '../condense/distill.js';
import type { InspectOptions } from '../condense/inspect.js';
import type { SweepOptions } from '../condense/sweep.js';
import type { VerifyOptions } from '../condense/verify.js';
import { VERSION } from '../version.js';
import { BudgetError } from '../condense/budget-error.js';
import { formatNodes } from '../report/format.js';
import type { NodeReport } from '../report/report.js';
import { benchCommand } from './bench.js';
import { diffCommand } from './diff.js';
import { distillCommand } from './distill.js';
import { Interrupts } from './interrupts.js';
import { inspectCommand } from './inspect.js';
import { OPTIONS, withImages, type CliOptions } from './options.js';
import { reduceCommand, type ReduceOptions } from './reduce.js';
import { sweepCommand } from './sweep.js';
import type { Streams } from './streams.js';
import { verifyCommand } from './verify.js';

/**
 * Runs the command line. Never throws for a user's mistake.
 * @param interrupts are asked by whoever handles signals
 * @returns the exit code
 */
export async function run(
  argv: readonly string[],
  streams: Streams,
  interrupts: Interrupts = new Interrupts(),
): Promise<number> {
  let code: number = ExitCode.Done;
  // Options are parsed one by one and any of them may be wrong: what decides how errors are told is read beforehand.
  const [json, quiet] = [argv.includes('--json'), argv.includes('--quiet')];
  const program = new Command('onnx-condense')
    .description(
      'Make a trained ONNX model smaller with unlabelled sample inputs, and check that it still computes the same thing.',
    )
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.stdout.write(text),
      writeErr: (text) => streams.stderr.write(text),
    })
    .addHelpText('after', '\nThe options of a command: onnx-condense reduce --help, and so on\n');

  const reduce = program
    .command('reduce', { isDefault: true })
    .description('reduce a model and write it if the check passes (the default command)')
    .argument('<model.onnx>')
    .argument('<output.onnx>')
    .addHelpText('after', '\nExample:\n  onnx-condense net.onnx small.onnx --data inputs.npz --keep-params 0.25\n')
    .action(async (input: string, output: string, options: ReduceOptions) => {
      code = await reduceCommand(input, output, tidy(withImages(options)), streams, interrupts, argv);
    });
  const verify = program
    .command('verify')
    .description('compare two models on data')
    .argument('<a.onnx>')
    .argument('<b.onnx>')
    .addHelpText(
      'after',
      '\nExample:\n  onnx-condense verify net.onnx small.onnx --data other.npz --tolerance nrmse=1e-2\n',
    )
    .action(async (a: string, b: string, options: VerifyOptions & CliOptions) => {
      code = await verifyCommand(a, b, withImages(options), streams, argv);
    });
  const sweep = program
    .command('sweep')
    .description('the curve of size against error in one run, and a model picked from it')
    .argument('<model.onnx>')
    .argument('[output.onnx]')
    .addHelpText(
      'after',
      '\nExamples:\n  onnx-condense sweep net.onnx --data inputs.npz\n  onnx-condense sweep net.onnx small.onnx --data inputs.npz --points 20 --pick knee\n',
    )
    .action(async (input: string, output: string | undefined, options: SweepOptions & CliOptions) => {
      code = await sweepCommand(input, output, withImages(options), streams, argv);
    });
  const distill = program
    .command('distill')
    .description('let a model learn from the outputs of another, without labels')
    .argument('<teacher.onnx>')
    .argument('<student.onnx>')
    .argument('<output.onnx>')
    .addHelpText(
      'after',
      '\nExample:\n  onnx-condense distill net.onnx small.onnx better.onnx --data inputs.npz --train 50epochs\n',
    )
    .action(async (teacher: string, student: string, output: string, options: DistillOptions & CliOptions) => {
      code = await distillCommand(teacher, student, output, withImages(options), streams, interrupts, argv);
    });
  const bench = program
    .command('bench')
    .description('time models in turn: latency, throughput, memory')
    .argument('<model.onnx...>')
    .addHelpText('after', '\nExample:\n  onnx-condense bench net.onnx small.onnx --data inputs.npz --batch 1,256\n')
    .action(async (models: string[], options: BenchOptions & CliOptions) => {
      code = await benchCommand(models, withImages(options), streams);
    });
  const inspect = program
    .command('inspect')
    .description('how condensed each layer is, what could be removed from it, and why others are left alone')
    .argument('<model.onnx...>')
    .addHelpText(
      'after',
      '\nExamples:\n  onnx-condense inspect net.onnx --data inputs.npz\n  onnx-condense inspect epoch1.onnx epoch10.onnx epoch100.onnx --data inputs.npz\n',
    )
    .action(async (models: string[], options: InspectOptions & CliOptions) => {
      code = await inspectCommand(models, withImages(options), streams, argv);
    });
  const diff = program
    .command('diff')
    .description('what differs between two models: nodes, shapes of constants, parameters and work')
    .argument('<a.onnx>')
    .argument('<b.onnx>')
    .addHelpText('after', '\nExample:\n  onnx-condense diff net.onnx small.onnx\n')
    .action(async (a: string, b: string, options: DiffOptions & CliOptions) => {
      code = await diffCommand(a, b, options, streams);
    });
  for (const [name, command] of [
    ['reduce', reduce],
    ['sweep', sweep],
    ['distill', distill],
    ['verify', verify],
    ['bench', bench],
    ['inspect', inspect],
    ['diff', diff],
  ] as const) {
    command.exitOverride().showHelpAfterError(`(onnx-condense ${name} --help shows the options)`);
    for (const spec of OPTIONS) {
      if (!spec.commands.includes(name)) continue;
      const option = new Option(spec.flags, spec.description);
      if (spec.parse !== undefined) option.argParser(spec.parse as (text: string, before: unknown) => unknown);
      if (spec.mandatory === true) option.makeOptionMandatory();
      command.addOption(option);
    }
  }

  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return ExitCode.Done;
      // commander has told the person already.
      const message = error.message.replace(/^error: /, '');
      if (json) tellDocument({ code: 'USAGE', message, exitCode: ExitCode.Usage }, undefined, streams);
      return ExitCode.Usage;
    }
    if (error instanceof CondenseError) {
      tellError(error, { json, quiet }, streams);
      return error.diagnostic.exitCode;
    }
    streams.stderr.write(
      `onnx-condense: unexpected error, please report it\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    const message = error instanceof Error ? error.message : String(error);
    if (json) tellDocument({ code: 'UNEXPECTED', message, exitCode: ExitCode.Unexpected }, undefined, streams);
    return ExitCode.Unexpected;
  }
}

/** The message; where a budget cannot be met, the table of what stands in its way before it. With `--json` the same as one document. */
function tellError(error: CondenseError, { json, quiet }: { json: boolean; quiet: boolean }, streams: Streams): void {
  const nodes = error instanceof BudgetError ? error.nodes : undefined;
  if (nodes !== undefined && !quiet)
    streams.stderr.write(`${formatNodes(nodes, streams.stderr.columns || 160).join('\n')}\n`);
  streams.stderr.write(`onnx-condense: ${formatDiagnostic(error.diagnostic)}\n`);
  if (json) tellDocument(error.diagnostic, nodes, streams);
}

function tellDocument(error: Diagnostic, nodes: readonly NodeReport[] | undefined, streams: Streams): void {
  const document = { schemaVersion: 1, status: 'error', error, ...(nodes && { nodes }) };
  streams.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

/** One threshold for all nodes is a number, several are by node. */
function tidy(options: ReduceOptions): ReduceOptions {
  const { threshold } = options;
  if (!(threshold instanceof Map) || threshold.size !== 1 || !threshold.has('*')) return options;
  return { ...options, threshold: threshold.get('*') as number };
}
