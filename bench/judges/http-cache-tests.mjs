// What shared caches do with the fields of our answers, judged by the public suite of https://cache-tests.fyi: `node http-cache-tests.mjs CHECKOUT
// [SERVER]`, with CHECKOUT a folder with the suite's repository (github.com/http-tests/cache-tests; nothing needs installing) and SERVER one that
// has its samples published. With PLATEN_KEY, an owner's, what is not public is looked at as well; that publishes an instance in a workspace
// of its own.
//
// The suite brings its origin, so it judges caches and no server. Here it judges nginx and Varnish, as docs/operating/delivery.md has them,
// twice: with its own tests, which says what the caches are worth, and then with tests in its format whose answers have the fields that SERVER
// sends, field by field as they are read from it. Exit code 1 when an answer of ours is reused where it must not be, or arrives changed.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [checkout, server = 'http://127.0.0.1:5080'] = process.argv.slice(2);
const suite = (path) => import(pathToFileURL(join(checkout, path)).href);

/** Runs tests against a cache in a process of its own, because the suite remembers what it ran. */
if (process.env.CACHE_TESTS) {
  const { runTests, getResults } = await suite('test-engine/client/runner.mjs');
  const { default: own } = await suite('tests/index.mjs');
  const given = readFileSync(process.env.CACHE_TESTS, 'utf8');
  await runTests(given ? JSON.parse(given) : own, false, process.env.CACHE_BASE);
  writeFileSync(process.env.CACHE_RESULTS, JSON.stringify(getResults()));
  process.exit(0);
}

/** Fields that belong to a message and not to what it says. */
const OF_THE_MESSAGE = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'content-encoding', 'server']);

/** What a cache says for itself: it is not looked whether it arrives as it was sent. */
const OF_THE_CACHE = new Set(['accept-ranges', 'via', 'age']);

/** What the server answers: its status, and its fields as they came. */
function ask(path, fields = {}, method = 'GET', body = undefined) {
  return new Promise((done, fail) => {
    const call = request(new URL(path, server), { method, headers: { 'Accept-Encoding': 'identity', ...fields }, agent: false }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        const headers = [];
        for (let at = 0; at < answer.rawHeaders.length; at += 2)
          if (!OF_THE_MESSAGE.has(answer.rawHeaders[at].toLowerCase()))
            headers.push([answer.rawHeaders[at], answer.rawHeaders[at + 1], !OF_THE_CACHE.has(answer.rawHeaders[at].toLowerCase())]);
        done({ status: answer.statusCode, reason: answer.statusMessage, headers, text: Buffer.concat(parts).toString() });
      });
    });
    call.on('error', fail);
    call.end(body);
  });
}

const fieldOf = ({ headers }, name) => headers.find(([one]) => one.toLowerCase() === name)?.[1] ?? '';

async function subjects() {
  const page = '/e/wgt_main_forms.contact';
  const artifact = JSON.parse((await ask('/w/wgt_main_forms.contact/manifest.json')).text).locales.en.artifact;
  const { pinned } = JSON.parse((await ask('/embed/v1/manifest.json')).text).loader;
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const found = {
    page: await ask(page),
    'page-in-a-language': await ask(`${page}?locale=de`),
    manifest: await ask('/w/wgt_main_forms.contact/manifest.json'),
    artifact: await ask(artifact),
    loader: await ask('/embed/v1/loader.js'),
    'pinned-loader': await ask(pinned),
    'not-there': await ask('/e/wgt_curated_never-published'),
    'not-there-for-a-program': await ask('/w/wgt_curated_never-published/manifest.json'),
    'no-coding-left': await ask(page, { 'Accept-Encoding': 'identity;q=0, *;q=0' }),
    'condition-fails': await ask(page, { 'If-Match': '"another"' }),
    'only-read': await ask(page, {}, 'PUT'),
    'form-goes-back': await ask('/s/wgt_main_forms.contact', form, 'POST', 'email=nobody'),
  };
  const key = process.env.PLATEN_KEY;
  if (key) {
    const bearer = { Authorization: `Bearer ${key}` };
    found['page-for-a-key'] = await ask(page, bearer);
    const write = async (method, path, body, fields = {}) => {
      const answer = await ask(path, { ...bearer, 'Content-Type': 'application/json', ...fields }, method, JSON.stringify(body));
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
      return JSON.parse(answer.text);
    };
    const slug = `cache-tests-${randomUUID().slice(0, 8)}`;
    await write('POST', '/v1/workspaces', { name: 'Cache tests', slug });
    const config = { heading: 'For some', items: [{ id: 'first', question: 'For whom?', answer: [{ type: 'paragraph', text: 'For some.' }] }] };
    const { publicId } = await write('POST', `/v1/workspaces/${slug}/instances`, { widgetType: 'content.faq', access: 'token', config });
    await write('PUT', `/v1/instances/${publicId}/publication`, {}, { 'If-Match': '*' });
    const { token } = await write('POST', `/v1/instances/${publicId}/embed-tokens`, { origins: ['https://www.example.org'] });
    found['not-public'] = await ask(`/e/${publicId}`, { 'X-Embed-Token': token });
    found['not-public-manifest'] = await ask(`/w/${publicId}/manifest.json`, { 'X-Embed-Token': token });
    found['not-for-you'] = await ask(`/e/${publicId}`);
  }
  return found;
}

