import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';

/** Where Debian and others put it. */
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
export const chromiumPath = process.env['CHROMIUM'] ?? PLACES.find((file) => existsSync(file));
if (chromiumPath === undefined)
  console.warn('tests in a browser are skipped: there is no chromium (apt-get install chromium)');

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** A page that was opened, with everything that it did and should not have done. */
export interface Opened {
  readonly page: Page;
  /** Requests other than that of the file, errors and whatever was said on the console. */
  readonly complaints: readonly string[];
  /** Milliseconds until its script was through. */
  readonly ready: number;
}

export interface Opening {
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly dark?: boolean;
}

/** One browser for a file of tests; pages are opened from disk with the network off. */
export function browserOfFile(): (file: string, opening?: Opening) => Promise<Opened> {
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (chromiumPath === undefined) return;
    browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
  });
  afterAll(() => browser?.close());
  return async (file, { viewport = DESKTOP, dark = false } = {}) => {
    const context = await browser!.newContext({ viewport, colorScheme: dark ? 'dark' : 'light', offline: true });
    const page = await context.newPage();
    const complaints: string[] = [];
    const address = pathToFileURL(file).href;
    page.on('console', (message) => complaints.push(`console: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
    page.on('request', (request) => {
      if (request.url() !== address && !request.url().startsWith('data:')) complaints.push(`request: ${request.url()}`);
    });
    const start = performance.now();
    await page.goto(address);
    await page.waitForSelector('html[data-ready]');
    return { page, complaints, ready: performance.now() - start };
  };
}

/** What people would see as broken: text that is cut off or lies on other text, and a page wider than its window. */
export function layoutProblems(page: Page): Promise<string[]> {
  // The function runs in the page, whose types this project does not know.
  return page.evaluate(`(() => {
    const problems = [];
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) problems.push('the page is ' + root.scrollWidth + ' wide');
    const inside = (a, b, slack) =>
      a.left >= b.left - slack && a.right <= b.right + slack && a.top >= b.top - slack && a.bottom <= b.bottom + slack;
    const meet = (a, b, slack) =>
      a.left < b.right - slack && b.left < a.right - slack && a.top < b.bottom - slack && b.top < a.bottom - slack;
    const named = (element) => '"' + element.textContent.trim().slice(0, 40) + '"';
    for (const svg of document.querySelectorAll('.chart > svg')) {
      const frame = svg.getBoundingClientRect();
      const texts = [...svg.querySelectorAll('text')].map((t) => ({ t, box: t.getBoundingClientRect() }));
      for (const [i, { t, box }] of texts.entries()) {
        if (!inside(box, frame, 1)) problems.push(named(t) + ' leaves its chart ' + svg.getAttribute('aria-label').slice(0, 40));
        for (const other of texts.slice(0, i))
          if (meet(box, other.box, 2)) problems.push(named(t) + ' lies on ' + named(other.t));
      }
    }
    for (const node of document.querySelectorAll('.node')) {
      const frame = node.querySelector('rect').getBoundingClientRect();
      for (const text of node.querySelectorAll('text'))
        if (!inside(text.getBoundingClientRect(), frame, 1)) problems.push(named(text) + ' leaves its node');
    }
    const boxes = [...document.querySelectorAll('.node')].map((n) => ({ n, box: n.getBoundingClientRect() }));
    for (const [i, { n, box }] of boxes.entries())
      for (const other of boxes.slice(0, i)) if (meet(box, other.box, 1)) problems.push(named(n) + ' lies on ' + named(other.n));
    for (const grid of document.querySelectorAll('.cards, .charts, main, .columns, .columns > div')) {
      const parts = [...grid.children].filter((c) => c.tagName !== 'TEMPLATE');
      for (const [i, part] of parts.entries())
        for (const other of parts.slice(0, i))
          if (meet(part.getBoundingClientRect(), other.getBoundingClientRect(), 1))
            problems.push(part.tagName + ' ' + part.className + ' lies on ' + other.tagName + ' ' + other.className);
    }
    for (const element of document.querySelectorAll('main *, header *')) {
      if (element.closest('.scroll, .graph, svg') || element.scrollWidth <= element.clientWidth + 1) continue;
      if (element.clientWidth === 0 || element.tagName === 'SELECT' || element.tagName === 'INPUT') continue;
      problems.push(element.tagName + ' ' + element.className + ' is cut off: ' + named(element));
    }
    return problems;
  })()`);
}
