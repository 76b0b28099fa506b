import { label } from '../channels/tracker.js';
import type { ChannelSpace } from '../channels/types.js';
import { raise } from '../diagnostics/diagnostic.js';
import { planMismatch } from '../diagnostics/plan.js';

/** Version of the plan's form; raised when a reader of the old one would misread the new one. */
export const PLAN_VERSION = 1;

/** How many channels of each space stay: what a search found, and what can be applied again without one. */
export interface Plan {
  readonly schemaVersion: typeof PLAN_VERSION;
  /** sha256 of the model's file that the plan was made for; null for a model that was made in memory. */
  readonly model: string | null;
  readonly spaces: readonly PlannedSpace[];
  /** Predicted NRMSE of the outputs, and the one measured on validation rows where a closed loop measured it. */
  readonly predictedNrmse?: number;
  readonly validationNrmse?: number;
}

/** The width of one channel space. */
export interface PlannedSpace {
  /** The nodes that make its channels. */
  readonly nodes: readonly string[];
  /** Removable channels, and how many of them stay. */
  readonly channels: number;
  readonly keep: number;
}

/**
 * The widths of a plan, by space.
 * @throws CondenseError where the plan is not one for these spaces
 */
export function widthsOf(plan: Plan, spaces: readonly ChannelSpace[]): Int32Array {
  if (plan.spaces.length !== spaces.length)
    raise(planMismatch(`it has ${plan.spaces.length} spaces, the model ${spaces.length}`));
  return Int32Array.from(plan.spaces, ({ nodes, channels, keep }, i) => {
    const space = spaces[i]!;
    const own = describeSpace(space, keep);
    if (own.nodes.join() !== nodes.join() || own.channels !== channels)
      raise(
        planMismatch(
          `space ${i + 1} is made by ${nodes.join(', ')} (${channels} channels), in the model by ${own.nodes.join(', ')} (${own.channels})`,
        ),
      );
    if (!Number.isSafeInteger(keep) || keep < space.least || keep > channels)
      raise(
        planMismatch(`space ${i + 1} (${nodes.join(', ')}) keeps ${keep} of ${space.least} to ${channels} channels`),
      );
    return keep;
  });
}

/** What a plan calls a space. */
export function describeSpace({ producers, channels }: ChannelSpace, keep: number): PlannedSpace {
  return { nodes: producers.map(label), channels: channels.length, keep };
}
