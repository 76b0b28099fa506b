/**
 * Takes the picture of an HTML report that stands in the README: the top of the page at the width of a desktop, in light colours.
 * Needs Chromium (of Debian, or named in CHROMIUM). `node scripts/screenshot.mjs report.html docs/images/report.png`
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import sharp from 'sharp';

const WIDTH = 1280;
/** What of the page is shown, at most: more would be read by nobody at this size. */
const HEIGHT = 1500;
const COLOURS = 128;

const [report, picture] = process.argv.slice(2);
const browserPath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((f) => existsSync(f));
if (report === undefined || picture === undefined || browserPath === undefined) {
  process.stderr.write(
    browserPath === undefined
      ? 'there is no chromium: install it, or name it in CHROMIUM\n'
      : 'node scripts/screenshot.mjs report.html picture.png\n',
  );
  process.exit(2);
}

const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });
try {
  const context = await browser.newContext({
    viewport: { width: WIDTH, height: HEIGHT },
    colorScheme: 'light',
    offline: true,
  });
  const page = await context.newPage();
  await page.goto(pathToFileURL(path.resolve(report)).href);
  await page.waitForSelector('html[data-ready]');
  const shot = await page.screenshot();
  await mkdir(path.dirname(picture), { recursive: true });
  const { size } = await sharp(shot).png({ palette: true, colours: COLOURS, compressionLevel: 9 }).toFile(picture);
  process.stderr.write(`${picture}: ${WIDTH} x ${HEIGHT}, ${Math.round(size / 1000)} kB\n`);
} finally {
  await browser.close();
}
