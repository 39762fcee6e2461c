/**
 * Builds the extension for JupyterLab: our own modules become one, which JupyterLab's builder
 * then makes into what its pages load. What JupyterLab has itself is not in it.
 */

import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

await build({
  absWorkingDir: here,
  entryPoints: ['src/lab/index.ts'],
  outfile: 'lib/index.js',
  bundle: true,
  packages: 'external',
  format: 'esm',
  target: 'es2022',
  loader: { '.css': 'empty' }, // the page gets it as `style` of package.json
  logLevel: 'warning'
});

const builder = require.resolve('@jupyter/builder/package.json').replace('package.json', 'lib/build-labextension.js');
const core = require.resolve('@jupyterlab/core-meta/core.package.json');
const { status } = spawnSync(process.execPath, [builder, '--core-package-file', core, here], {
  cwd: here,
  stdio: ['ignore', process.argv.includes('--quiet') ? 'ignore' : 'inherit', 'inherit']
});
if (status !== 0) {
  process.exit(status ?? 1);
}

const output = join(here, '..', 'orkee_jupyter', 'labextension', 'static');
const bytes = readdirSync(output)
  .filter((name) => name.endsWith('.js'))
  .reduce((sum, name) => sum + statSync(join(output, name)).size, 0);
console.log(`JupyterLab's bundle: ${(bytes / 1000).toFixed(1)} kB of script`);
