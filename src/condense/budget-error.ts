import { CondenseError, type Diagnostic } from '../diagnostics/diagnostic.js';
import type { NodeReport } from '../report/report.js';

/** No plan meets the budget. Says for each node why it stays as wide as it is. */
export class BudgetError extends CondenseError {
  constructor(
    diagnostic: Diagnostic,
    readonly nodes: readonly NodeReport[],
  ) {
    super(diagnostic);
  }
}
