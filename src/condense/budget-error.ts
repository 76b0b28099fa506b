import { CondenseError, type Diagnostic } from '../diagnostics/diagnostic.js';
import type { ReportDetails } from '../report/details.js';
import type { NodeReport } from '../report/report.js';

/** No plan meets the budget. Says for each node why it stays as wide as it is. */
export class BudgetError extends CondenseError {
  constructor(
    diagnostic: Diagnostic,
    readonly nodes: readonly NodeReport[],
    /** What {@link htmlReport} shows beside it; only with `details`. */
    readonly details?: ReportDetails,
  ) {
    super(diagnostic);
  }
}
