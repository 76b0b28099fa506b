// Puts what the HTML report embeds beside the built module that reads it. Part of `npm run build`.
import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const folder = 'src/report/html';
await mkdir(path.join(root, 'dist', folder), { recursive: true });
for (const name of ['embedded.css', 'embedded.js'])
  await copyFile(path.join(root, folder, name), path.join(root, 'dist', folder, name));
