// What Lighthouse says of the pages: `node lighthouse.mjs SERVER [ROUNDS] [ID…]`, with a server that has its samples published.
//
// Each page is opened in Chromium as Lighthouse opens it (a phone, a slow network, both simulated), ROUNDS times, and the median of each of
// its four scores counts. Exit code 1 when one is below 95; LEAST_PERFORMANCE is another bound for the first, on a machine that does other
// things. CHROME_PATH names the browser; else /usr/bin/chromium.
//
// Lighthouse reads /robots.txt as the page, which these pages' policy (default-src 'none') forbids it: it calls every one of them invalid
// (a search score of 91). That one audit is left out here, and the file is looked at by itself.
import { launch } from 'chrome-launcher';
import lighthouse from 'lighthouse';

const [server = 'http://127.0.0.1:5080', rounds = '1', ...given] = process.argv.slice(2);
const LEAST = { performance: Number(process.env.LEAST_PERFORMANCE ?? 95), others: 95 };
const TRIES = 3;
const CATEGORIES = ['performance', 'accessibility', 'best-practices', 'seo'];

const types = (await (await fetch(new URL('/widgets/manifest.json', server))).json()).widgetTypes.map(({ type }) => type);
const ids = given.length > 0 ? given : types.map((type) => `wgt_main_${type}`);
const browser = await launch({
  chromePath: process.env.CHROME_PATH ?? '/usr/bin/chromium',
  chromeFlags: ['--headless=new', '--no-sandbox', '--disable-background-networking', '--disable-dev-shm-usage'],
});
const robots = await fetch(new URL('/robots.txt', server));
if (robots.status !== 200 || !/^User-agent: \*$/m.test(await robots.text())) throw new Error(`/robots.txt: ${robots.status}`);
const median = (values) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
let low = 0;
try {
  console.log(['page', ...CATEGORIES].join('\t'));
  for (const id of ids) {
    const runs = [];
    for (let round = 0; round < Number(rounds); round++) {
      let lhr;
      // A browser that a busy machine kept from painting has judged nothing: it looks again.
      for (let tries = 0; tries < TRIES && (!lhr || lhr.runtimeError); tries++)
        ({ lhr } = await lighthouse(new URL(`/e/${id}`, server).href, { port: browser.port, logLevel: 'error', onlyCategories: CATEGORIES, skipAudits: ['robots-txt'] }));
      if (lhr.runtimeError) throw new Error(`${id}: ${lhr.runtimeError.code}`);
      runs.push(lhr);
    }
    const scores = CATEGORIES.map((category) => median(runs.map((run) => Math.round(run.categories[category].score * 100))));
    console.log([id, ...scores].join('\t'));
    low += scores.filter((score, at) => score < (LEAST[CATEGORIES[at]] ?? LEAST.others)).length;
    for (const category of CATEGORIES) {
      for (const { id: audit, weight } of runs[0].categories[category].auditRefs) {
        const { score, title } = runs[0].audits[audit] ?? { score: null };
        if (weight > 0 && score !== null && score < 0.9) console.log(`  ${category}: ${title} (${audit}: ${score})`);
      }
    }
  }
} finally {
  await browser.kill();
}
process.exitCode = low === 0 ? 0 : 1;
