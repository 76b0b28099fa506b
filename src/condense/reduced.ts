import { shareEqualConstants, unshareConstants } from '../../passes/unshare-constants.js';
import type { Prepared } from './prepare.js';
import type { DataNote } from '../diagnostics/calibration.js';
import { deleteNewlyDead } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import type { Plan } from '../plan/plan.js';
import type { LayerDetail } from '../report/details.js';
import type { TrainingReport } from '../report/training-report.js';
import { cutChannels, type Reduction } from '../../passes/cut-channels.js';

/** What a pass did, for the report. */
export interface PassNote {
  readonly name: string;
  readonly changed: boolean;
  readonly notes: readonly string[];
}

/** What a method made of the model. */
export interface Reduced {
  /** The input itself where nothing changed. */
  readonly model: Model;
  /** Where learning follows: what stands if it does not come to less error than this. */
  readonly withoutLearning?: Model;
  readonly passes: readonly PassNote[];
  readonly warnings: readonly DataNote[];
  readonly plan?: Plan;
  /** One for each round of training. */
  readonly training?: readonly TrainingReport[];
  /** Where details were asked for. */
  readonly layers?: readonly LayerDetail[];
}

/** Cuts, and deletes what the cut left without a reader. */
export async function applyCut(
  model: Model,
  reduction: Reduction,
): Promise<{ model: Model; changed: boolean; passes: PassNote[] }> {
  const cut = await cutChannels.run(model, reduction);
  const notes: PassNote = { name: cutChannels.name, changed: cut.changed, notes: cut.notes };
  if (cut.changed) deleteNewlyDead(cut.model.graph, model.graph);
  return { model: cut.model, changed: cut.changed, passes: [notes] };
}

/** Constants that were copied for their readers and came out equal are one again. */
export function withSharedConstants(prepared: Prepared, reduced: Reduced): Reduced {
  if (reduced.model === prepared.input) return reduced;
  const shared = (model: Model): ReturnType<typeof shareEqualConstants> =>
    shareEqualConstants(model, prepared.copies, prepared.shared);
  const { model, notes } = shared(reduced.model);
  const { withoutLearning } = reduced;
  return {
    ...reduced,
    model,
    ...(withoutLearning === undefined ? {} : { withoutLearning: shared(withoutLearning).model }),
    passes: [{ name: unshareConstants.name, changed: notes.length > 0, notes }, ...reduced.passes],
  };
}
