// Makes the package for other programs: `node pack.mjs [TARGET]` writes index.js, one file without dependencies, and its types.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(process.argv[2] ?? join(here, 'dist'));

await build({
  entryPoints: [join(here, 'src', 'index.ts')],
  outfile: join(target, 'index.js'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'warning',
});
execFileSync(
  process.execPath,
  [
    join(here, '..', 'node_modules', 'typescript', 'bin', 'tsc'),
    ...['--project', here, '--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', target],
  ],
  { stdio: 'inherit' },
);
writeFileSync(join(target, 'package.json'), `${JSON.stringify({ type: 'module' })}\n`);
