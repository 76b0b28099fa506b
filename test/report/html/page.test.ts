import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  condense,
  distill,
  htmlReport,
  inspectInDetail,
  sweep,
  verifyInDetail,
  type LayerDetail,
  type OutlineNode,
  type Reported,
  type RunRecord,
} from '../../../src/index.js';
import { renamed } from './renamed.js';
import { sharedFolder } from '../../cli/cli.js';
import { buildModel, node } from '../../build-model.js';
import { weights } from '../../dense.js';
import { normalRows, smoothNetwork, writeNpz } from '../../networks.js';
import { browserOfFile, chromiumPath, DESKTOP, layoutProblems, PHONE } from './browser.js';

const inside = sharedFolder();
const open = browserOfFile();
const EVIL = '</script><b>bold</b><img src="https://example.org/x" onerror="document.title=1">';
const RUN: RunRecord = {
  command: ['onnx-condense', 'net.onnx', `${EVIL}.onnx`, "it's"],
  versions: [['onnx-condense', '0']],
  files: [{ role: 'model', name: EVIL, sha256: 'f'.repeat(64), bytes: 1_360_000 }],
};
let data: string[];
let results: Record<'reduce' | 'check-failed' | 'classes' | 'verify' | 'inspect' | 'sweep' | 'distill', Reported>;

/** x → fc1 → Tanh → fc2 → Softmax. */
function classifier(hidden: number) {
  return buildModel({
    inputs: [{ name: 'x', shape: ['rows', 2] }],
    nodes: [
      node('Gemm', ['x', 'w', 'b'], ['h'], {}, { name: 'fc1' }),
      node('Tanh', ['h'], ['a']),
      node('Gemm', ['a', 'v'], ['z'], {}, { name: 'fc2' }),
      node('Softmax', ['z'], ['classes'], { axis: 1 }),
    ],
    initializers: [weights('w', [2, hidden]), weights('b', [hidden]), weights('v', [hidden, 4])],
    outputs: [{ name: 'classes', shape: ['rows', 4] }],
  });
}

beforeAll(async () => {
  data = [writeNpz(inside(), 'data.npz', { x: normalRows(300) })];
  const net = renamed(smoothNetwork(), 'fc2', EVIL);
  const [reduce, failed, classes, verified, inspected, swept, learned] = [
    await condense(net, { data, keepParams: 0.5, details: true }),
    await condense(net, { data, keepParams: 0.1, details: true }),
    await condense(classifier(24), { data, keepParams: 0.2, tolerance: 'agreement=0', details: true }),
    await verifyInDetail(smoothNetwork(), smoothNetwork({ hidden: 12 }), { data }),
    await inspectInDetail([smoothNetwork(), smoothNetwork()], { data }),
    await sweep(smoothNetwork(), { data, points: 4, pick: 'knee', details: true }),
    await distill(smoothNetwork(), smoothNetwork({ hidden: 6 }), { data, train: { steps: 60 }, details: true }),
  ];
  results = {
    reduce: { command: 'reduce', ...reduce },
    'check-failed': { command: 'reduce', ...failed },
    classes: { command: 'reduce', ...classes },
    verify: { command: 'verify', ...verified },
    inspect: { command: 'inspect', ...inspected },
    sweep: { command: 'sweep', ...swept },
    distill: { command: 'distill', ...learned },
  };
});

/** The file of a page. */
function fileOf(name: string, result: Reported): string {
  const file = path.join(inside(), `${name}.html`);
  mkdirSync(inside(), { recursive: true });
  writeFileSync(file, htmlReport(result, RUN));
  return file;
}

describe('the page as text', () => {
  it('names from models and files are text, and one script is all that may run', () => {
    const page = htmlReport(results.reduce, RUN);
    expect(page).not.toContain('<b>bold');
    expect(page).not.toContain('<img');
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page.match(/<\/script>/g)).toHaveLength(1);
    expect(page).toContain('&lt;/script&gt;&lt;b&gt;bold');
    expect(page).toContain('&#39;it&#39;\\&#39;&#39;s&#39;');
    expect(page).toMatch(/default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-/);
  });

  it('says what was found, first of all', () => {
    const main = (result: Reported): string => htmlReport(result, RUN).split('<main>')[1]!.slice(0, 600);
    expect(main(results.reduce)).toContain('Equivalent within tolerance, with');
    expect(main(results['check-failed'])).toContain('Not equivalent');
    expect(main(results.inspect)).toContain('2 layers can be made narrower');
    expect(main(results.verify)).toContain('Not equivalent');
    expect(main(results.distill)).toContain('steps took the NRMSE');
  });
});

