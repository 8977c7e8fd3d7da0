// Builds what runs in browsers: `node build.mjs [TARGET]`; TARGET is ../artifacts/web unless given.
//
//   TARGET/loader.js  .br  .gz    the embed loader
//   TARGET/demo.js  demo.css      the page that shows every published widget
//
// Installs the packages first when the lock file has changed. One build at a time works here; the others wait for it and then find
// nothing to do. Every file appears whole or not at all.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(process.argv[2] ?? join(here, '..', 'artifacts', 'web'));
const LOCK_WAIT_MS = 300_000;

class BuildError extends Error {}

/** Holds a folder that only one process can make. One whose maker is gone is taken over. */
async function lock(folder) {
  const owner = join(folder, 'pid');
  for (const began = Date.now(); ; ) {
    try {
      mkdirSync(folder);
      writeFileSync(owner, String(process.pid));
      return () => rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (abandoned(folder, owner)) rmSync(folder, { recursive: true, force: true });
    else if (Date.now() - began > LOCK_WAIT_MS) throw new BuildError(`another build holds ${folder}`);
    else await new Promise((done) => setTimeout(done, 100));
  }
}

function abandoned(folder, owner) {
  try {
    process.kill(Number(readFileSync(owner, 'utf8')), 0);
    return false;
  } catch (error) {
    if (error.code === 'ESRCH') return true;
    // No number in it yet: its maker is between two lines, unless it died there.
    return error.code === 'ENOENT' && existsSync(folder) && Date.now() - statSync(folder).mtimeMs > 5_000;
  }
}

function install() {
  const wanted = createHash('sha256').update(readFileSync(join(here, 'package-lock.json'))).digest('hex');
  const mark = join(here, 'node_modules', '.installed');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return;
  try {
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: here,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  } catch (error) {
    throw new BuildError(
      error.code === 'ENOENT'
        ? 'npm was not found; it comes with Node.js 20 or newer (https://nodejs.org, or: apt-get install nodejs npm).'
        : 'npm could not install the packages of web/ (its message is above). Check the network or the npm registry setting.',
    );
  }
  writeFileSync(mark, wanted);
}

function newest(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((latest, entry) => Math.max(latest, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs), 0);
}

function isCurrent(files) {
  const sources = Math.max(
    newest(join(here, 'loader', 'src')),
    newest(join(here, 'demo', 'src')),
    statSync(join(here, 'package-lock.json')).mtimeMs,
    statSync(fileURLToPath(import.meta.url)).mtimeMs,
  );
  return files.every((file) => existsSync(join(target, file)) && statSync(join(target, file)).mtimeMs >= sources);
}

function write(name, bytes) {
  const path = join(target, name);
  writeFileSync(`${path}.${process.pid}`, bytes);
  renameSync(`${path}.${process.pid}`, path);
}

async function build() {
  const { build: bundle } = await import('esbuild');
  const made = async (entry, options) =>
    (
      await bundle({
        entryPoints: [join(here, entry)],
        bundle: true,
        minify: true,
        write: false,
        charset: 'utf8',
        legalComments: 'none',
        logLevel: 'warning',
        target: ['chrome114', 'firefox125', 'safari17'],
        ...options,
      })
    ).outputFiles[0].contents;

  const loader = await made('loader/src/loader.ts', { format: 'iife' });
  write('demo.js', await made('demo/src/demo.ts', { format: 'iife' }));
  write('demo.css', await made('demo/src/demo.css', {}));
  write(
    'loader.js.br',
    brotliCompressSync(loader, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: loader.length } }),
  );
  write('loader.js.gz', gzipSync(loader, { level: 9 }));
  write('loader.js', loader);
}

try {
  mkdirSync(target, { recursive: true });
  const release = await lock(join(target, '.lock'));
  try {
    install();
    if (!isCurrent(['loader.js', 'loader.js.br', 'loader.js.gz', 'demo.js', 'demo.css'])) await build();
  } finally {
    release();
  }
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`error PLATEN002: ${error.message}`);
  process.exitCode = 1;
}
