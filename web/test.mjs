// The tests of web/: `node test.mjs`. Needs what build.mjs has installed. Bundles every *.test.ts, and has Node run them.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, '..', 'artifacts', 'web', `test.${process.pid}`);
const tests = ['loader', 'demo', 'resolver']
  .flatMap((name) => readdirSync(join(here, name), { recursive: true }).map((file) => join(here, name, file)))
  .filter((file) => file.endsWith('.test.ts'));

mkdirSync(target, { recursive: true });
try {
  await build({
    entryPoints: tests,
    outdir: target,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    sourcemap: 'inline',
    define: { REPOSITORY: JSON.stringify(join(here, '..')) },
  });
  const files = readdirSync(target, { recursive: true }).filter((file) => file.endsWith('.mjs'));
  const run = spawnSync(
    process.execPath,
    ['--enable-source-maps', '--test', '--test-reporter=tap', ...files.map((file) => join(target, file))],
    { stdio: 'inherit' },
  );
  process.exitCode = run.status ?? 1;
} finally {
  rmSync(target, { recursive: true, force: true });
}