describe.skipIf(chromiumPath === undefined)('in a browser', () => {
  it('opens from disk with the network off, without a word on the console, and nothing is cut off or overlaps', async () => {
    for (const [name, result] of Object.entries(results)) {
      const file = fileOf(name, result);
      for (const viewport of [DESKTOP, PHONE]) {
        const { page, complaints } = await open(file, { viewport, dark: viewport === PHONE });
        const panels = await page
          .locator('#choose option')
          .evaluateAll((options) => options.map((o) => (o as unknown as { value: string }).value));
        expect(panels.length).toBeGreaterThan(1);
        for (const panel of panels) {
          await page.locator('#choose').selectOption(panel);
          expect(await page.locator('#panel').getAttribute('data-shown')).toBe(panel);
          expect(await layoutProblems(page), `${name} ${viewport.width} ${panel}`).toEqual([]);
        }
        expect(complaints).toEqual([]);
        await page.context().close();
      }
    }
  });

  it('marks are drawn: nodes, points, bins, cells, lines', async () => {
    const { page } = await open(fileOf('reduce', results.reduce));
    const count = (selector: string): Promise<number> => page.locator(selector).count();
    expect(await count('.node.layer')).toBe(3);
    expect(await count('.node.left')).toBe(1);
    expect(await count('.edges path')).toBe(4);
    expect(await count('#panel .chart')).toBe(4);
    expect(await page.locator('#panel .matrix canvas').getAttribute('data-drawn')).toBe(String(24 * 24));
    expect(await page.locator('#panel .neurons canvas').getAttribute('data-drawn')).toBe('24');
    expect(await count('.mark.worst')).toBe(10);
    expect(await count('.bin')).toBeGreaterThan(5);
    const dots = page.locator('.dots');
    const d = (await dots.getAttribute('d'))!;
    expect(d.match(/M/g)).toHaveLength(Number(await dots.getAttribute('data-points')));
    // The picture is no blank sheet: colours of cells differ.
    const colours = await page.evaluate(
      `(() => { const canvas = document.querySelector('#panel .matrix canvas'); return new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size; })()`,
    );
    expect(colours).toBeGreaterThan(20);
    await page.context().close();

    const sweepPage = await open(fileOf('sweep', results.sweep));
    expect(await sweepPage.page.locator('#trade-off circle').count()).toBeGreaterThan(2);
    const learned = await open(fileOf('distill', results.distill));
    expect(await learned.page.locator('#training .line').count()).toBeGreaterThan(1);
    const classes = await open(fileOf('classes', results.classes));
    expect(await classes.page.locator('#outputs figcaption', { hasText: 'Changed decisions' }).count()).toBe(1);
  });

  it('pointer and keyboard choose layers, search, zoom and read cells', async () => {
    const { page, complaints } = await open(fileOf('reduce', results.reduce));
    const shown = () => page.locator('#panel').getAttribute('data-shown');
    await page.locator('.node.layer').nth(1).click();
    expect(await shown()).toBe('layer-1');
    expect(await page.locator('.node.chosen').count()).toBe(1);
    // The chosen node has the focus: keys go on from there.
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    expect(await page.locator('#panel').innerText()).toContain('Left as it is');
    await page.keyboard.press('Home');
    await page.keyboard.press(' ');
    expect(await shown()).toBe('layer-0');

    await page.locator('#search').fill('fc3');
    expect(await page.locator('#found').innerText()).toBe('1 found');
    expect(await page.locator('.node.match').count()).toBe(1);
    expect(await page.locator('.node.miss').count()).toBe(2);
    await page.locator('#search').press('Enter');
    expect(await shown()).toMatch(/^node-/);
    await page.locator('#search').fill('');
    expect(await page.locator('.node.miss').count()).toBe(0);

    const width = () => page.evaluate(`document.querySelector('#graph svg').getBoundingClientRect().width`);
    const before = (await width()) as number;
    await page.locator('#zoom-in').click();
    expect((await width()) as number).toBeGreaterThan(1.3 * before);
    await page.locator('#zoom-fit').click();
    expect(
      await page.evaluate(
        `document.querySelector('#graph').scrollHeight <= document.querySelector('#graph').clientHeight + 1`,
      ),
    ).toBe(true);

    await page.locator('#choose').selectOption('layer-0');
    const matrix = page.locator('#panel .matrix');
    await matrix.locator('canvas').focus();
    await page.keyboard.press('ArrowRight');
    expect(await matrix.locator('.readout').innerText()).toMatch(/^neurons \d+ and \d+: cosine -?[01]\.\d\d$/);
    await page.locator('#panel .neurons canvas').hover();
    expect(await page.locator('#panel .neurons .readout').innerText()).toMatch(/^\d+: (stayed|folded into others)$/);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('everything that can be used has a name, and text has contrast in light and dark', async () => {
    for (const dark of [false, true]) {
      const { page } = await open(fileOf('check-failed', results['check-failed']), { dark });
      expect(await page.evaluate(UNNAMED)).toEqual([]);
      expect(await page.evaluate(FAINT)).toEqual([]);
      await page.context().close();
    }
  });

  it('300 layers: at most 5 MB, and everything can be used', async () => {
    const result = large(300, 512);
    const file = fileOf('large', result);
    expect(Buffer.byteLength(htmlReport(result, RUN))).toBeLessThan(5e6);
    // The first page of a browser pays for its start. How long the next takes is told, not judged: other tests run beside this one.
    await (await open(file)).page.context().close();
    const { page, complaints, ready } = await open(file);
    console.log(`300 layers: ready after ${ready.toFixed(0)} ms`);
    await page.locator('#search').fill('layer-299');
    await page.locator('#search').press('Enter');
    expect(await page.locator('#panel').getAttribute('data-shown')).toBe('layer-299');
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});

/** Controls without a name, pictures without a description. */
const UNNAMED = `[...document.querySelectorAll('button, input, select, [role=button], [role=img], [role=region], a')]
  .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))
  .map((e) => e.outerHTML.slice(0, 80))`;

/** Text whose contrast with the page is below 4.5 (WCAG 2, level AA); backgrounds are the page's or that of a box around it. */
const FAINT = `(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || e.closest('title, style, script, select, .node')) continue;
    const style = getComputedStyle(e);
    const [a, b] = [luminance(rgb(e.closest('svg') ? style.fill : style.color)), luminance(behind(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(contrast.toFixed(2) + ' ' + e.textContent.trim().slice(0, 30));
  }
  return faint;
})()`;

/** A reduction of a chain with shortcuts that was never run. */
function large(count: number, width: number): Reported {
  const side = 89;
  const layers = Array.from({ length: count }, (_, i): LayerDetail => ({
    nodes: [`layer-${i}`],
    channels: width,
    cosines: {
      neurons: Array.from({ length: side }, (_v, n) => n * 5),
      values: Int8Array.from({ length: (side * (side - 1)) / 2 }, (_v, n) => Math.round(127 * Math.sin(n + i))),
    },
    spectrum: { shares: Array.from({ length: width }, (_v, n) => Math.exp(-n / 20) / 20.5), of: width },
    effectiveRank: [{ energy: 0.99, rank: 90 }],
    collinear: [{ cosine: 0.95, share: 0.1 }],
    curve: Array.from({ length: 96 }, (_v, n) => ({ width: 1 + n * 5, nrmse: Math.exp(-n / 10) })),
    outcome: {
      width: width / 2,
      turned: false,
      kept: Int32Array.from({ length: width / 2 }, (_v, n) => 2 * n),
      folded: Array.from({ length: 20 }, (_v, n) => ({ neuron: 2 * n + 1, into: [{ neuron: 2 * n, share: 1 }] })),
    },
  }));
  const nodes = layers.map(({ nodes: [name] }, i): OutlineNode => ({
    kind: 'layer',
    name: name!,
    opType: 'Conv',
    before: width,
    after: width / 2,
    parameters: { before: 1000 * (i + 1), after: 300 * (i + 1) },
    layers: [i],
  }));
  const edges = nodes.flatMap((_, i) => [
    ...(i > 0 ? [[i - 1, i] as const] : []),
    ...(i > 2 && i % 3 === 0 ? [[i - 3, i] as const] : []),
  ]);
  if (results.reduce.command !== 'reduce') throw new Error('no reduction');
  return { ...results.reduce, details: { ...results.reduce.details, network: { nodes, edges }, layers } };
}
