import { readFile } from 'node:fs/promises';
import { raise } from '../diagnostics/diagnostic.js';
import { planUnreadable } from '../diagnostics/plan.js';
import { reasonOf } from '../onnx/file-errors.js';
import { PLAN_VERSION, type Plan, type PlannedSpace } from './plan.js';

/** Reads a plan that was written as JSON. @throws CondenseError where the file holds none */
export async function readPlan(file: string): Promise<Plan> {
  let document: unknown;
  try {
    document = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    return raise(planUnreadable(file, reasonOf(error)), error);
  }
  // The document of a whole run holds the plan too.
  const plan = isRecord(document) && isRecord(document['plan']) ? document['plan'] : document;
  if (!isRecord(plan)) return raise(planUnreadable(file, 'it is no JSON object'));
  const { schemaVersion, spaces, model } = plan;
  if (schemaVersion !== PLAN_VERSION)
    return raise(planUnreadable(file, `its schemaVersion is ${JSON.stringify(schemaVersion)}, not ${PLAN_VERSION}`));
  if (!Array.isArray(spaces) || !spaces.every(isSpace))
    return raise(planUnreadable(file, "'spaces' is no list of { nodes, channels, keep }"));
  return { schemaVersion: PLAN_VERSION, model: typeof model === 'string' ? model : null, spaces };
}

/** The plan as the text of a file. */
export function planText(plan: Plan): string {
  return `${JSON.stringify(plan, null, 2)}\n`;
}

function isSpace(value: unknown): value is PlannedSpace {
  return (
    isRecord(value) &&
    Array.isArray(value['nodes']) &&
    value['nodes'].every((n) => typeof n === 'string') &&
    typeof value['channels'] === 'number' &&
    typeof value['keep'] === 'number'
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