/** Tests in the suite's format, of what must hold of an answer with these fields (RFC 9111). */
function testsOf(name, answer, notModified) {
  const control = fieldOf(answer, 'cache-control');
  const first = { response_status: [answer.status, answer.reason], response_headers: answer.headers, redirect: 'manual', setup: true };
  const tests = [];
  const add = (id, kind, what, ...requests) =>
    tests.push({ name: `${name}: ${what}`, id: `${name}-${id}`, kind, requests: [structuredClone(first), ...requests.map((one) => ({ redirect: 'manual', ...structuredClone(one) }))] });
  const same = { response_status: first.response_status, response_headers: answer.headers };
  if (/no-store|private/.test(control)) {
    add('is-not-kept', 'required', 'is given to nobody else', { ...same, expected_type: 'not_cached' });
  } else if (/max-age=0\b/.test(control)) {
    add('is-asked-for-again', 'required', 'is not reused while there is somebody to ask', { ...same, expected_type: 'not_cached' });
    add('is-validated', 'optimal', 'is asked for with its tag', { response_headers: answer.headers, expected_type: 'etag_validated' });
    if (notModified)
      add('is-freshened', 'optimal', 'is the same after a 304', { response_headers: notModified.headers, expected_type: 'etag_validated' });
    add('is-kept-for-an-outage', 'check', 'is there when nobody answers', { disconnect: true, expected_status: 200, expected_type: 'cached' });
  } else {
    add('is-reused', 'optimal', 'is reused', { ...same, expected_type: 'cached' });
  }
  if (!/no-store|private/.test(control)) {
    for (const by of fieldOf(answer, 'vary').split(/, */).filter(Boolean)) {
      const [one, other] = by.toLowerCase() === 'accept-encoding' ? ['br', 'gzip'] : ['de', 'fr'];
      tests.push({
        name: `${name}: who asks with another ${by} gets another`,
        id: `${name}-varies-by-${by.toLowerCase()}`,
        kind: 'required',
        requests: [
          { ...structuredClone(first), request_headers: [[by, one]] },
          { ...structuredClone(same), redirect: 'manual', request_headers: [[by, other]], expected_type: 'not_cached' },
        ],
      });
    }
  }
  return tests;
}

const freePort = () =>
  new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });

const running = [];
const folder = mkdtempSync(join(tmpdir(), 'cache-tests-'));
chmodSync(folder, 0o755);

function run(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'ignore', ...options });
  running.push(child);
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('exit', (code) => done(code));
  });
}

async function answers(port) {
  for (const began = Date.now(); Date.now() - began < 30_000; ) {
    try {
      await fetch(`http://127.0.0.1:${port}/README.md`);
      return;
    } catch {
      await new Promise((done) => setTimeout(done, 100));
    }
  }
  throw new Error(`nothing answers at ${port}`);
}

