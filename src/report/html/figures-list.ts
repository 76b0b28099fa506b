import { html, type Markup } from './markup.js';

/** Names with their values, in as many columns as fit. */
export function figuresList(list: readonly (readonly [string, string])[]): Markup {
  return html`<dl class="figures">
    ${list.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}
