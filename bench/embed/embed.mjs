// Frames or shadow roots? `node embed.mjs SERVER [ROUNDS]`, with a server that has its samples published.
//
// The same published page is put into a foreign page N times: by the embed loader, which frames it, and by the other way there is,
// which fetches it, takes its style and its body apart and puts them into a shadow root. For each: how long until its text is painted,
// what the browser's processes weigh together, what was asked over the network. Each answer is delayed by 40 ms, as a network does.
// The browser is driven by playwright-core, which the repository does not hold: npm install --no-save playwright-core@1.65.1
import { createServer, request } from 'node:http';
import { readFileSync, readdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const server = new URL(process.argv[2] ?? 'http://127.0.0.1:5080');
const rounds = Number(process.argv[3] ?? 7);
const DELAY_MS = 40;
const ID = 'wgt_main_content.faq';

const slow = createServer((ask, answer) => {
  if (ask.url === '/shadow.js') {
    setTimeout(() => answer.writeHead(200, { 'content-type': 'text/javascript' }).end(shadow()), DELAY_MS);
    return;
  }
  const onward = request({ host: server.hostname, port: server.port, path: ask.url, headers: ask.headers }, (response) => {
    setTimeout(() => {
      answer.writeHead(response.statusCode, { ...response.headers, 'access-control-allow-origin': '*' });
      response.pipe(answer);
    }, DELAY_MS);
  });
  ask.pipe(onward);
}).listen(0, '127.0.0.1');
await new Promise((done) => slow.once('listening', done));
const platen = `http://127.0.0.1:${slow.address().port}`;

// As the loader would do it; what it leaves out would only make it slower.
const shadow = () => `
  const put = async (element) => {
    const text = await (await fetch('${platen}/e/${ID}')).text();
    const page = new DOMParser().parseFromString(text, 'text/html');
    const root = element.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(page.querySelector('style').textContent.replaceAll(':root', ':host'));
    root.adoptedStyleSheets = [sheet];
    root.append(...page.body.childNodes);
    requestAnimationFrame(() => setTimeout(() => painted.push(performance.now())));
  };
  for (const element of document.querySelectorAll('platen-widget')) put(element);`;

const page = (way, count) => `<!doctype html><title>Host</title><script nonce="x">painted = []</script>
  ${`<platen-widget public-id="${ID}" loading="eager"></platen-widget>`.repeat(count)}
  <script async src="${platen}/${way === 'frame' ? 'embed/v1/loader.js' : 'shadow.js'}"></script>`;
const host = createServer((ask, answer) => {
  const [, way, count] = ask.url.split('/');
  const strict = `default-src 'none'; script-src 'nonce-x' ${platen}/; frame-src ${platen}; require-trusted-types-for 'script'; trusted-types 'none'`;
  answer.writeHead(200, { 'content-type': 'text/html', ...(ask.url.endsWith('/strict') ? { 'content-security-policy': strict } : {}) });
  answer.end(page(way, Number(count)));
}).listen(0, 'localhost');
await new Promise((done) => host.once('listening', done));

/** Proportional set size of the browser and everything it started, in MiB. */
function memory(root) {
  const parents = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      parents.set(Number(name), Number(/\) \w (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))[1]));
    } catch {
      continue; // It has ended between the two lines.
    }
  }
  const within = (pid) => pid === root || (parents.has(pid) && within(parents.get(pid)));
  let sum = 0;
  for (const pid of parents.keys()) {
    if (!within(pid)) continue;
    try {
      sum += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]);
    } catch {
      continue;
    }
  }
  return sum / 1024;
}

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
const nothing = [];
for (const count of [0, 1, 5, 20]) {
  for (const way of count ? ['frame', 'shadow'] : ['shadow']) {
    const first = [];
    const last = [];
    const weight = [];
    let requests = 0;
    for (let round = 0; round < rounds; round++) {
      const launched = await chromium.launchServer({
        executablePath: '/usr/bin/chromium',
        args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
      });
      const browser = await chromium.connect(launched.wsEndpoint());
      const tab = await (await browser.newContext({ viewport: { width: 1000, height: 800 } })).newPage();
      requests = 0;
      tab.on('request', (request) => (requests += request.url().startsWith(platen) ? 1 : 0));
      await tab.goto(`http://localhost:${host.address().port}/${way}/${count}`);
      if (count) {
        const origin = await tab.evaluate('performance.timeOrigin');
        const times =
          way === 'shadow'
            ? await tab.waitForFunction((n) => painted.length === n && painted, count).then((handle) => handle.jsonValue())
            : await frames(tab, count, origin);
        first.push(Math.min(...times));
        last.push(Math.max(...times));
      }
      await tab.waitForLoadState('networkidle');
      weight.push(memory(launched.process().pid));
      await browser.close();
      await launched.close();
    }
    if (!count) nothing.push(median(weight));
    else
      console.log(
        `${String(count).padStart(2)} ${way.padEnd(6)} first painted ${median(first).toFixed(0).padStart(4)} ms, ` +
          `last ${median(last).toFixed(0).padStart(4)} ms, ${requests} requests, +${(median(weight) - nothing[0]).toFixed(0)} MiB`,
      );
  }
}

const launched = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
for (const way of ['frame', 'shadow']) {
  const tab = await launched.newPage();
  const said = [];
  tab.on('console', (message) => said.push(message.text()));
  tab.on('pageerror', (error) => said.push(error.message));
  await tab.goto(`http://localhost:${host.address().port}/${way}/1/strict`);
  await tab.waitForLoadState('networkidle');
  console.log(`in a strict page, ${way}: ${said.length ? said[0].slice(0, 160) : 'no complaint'}`);
}
await launched.close();

/** When each frame in view, or else each frame, had its text; in the time of the page around. */
async function frames(tab, count, origin) {
  await tab.waitForFunction((n) => document.querySelectorAll('platen-widget').length === n && customElements.get('platen-widget') !== undefined, count);
  const times = [];
  while (times.length < count) {
    times.length = 0;
    for (const frame of tab.frames().filter((one) => one !== tab.mainFrame())) {
      // What is out of sight is not painted; that its text is there counts for it.
      const at = await frame
        .evaluate(() => {
          const paint = performance.getEntriesByName('first-contentful-paint')[0];
          const done = performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd;
          return document.readyState === 'complete' && performance.timeOrigin + (paint?.startTime ?? done);
        })
        .catch(() => 0);
      if (at) times.push(at - origin);
    }
  }
  return times;
}

host.close();
slow.close();
