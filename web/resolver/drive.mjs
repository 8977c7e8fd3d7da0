// Runs a resolver for a program that speaks to it in lines of JSON: one order a line on standard input, one answer a line on standard output.
//
//   { "open": options, "now": ms }   { "advance": ms }   { "jumpWall": ms }   { "follow": template }   { "ask": request }   { "askMany": request, "times": n }
//   { "render": request, "values": { name: value } }
//
// The tests drive it so against a real server; its clock is theirs.
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const bundle = await build({
  entryPoints: [join(here, 'src', 'index.ts')],
  bundle: true,
  platform: 'node',
  format: 'esm',
  write: false,
});
const { PromptRefusedError, TemplateResolver, TemplateUnresolvedError } = await import(
  `data:text/javascript;base64,${Buffer.from(bundle.outputFiles[0].contents).toString('base64')}`
);

const stop = new AbortController();
let resolver;
let now = 0;
let elapsed = 0;
let failure;

async function carryOut(order) {
  if (order.open !== undefined) {
    resolver?.close();
    now = order.now ?? now;
    resolver = new TemplateResolver({ ...order.open, now: () => now, elapsed: () => elapsed });
    return {};
  }
  if (order.advance !== undefined) {
    now += order.advance;
    elapsed += order.advance;
    return {};
  }
  if (order.jumpWall !== undefined) {
    now += order.jumpWall;
    return {};
  }
  if (order.follow !== undefined) {
    resolver.follow(order.follow, stop.signal).then(
      () => (failure = new Error('The stream ended.')),
      (error) => (failure = error),
    );
    return {};
  }
  if (failure !== undefined) throw failure;
  if (order.askMany !== undefined) {
    const all = await Promise.all(Array.from({ length: order.times }, () => resolver.resolve(order.askMany)));
    return { texts: [...new Set(all.map((one) => one.text))] };
  }
  if (order.render !== undefined) {
    try {
      const { text, estimatedTokens, sizeBytes, prompt } = await resolver.render(order.render, order.values);
      return { text, tokens: estimatedTokens, bytes: sizeBytes, version: prompt.version };
    } catch (error) {
      if (!(error instanceof PromptRefusedError)) throw error;
      return { ...error.refusal };
    }
  }
  try {
    const { text, source, pointerSource, rule, version, isPinned, isStale } = await resolver.resolve(order.ask);
    return { text, source, pointer: pointerSource, rule, version, pinned: isPinned, stale: isStale };
  } catch (error) {
    if (!(error instanceof TemplateUnresolvedError)) throw error;
    return { fails: true, disabled: error.isDisabled, message: error.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await carryOut(JSON.parse(line)))}\n`);
}
stop.abort();
resolver?.close();
