/** Everything that it takes to run the same again. */
import { figuresList } from './figures-list.js';
import { html, type Markup } from './markup.js';
import { bytes, short, whole } from './numbers.js';
import type { ReportData } from './report-data.js';

export function repeatSection({ run, details, rows, seconds, facts }: ReportData): Markup {
  const { command, versions, files } = run;
  const list: readonly (readonly [string, string])[] = [
    ...versions,
    ...facts,
    ...(details.seed === undefined ? [] : [['seed', String(details.seed)] as const]),
    ...rows.map(([part, count]) => [`rows ${part}`, whole(count)] as const),
    ...Object.entries(seconds).map(([part, time]) => [`seconds: ${part}`, short(time)] as const),
  ];
  return html`<section id="repeat" aria-labelledby="repeat-title">
    <h2 id="repeat-title">To repeat it</h2>
    ${
      command !== undefined &&
      html`<h3>Command line</h3>
        <pre class="scroll" tabindex="0"><code>${command.map(quoted).join(' ')}</code></pre>`
    }
    ${
      files.length > 0 &&
      html`<h3>Files</h3>
        <div class="scroll" tabindex="0" role="region" aria-label="Files">
          <table class="files">
            <thead>
              <tr>
                <th scope="col">role</th>
                <th scope="col">file</th>
                <th scope="col" class="number">size</th>
                <th scope="col">sha256</th>
              </tr>
            </thead>
            <tbody>
              ${files.map(
                ({ role, name, sha256, bytes: size }) =>
                  html`<tr>
                    <td>${role}</td>
                    <th scope="row">${name}</th>
                    <td class="number">${size === null ? '–' : bytes(size)}</td>
                    <td><code class="hash">${sha256 ?? '–'}</code></td>
                  </tr>`,
              )}
            </tbody>
          </table>
        </div>`
    }
    <h3>Versions and settings</h3>
    ${figuresList(list)}
    <p class="small">
      Samples and splits are seeded: the same command on the same files gives the same model, unless it asks for a
      speed, which has to be measured.
    </p>
  </section>`;
}

/** A word as a shell takes it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
