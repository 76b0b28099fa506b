import { describe, expect, it } from 'vitest';
import { html, Markup } from '../../../src/report/html/markup.js';

describe('templates', () => {
  it('escape what is put into them, in text and in attributes', () => {
    const name = `</script><b class="x">'&`;
    expect(html`<p title="${name}">${name}</p>`.text).toBe(
      '<p title="&lt;/script&gt;&lt;b class=&quot;x&quot;&gt;&#39;&amp;">&lt;/script&gt;&lt;b class=&quot;x&quot;&gt;&#39;&amp;</p>',
    );
  });

  it('take markup as it is, lists one after the other, and nothing for nothing', () => {
    expect(html`${html`<i>1</i>`}${['<', 2, [new Markup('<br>')]]}${undefined}${null}${false}${0}`.text).toBe(
      '<i>1</i>&lt;2<br>0',
    );
  });
});
