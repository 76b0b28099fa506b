import { raise } from '../diagnostics/diagnostic.js';
import { roundInterrupted } from '../diagnostics/train.js';
import { parameterCount } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { readModel } from '../onnx/index.js';
import { Blas } from '../runtime/blas.js';
import { checkOptions } from './check-options.js';
import { Clock } from './clock.js';
import { finish, withNodes, type Condensed } from './finish.js';
import { learn, learningRows } from './learn.js';
import type { CondenseOptions } from './options.js';
import { prepare, type Prepared } from './prepare.js';
import { reduceByCosine } from './reduce-cosine.js';
import { reduceExactly } from './reduce-exact.js';
import { reduceBySpan } from './reduce-span.js';
import { withSharedConstants, type Reduced } from './reduced.js';
import { costsOf, optionsOfRound } from './rounds.js';

const METHODS = { exact: reduceExactly, cosine: reduceByCosine, span: reduceBySpan };

/**
 * Makes a smaller model that computes the same as `model` on data like `options.data`, and checks it on rows that no fit saw.
 *
 * It writes nothing: hand `model` to `writeModel` when `report.status` is `reduced`. A model that fails the check has the status
 * `check-failed`.
 * @param model a model, or the path of one
 * @throws CondenseError for wrong options, data or models (exit codes 2 and 4), when no plan meets the budget (5), and when `signal` ends the learning
 * of a round before the last (130)
 */
export async function condense(model: Model | string, options: CondenseOptions): Promise<Condensed> {
  checkOptions(options);
  const clock = new Clock();
  const input = typeof model === 'string' ? await readModel(model) : model;
  const blas = new Blas();
  try {
    const rounds = options.steps ?? 1;
    const [first, start] = await reduceInRound(input, 1);
    let reduced = start;
    for (let round = 2; round <= rounds; round++) {
      const [, next] = await reduceInRound(reduced.model, round, first);
      // Widths are those of the round's own start: they are no plan for the input.
      const { plan: _plan, ...rest } = next;
      reduced = {
        ...rest,
        passes: [...reduced.passes, ...next.passes],
        warnings: next.warnings,
        // Those of the input: what a later round begins with is another model, whose neurons have other numbers. So nothing is said of who stayed.
        ...(reduced.layers === undefined
          ? {}
          : { layers: reduced.layers.map(({ outcome: _outcome, ...layer }) => layer) }),
        ...(next.training === undefined ? {} : { training: [...(reduced.training ?? []), ...next.training] }),
      };
    }
    return await finish(input, first, reduced, options, clock);
  } finally {
    await blas.release();
  }

  /** @param original what the input became before the first round: the teacher; that of this round where it is the first */
  async function reduceInRound(from: Model, round: number, original?: Prepared): Promise<readonly [Prepared, Reduced]> {
    let [ready, reduced, own] = await attempt(from, round, true, original);
    // Copies of shared constants that cost more than they save.
    if (ready.copies.length > 0 && parameterCount(reduced.model) > parameterCount(from))
      [ready, reduced, own] = await attempt(from, round, false, original);
    if (own.distill === undefined || (original === undefined && reduced.model === ready.input)) return [ready, reduced];
    const { original: teacher } = original ?? ready;
    if (round > 1) endIfInterrupted(round);
    const { withoutLearning, ...start } = reduced;
    const { model, pass, report, warnings } = await clock.timed('distill', () =>
      learn(teacher, start.model, ready.data, own.distill!, { ...own, otherwise: withoutLearning }, ready),
    );
    if (!isLast(round)) endIfInterrupted(round);
    return [
      ready,
      {
        ...start,
        model,
        passes: [...start.passes, pass],
        training: [report],
        warnings: [...start.warnings, ...warnings],
      },
    ];
  }

  function isLast(round: number): boolean {
    return round === (options.steps ?? 1);
  }

  /** Learning that was ended early is worth keeping in the last round alone: before it, nothing has the wanted size. */
  function endIfInterrupted(round: number): void {
    if (options.signal?.aborted === true) raise(roundInterrupted(round, options.steps ?? 1));
  }

  async function attempt(
    from: Model,
    round: number,
    unshare: boolean,
    original: Prepared | undefined,
  ): Promise<readonly [Prepared, Reduced, CondenseOptions]> {
    const ready = await clock.timed('prepare', () => prepare(from, options, blas, { unshare }));
    const own =
      (options.steps ?? 1) === 1 ? options : optionsOfRound(options, round, costsOf(input, (original ?? ready).macs));
    // Told before the work.
    if (own.distill !== undefined) learningRows(ready.data);
    const reduced = await clock
      .timed('reduce', async () =>
        withSharedConstants(ready, await METHODS[own.method ?? 'span'](ready, own, isLast(round))),
      )
      .catch((error: unknown) => withNodes(error, ready, options));
    return [ready, reduced, own];
  }
}
