import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, it, describe } from 'vitest';
import { condense, htmlReport, readModel, type CondenseOptions } from '../../src/index.js';
import { sharedFolder } from '../cli/cli.js';
import { browserOfFile, chromiumPath, DESKTOP, layoutProblems, PHONE } from '../report/html/browser.js';
import { collection, entry, fileOf, ownData } from './collection.js';

const inside = sharedFolder();
const open = browserOfFile();
/** The merge of pairs needs the least time; what the page shows is the same. */
const QUICK = { method: 'cosine', threshold: 0.9, details: true } as const;
const IMAGES = { scale: [1 / 127.5], mean: [1] };

describe.skipIf(collection === undefined || chromiumPath === undefined)('pages about real models', () => {
  const cases: readonly (readonly [name: string, options: () => Partial<CondenseOptions>])[] = [
    ['h2-combustion', () => ({ maxRows: 1000 })],
    ['resnet56-cifar10', () => ({ maxRows: 40, classes: ['logits'] })],
    ['yolox-nano', () => ({})],
    [
      'mobilenetv2-imagenet',
      () => ({ data: [fileOf('mobilenetv2-imagenet/images/calib')], images: IMAGES, maxRows: 8 }),
    ],
  ];
  for (const [name, options] of cases) {
    it(`${name}: opens without complaints, nothing is cut off or overlaps`, async () => {
      const own = entry(name);
      const { data } = ownData(own);
      const model = await readModel(fileOf(own.model));
      const result = await condense(model, { data, ...QUICK, ...options() });
      mkdirSync(inside(), { recursive: true });
      writeFileSync(inside(`${name}.html`), htmlReport({ command: 'reduce', ...result }, { versions: [], files: [] }));
      for (const viewport of [DESKTOP, PHONE]) {
        const { page, complaints } = await open(inside(`${name}.html`), { viewport });
        expect(complaints).toEqual([]);
        expect(await layoutProblems(page)).toEqual([]);
        expect(await page.locator('.node.layer').count()).toBe(result.report.nodes.length);
        expect(await page.locator('#outputs .dots').count()).toBe(model.graph.outputs.length);
        await page.context().close();
      }
    });
  }
});
