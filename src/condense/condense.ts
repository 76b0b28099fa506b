import { parameterCount } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { readModel } from '../onnx/index.js';
import { Blas } from '../runtime/blas.js';
import { checkOptions } from './check-options.js';
import { Clock } from './clock.js';
import { finish, withNodes, type Condensed } from './finish.js';
import type { CondenseOptions } from './options.js';
import { prepare, type Prepared } from './prepare.js';
import { reduceByCosine } from './reduce-cosine.js';
import { reduceExactly } from './reduce-exact.js';
import { reduceBySpan } from './reduce-span.js';
import { withSharedConstants, type Reduced } from './reduced.js';

const METHODS = { exact: reduceExactly, cosine: reduceByCosine, span: reduceBySpan };

/**
 * Makes a smaller model that computes the same as `model` on data like `options.data`, and checks it on rows that no fit saw.
 *
 * It writes nothing: hand `model` to `writeModel` when `report.status` is `reduced`. A model that fails the check has the status
 * `check-failed`.
 * @param model a model, or the path of one
 * @throws CondenseError for wrong options, data or models (exit codes 2 and 4), and when no plan meets the budget (5)
 */
export async function condense(model: Model | string, options: CondenseOptions): Promise<Condensed> {
  checkOptions(options);
  const clock = new Clock();
  const input = typeof model === 'string' ? await readModel(model) : model;
  const blas = new Blas();
  try {
    const reduceWith = async (ready: Prepared): Promise<Reduced> =>
      withSharedConstants(ready, await METHODS[options.method ?? 'span'](ready, options));
    const attempt = async (unshare: boolean): Promise<readonly [Prepared, Reduced]> => {
      const ready = await clock.timed('prepare', () => prepare(input, options, blas, { unshare }));
      return [ready, await clock.timed('reduce', () => reduceWith(ready)).catch((e: unknown) => withNodes(e, ready))];
    };
    let [prepared, reduced] = await attempt(true);
    // Copies of shared constants that cost more than they save.
    if (prepared.copies.length > 0 && parameterCount(reduced.model) > parameterCount(input))
      [prepared, reduced] = await attempt(false);
    return await finish(input, prepared, reduced, options, clock);
  } finally {
    await blas.release();
  }
}
