/**
 * Builds the module that the notebook widget shows: src/widget.ts with all it needs, and the
 * stylesheet, into ../orkee_jupyter/widget/static. Fails when the script is too large: it is sent
 * to the page with the first widget of each notebook.
 */

import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const LIMIT = 120_000;

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, '..', 'orkee_jupyter', 'widget', 'static');
const shared = {
  bundle: true,
  minify: true,
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning'
};

await mkdir(target, { recursive: true });
await build({
  ...shared,
  entryPoints: [join(here, 'src', 'widget.ts')],
  format: 'esm',
  // Calls of h() are shorter than those of the automatic runtime, by some 2 kB in all.
  tsconfigRaw: {
    compilerOptions: { jsx: 'react', jsxFactory: 'h', jsxFragmentFactory: 'Fragment' }
  },
  // The one package in it, whose licence (MIT) asks for this line; the text is Preact's LICENSE.
  banner: { js: '/* Contains Preact, MIT licence, (c) 2015-present Jason Miller */' },
  inject: [fileURLToPath(import.meta.resolve('preact'))],
  outfile: join(target, 'dashboard.js')
});
await build({
  ...shared,
  entryPoints: [join(here, 'src', 'ui', 'style.css')],
  outfile: join(target, 'dashboard.css')
});

const { size } = await stat(join(target, 'dashboard.js'));
const styles = (await stat(join(target, 'dashboard.css'))).size;
console.log(`dashboard.js: ${size} of at most ${LIMIT} bytes; dashboard.css: ${styles} bytes`);
if (size >= LIMIT) {
  console.error('The script of the widget is too large. Leave something out.');
  process.exitCode = 1;
}
