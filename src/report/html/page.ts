/** The HTML report: one file without anything outside it. Drawn here; `embedded.js` lets people choose, search and zoom. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { html, Markup } from './markup.js';
import { layersSection } from './layers-section.js';
import { outputsSection } from './outputs-section.js';
import { repeatSection } from './repeat-section.js';
import { reportData, type Reported } from './report-data.js';
import { sweepSection } from './sweep-section.js';
import { trainingSection } from './training-section.js';
import { verdictSection } from './verdict-section.js';
import type { RunRecord } from '../run-record.js';

/** The style and the script lie beside this module; the build copies them. */
const beside = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

/** The page for what a command found. */
export function htmlReport(result: Reported, run: RunRecord): string {
  const data = reportData(result, run);
  const [style, script] = [beside('./embedded.css'), beside('./embedded.js')];
  const sections = [
    ['Verdict', 'verdict', verdictSection(data)],
    ['Size against error', 'trade-off', sweepSection(data)],
    ['Layers', 'network', layersSection(data)],
    ['Outputs', 'outputs', outputsSection(data)],
    ['Training', 'training', trainingSection(data)],
    ['To repeat it', 'repeat', repeatSection(data)],
  ] as const;
  const shown = sections.filter(([, , section]) => section !== undefined);
  // Nothing but this very script may run, and nothing may be fetched: whatever a name smuggled in would be dead.
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${new Markup(policy)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="data:," />
        <title>${data.title} – onnx-condense ${result.command}</title>
        ${new Markup(`<style>${style}</style>`)}
      </head>
      <body>
        <a class="skip" href="#verdict">Skip to the verdict</a>
        <header>
          <p class="small">onnx-condense ${result.command}</p>
          <h1>${data.title}</h1>
          <nav aria-label="Sections">${shown.map(([name, id]) => html`<a href="#${id}">${name}</a>`)}</nav>
        </header>
        <main>${shown.map(([, , section]) => squeezed(section!))}</main>
        ${new Markup(`<script>${script}</script>`)}
      </body>
    </html> `;
  return page.text;
}

/** Without the indentation of the templates it was made from. */
function squeezed(markup: Markup): Markup {
  return new Markup(markup.text.replace(/\s*\n\s*/g, '\n'));
}