// As in tests/Platen.Acceptance/CacheInFrontTests.cs: as the manuals begin.
async function nginx(port, origin) {
  const home = join(folder, `nginx-${port}`);
  const conf = `${home}.conf`;
  writeFileSync(
    conf,
    `pid ${home}.pid; error_log ${home}.log; daemon off; events {}
     http { access_log off; proxy_cache_path ${home} keys_zone=pages:1m;
       server { listen 127.0.0.1:${port}; location / {
         proxy_pass http://127.0.0.1:${origin}; proxy_set_header Host $host; proxy_cache pages; proxy_cache_revalidate on; } } }`,
  );
  run('nginx', ['-p', folder, '-c', conf]);
}

async function varnish(port, origin, rules = '') {
  const vcl = join(folder, `varnish-${port}.vcl`);
  writeFileSync(vcl, `vcl 4.1;\n${rules}\nbackend default { .host = "127.0.0.1"; .port = "${origin}"; }\n`);
  run('varnishd', ['-F', '-n', join(folder, `varnish-${port}`), '-a', `127.0.0.1:${port}`, '-f', vcl, '-s', 'malloc,64m', '-t', '0', '-p', 'http_gzip_support=off', '-j', 'none']);
}

const manual = readFileSync(fileURLToPath(new URL('../../docs/operating/delivery.md', import.meta.url)), 'utf8');
const rules = manual.split('```vcl\n')[1].split('```')[0];
const caches = { nginx, varnish, 'varnish, stale-if-error': (port, origin) => varnish(port, origin, rules) };

try {
  const { determineTestResult, resultTypes } = await suite('test-engine/lib/results.mjs');
  const { default: own } = await suite('tests/index.mjs');
  const found = await subjects();
  const tag = fieldOf(found.page, 'etag');
  const notModified = await ask('/e/wgt_main_forms.contact', { 'If-None-Match': tag });
  const ours = [{ name: 'Platen', id: 'platen', tests: Object.entries(found).flatMap(([name, answer]) => testsOf(name, answer, name === 'page' ? notModified : undefined)) }];
  for (const [name, answer] of Object.entries(found)) console.log(`${name}\t${answer.status}\t${fieldOf(answer, 'cache-control')}\tVary: ${fieldOf(answer, 'vary')}`);

  const origin = await freePort();
  run('node', ['test-engine/server/server.mjs'], {
    cwd: checkout,
    env: { ...process.env, npm_config_protocol: 'http', npm_config_port: String(origin), npm_config_pidfile: join(folder, 'origin.pid') },
  });
  await answers(origin);
  let failed = 0;
  for (const [cache, start] of Object.entries(caches)) {
    const port = await freePort();
    await start(port, origin);
    await answers(port);
    for (const [what, tests] of [
      ['the suite', own],
      ['our fields', ours],
    ]) {
      const [input, output] = ['tests', 'results'].map((name) => join(folder, `${name}-${port}.json`));
      writeFileSync(input, tests === own ? '' : JSON.stringify(ours));
      const code = await run('node', ['--no-warnings', fileURLToPath(import.meta.url), checkout], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, CACHE_TESTS: input, CACHE_RESULTS: output, CACHE_BASE: `http://127.0.0.1:${port}` },
      });
      if (code !== 0) throw new Error(`the suite ended with ${code}`);
      const results = JSON.parse(readFileSync(output, 'utf8'));
      const by = Object.fromEntries(Object.keys(resultTypes).map((type) => [type, []]));
      for (const { tests: all } of tests) {
        for (const { id } of all) {
          const type = Object.keys(resultTypes).find((one) => resultTypes[one] === determineTestResult(tests, id, results));
          by[type].push(type === 'pass' || type === 'yes' || tests === own ? id : `${id} (${results[id][1]})`);
        }
      }
      console.log(`\n${cache}, ${what}: ${Object.entries(by).filter(([, ids]) => ids.length > 0).map(([type, ids]) => `${type} ${ids.length}`).join(', ')}`);
      for (const type of tests === own ? ['fail', 'setup_fail'] : ['yes', 'no', 'optional_fail', 'fail', 'setup_fail', 'harness_fail', 'retry'])
        if (by[type].length > 0) console.log(`  ${type}: ${by[type].join(', ')}`);
      if (tests !== own) failed += by.fail.length + by.setup_fail.length + by.harness_fail.length + by.retry.length;
    }
  }
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  for (const child of running) if (child.exitCode === null) child.kill('SIGTERM');
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}
