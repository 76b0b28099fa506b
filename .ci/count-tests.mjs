// Prints 'N passed, N failed' (and ', N skipped') from the JSON report of vitest. Fails when there is none, or when not all is well in it.
import { readFileSync } from 'node:fs';

const text = readFileSync(process.argv[2], 'utf8');
if (text === '') {
  console.log('the tests did not run');
  console.log('0 passed, 0 failed');
  process.exit(1);
}
const report = JSON.parse(text);
// A file that breaks before its tests are known counts as one failure: vitest reports no test for it.
const broken = report.testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.length === 0,
).length;
const failed = report.numFailedTests + broken;
const skipped = report.numPendingTests + report.numTodoTests;
console.log(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
if (!report.success || failed > 0 || report.numPassedTests === 0) process.exitCode = 1;
