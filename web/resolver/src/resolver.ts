import { DiskCache, tryRead, type KeptPointer } from './cache';
import { readResolution, MalformedError } from './answers';
import { LocalBundles, type LocalBundle } from './files';
import type { Artifact, ArtifactRequest, ByteSource, PointerSource, Resolution, ResolvedArtifact, Trial } from './models';
import { isTemplateName } from './names';
import { Pause } from './pause';
import { estimateTokens, includesOf, PromptRefusedError, render, type RenderedPrompt } from './prompts';
import { Registry, RegistryError } from './registry';
import { cacheName, chooseArtifact, digestOf, isCandidate } from './selection';
import { highestIn, isRange, parseVersion } from './versions';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a resolver finds things. The defaults use files only. */
export interface TemplateResolverOptions {
  /** The registry's address and a machine key with the scope `templates:read`. */
  readonly registry?: { readonly server: string | URL; readonly key: string };
  /** Whether the registry is asked at all. Default: what `FEATURE_TEMPLATE_VERSION_REMOTE_STORAGE` says; else false. */
  readonly useRegistry?: boolean;
  /** A folder that keeps answers and files over restarts; any number of processes may share it. It need not be writable. */
  readonly cacheFolder?: string;
  /** A folder with bundles: `{template}/manifest.json`, `{template}/{version}/manifest.json`, or one `manifest.json`. */
  readonly filesFolder?: string;
  /** Whether other bytes may stand in when no source has the pinned ones; `isPinned` is then false. Default false. */
  readonly allowUnpinnedFallback?: boolean;
  /** Where this program runs, such as `production`: pins may hold there. */
  readonly environment?: string;
  /** How old an answer may be without asking whether it still holds. Default 750: with the question itself, a rollback is seen within a second. */
  readonly revalidateAfterMs?: number;
  /** How old an answer may be to be used while it is asked anew. Default 24 hours. */
  readonly freshnessMs?: number;
  /** How long one question to the registry may take. Default 3,000. */
  readonly attemptTimeoutMs?: number;
  /** The longest pause after the registry could not be reached; it begins with 100. Default 10,000. */
  readonly longestPauseMs?: number;
  /** How long a registry that is only too busy is asked again when no other source has an answer. Default 10,000. */
  readonly patienceMs?: number;
  /** Bytes of files kept in memory; the longest unused go first. Default 64 MiB. */
  readonly memoryBytes?: number;
  /** Milliseconds since 1970: only for what is kept in the cache folder. Default `Date.now`. */
  readonly now?: () => number;
  /** Milliseconds that no setting of a clock changes: for ages and pauses. Default `performance.now`. */
  readonly elapsed?: () => number;
  /** Hears "resolved from …" for each result, and what went wrong. */
  readonly log?: (level: 'info' | 'warn', message: string) => void;
}

const REVALIDATE_AFTER_MS = 750;

/** No source has it, or an operator has switched it off. */
export class TemplateUnresolvedError extends Error {
  constructor(
    message: string,
    /** What each source said. */
    readonly attempts: readonly string[],
    readonly isDisabled = false,
  ) {
    super(attempts.length === 0 ? message : `${message} (${attempts.join('; ')})`);
    this.name = 'TemplateUnresolvedError';
  }
}

interface Pointer {
  readonly source: PointerSource;
  readonly resolution: Resolution | undefined;
  readonly disabledBecause: string | undefined;
  readonly tag: string | undefined;
  /** By the clock that nobody sets. */
  readonly confirmedAt: number;
  readonly isStale: boolean;
}

/** What a prompt's parts are taken from: the version that it was chosen of. */
type Bundle = Pick<Resolution, 'version' | 'artifacts'>;

const MOST_ANSWERS = 10_000;

/**
 * Gives a program the files of templates, also while the registry is gone. Two chains, joined by a digest: who says *which* version it is
 * (the registry, what it said before, the local manifest), and who has its *bytes* (memory, the cache folder, the registry's store, the files
 * folder). Every byte is held against the digest wherever it comes from. Hold one for as long as the program runs.
 */
export class TemplateResolver {
  private readonly registry: Registry | undefined;
  private readonly cache: DiskCache | undefined;
  private readonly files: LocalBundles | undefined;
  private readonly pointers = new Map<string, Pointer>();
  private readonly asking = new Map<string, Promise<Pointer>>();
  private readonly loading = new Map<string, Promise<{ bytes: Uint8Array; source: ByteSource }>>();
  private readonly memory = new Map<string, Uint8Array>();
  private readonly stopping = new AbortController();
  private readonly now: () => number;
  private readonly elapsed: () => number;
  private readonly registryPause: Pause;
  private readonly storePause: Pause;
  private memoryBytes = 0;

  constructor(private readonly options: TemplateResolverOptions) {
    const flag = process.env['FEATURE_TEMPLATE_VERSION_REMOTE_STORAGE'] ?? '';
    const warn = (message: string): void => this.warn(message);
    this.now = options.now ?? Date.now;
    this.elapsed = options.elapsed ?? (() => performance.now());
    this.registryPause = new Pause(this.elapsed, options.longestPauseMs ?? 10_000);
    this.storePause = new Pause(this.elapsed, options.longestPauseMs ?? 10_000);
    if (options.registry !== undefined && (options.useRegistry ?? ['1', 'on', 'true'].includes(flag.toLowerCase()))) {
      this.registry = new Registry(options.registry.server, options.registry.key, options.attemptTimeoutMs ?? 3_000);
    }
    if (options.cacheFolder !== undefined) this.cache = new DiskCache(options.cacheFolder, this.registry?.scope ?? 'local', warn);
    if (options.filesFolder !== undefined) this.files = new LocalBundles(options.filesFolder, warn);
  }

  /** Resolves a file. Throws `TemplateUnresolvedError` when no source has it, or it is switched off. */
  async resolve(request: ArtifactRequest): Promise<ResolvedArtifact> {
    return (await this.find(request)).artifact;
  }

  /**
   * Resolves a prompt and fills it in, with the parts that its version includes, pinned as they were when it was pushed; a part in several
   * languages comes in the one that suits the request. Throws `PromptRefusedError` when a value is missing, or is for a variable that is not
   * declared, and what `resolve` throws.
   */
  async render(request: ArtifactRequest, values: Readonly<Record<string, string>> = {}): Promise<RenderedPrompt> {
    const { artifact: prompt, bundle } = await this.find(request);
    const parts = new Map<string, string>();
    for (const name of includesOf(prompt.text)) {
      const part = await this.partOf(prompt, bundle, name, request.locale);
      if (part !== undefined) parts.set(name, part);
    }
    const rendered = render(prompt.text, prompt.artifact.variables, values, (name) => parts.get(name));
    if (typeof rendered !== 'string') {
      throw new PromptRefusedError(`${prompt.template}@${prompt.version} ${prompt.artifact.path}`, rendered);
    }
    return { prompt, text: rendered, sizeBytes: Buffer.byteLength(rendered, 'utf8'), estimatedTokens: estimateTokens(rendered) };
  }

  /** A part of the version that the prompt is of, wherever its channel has moved since; undefined when it has none. */
  private async partOf(prompt: ResolvedArtifact, { version, artifacts }: Bundle, name: string, locale: string | undefined): Promise<string | undefined> {
    const parts = artifacts.filter((one) => one.includedFrom !== undefined && one.path.startsWith(`includes/${name}/`));
    const { artifact: part } = chooseArtifact(parts.map((one) => ({ ...one, includedFrom: undefined })), { locale });
    if (part === undefined) return undefined;
    const { bytes } = await this.bytesOf(prompt.template, version, part, cacheName(part, artifacts));
    return Buffer.from(bytes).toString('utf8');
  }

  private async find(request: ArtifactRequest): Promise<{ artifact: ResolvedArtifact; bundle: Bundle }> {
    if (!isTemplateName(request.template)) throw new TemplateUnresolvedError(`'${request.template}' is not a template's name.`, []);
    const pointer = await this.pointerOf(request.template, request.version);
    const resolution = pointer.resolution!;
    const { trial } = resolution;
    const candidate =
      trial !== undefined && request.key !== undefined && isCandidate(trial.salt, request.key, trial.percentage) ? trial : undefined;
    const result = await this.load(request, pointer, resolution, candidate);
    const age = (result.ageMs / 1000).toFixed(1);
    this.options.log?.(
      'info',
      `${result.template}@${result.version} ${result.artifact.path} resolved from ${result.source} (${result.rule}; ${result.digest}; pointer from ${result.pointerSource}, ${age} s old)`,
    );
    if (result.deprecation !== undefined) {
      const { reason, successor } = result.deprecation;
      this.warn(`${result.template}@${result.version} is deprecated: ${reason ?? ''} Successor: ${successor ?? 'none'}`);
    }
    return { artifact: result, bundle: candidate ?? resolution };
  }

  /**
   * Follows the template's events, so that a move is known here as it happens, until the signal ends it, with its reason. A connection that is
   * lost is opened again where it stopped. Throws when the key may not read the template, or there is none.
   */
  async follow(template: string, signal: AbortSignal): Promise<void> {
    if (this.registry === undefined) throw new Error('There is no registry to follow: see useRegistry.');
    const either = AbortSignal.any([signal, this.stopping.signal]);
    let hasChanged = false;
    let isAsking = false;
    // However many events come while it is asked, they are one reason to ask again.
    const askWhileItChanges = async (): Promise<void> => {
      isAsking = true;
      while (hasChanged) {
        hasChanged = false;
        await this.askAnew(template);
      }
      isAsking = false;
    };
    for await (const _ of this.registry.events(template, either, (why) => this.warn(why))) {
      hasChanged = true;
      if (!isAsking) void askWhileItChanges();
    }
  }

  private async askAnew(template: string): Promise<void> {
    for (const [key, known] of this.pointers) {
      if (!key.startsWith(`${template}\n`)) continue;
      // A question that is under way may have been answered before the event.
      await this.asking.get(key)?.catch(() => undefined);
      await this.ask(key, known).catch((error: unknown) => this.warn(String(error)));
    }
  }

  /** Ends questions that are under way. */
  close(): void {
    this.stopping.abort(new Error('The resolver was closed.'));
  }

  // ---- which version: the chain of pointers

  private async pointerOf(template: string, version: string | undefined): Promise<Pointer> {
    const key = [template, version ?? '', this.options.environment ?? ''].join('\n');
    let known = this.pointers.get(key);
    const age = known === undefined ? 0 : this.elapsed() - known.confirmedAt;
    const mayBeAsked = age >= (this.options.revalidateAfterMs ?? REVALIDATE_AFTER_MS);
    if (
      known === undefined ||
      (age >= (this.options.freshnessMs ?? 86_400_000) && !known.isStale) ||
      (mayBeAsked && known.disabledBecause !== undefined)
    ) {
      known = await this.ask(key, known);
    } else if (mayBeAsked && this.registryPause.because === undefined) {
      // Whoever asks now is not made to wait; what fails is told and what is known stays in use.
      this.ask(key, known).catch((error: unknown) => this.warn(String(error)));
    }
    if (known.disabledBecause !== undefined) throw new TemplateUnresolvedError(known.disabledBecause, [], true);
    return known;
  }

  /** One question at a time for each key; whoever asks meanwhile gets the same answer. */
  private ask(key: string, known: Pointer | undefined): Promise<Pointer> {
    return single(this.asking, key, () => this.whileBusy(this.registryPause, () => this.tryAsk(key, known)));
  }

  private async tryAsk(key: string, before: Pointer | undefined): Promise<Pointer> {
    const [template, version, environment] = key.split('\n') as [string, string, string];
    const attempts: string[] = [];
    let known = before;
    if (known?.source !== 'registry') {
      // What another process, or this one before it restarted, was told.
      known = await this.readKept(template, key);
      const age = known === undefined ? 0 : this.elapsed() - known.confirmedAt;
      if (this.registry !== undefined && known !== undefined && age < (this.options.revalidateAfterMs ?? REVALIDATE_AFTER_MS)) return this.keep(key, known);
    }
    const paused = this.registryPause.because;
    const askRegistry = (): Promise<Pointer | 'no' | 'gone'> =>
      this.askRegistry(template, version || undefined, environment || undefined, key, known, attempts);
    if (this.registry !== undefined) {
      const told = paused === undefined ? await askRegistry() : 'gone';
      if (told instanceof Object) return this.keep(key, told);
      if (known !== undefined && told !== 'no') return this.keep(key, { ...known, isStale: true });
    }
    const local = await this.readLocal(template, version || undefined, attempts);
    if (local !== undefined) return this.keep(key, local);
    // Better what was so than nothing: who wants a version gone for good switches the template off.
    if (known !== undefined) return this.keep(key, { ...known, isStale: true });
    // Nobody else has an answer, so the registry is worth a question whatever it did the last time.
    if (this.registry !== undefined && paused !== undefined) {
      attempts.push(`registry: ${paused}`);
      const told = await askRegistry();
      if (told instanceof Object) return this.keep(key, told);
    }
    throw new TemplateUnresolvedError(`Nobody can say which version of '${template}' ${version || 'the default'} is.`, attempts);
  }

  private keep(key: string, pointer: Pointer): Pointer {
    if (this.pointers.size >= MOST_ANSWERS) this.pointers.clear();
    this.pointers.set(key, pointer);
    return pointer;
  }

  private async readKept(template: string, key: string): Promise<Pointer | undefined> {
    const kept = await this.cache?.readPointer(template, key);
    if (kept === undefined) return undefined;
    try {
      // From the future: one of the clocks is wrong, so it is asked again, and still used when nobody answers.
      const age = this.now() - kept.fetchedAt;
      return {
        source: 'registry',
        resolution: kept.disabledBecause === undefined ? readResolution(kept.answer) : undefined,
        disabledBecause: kept.disabledBecause,
        tag: kept.tag,
        confirmedAt: this.elapsed() - (age < 0 ? (this.options.revalidateAfterMs ?? REVALIDATE_AFTER_MS) : age),
        isStale: false,
      };
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      return undefined;
    }
  }

  /** What the registry says now; `no` when it has no such version, `gone` when it cannot be asked. */
  private async askRegistry(
    template: string,
    version: string | undefined,
    environment: string | undefined,
    key: string,
    known: Pointer | undefined,
    attempts: string[],
  ): Promise<Pointer | 'no' | 'gone'> {
    const confirmed = { source: 'registry', disabledBecause: undefined, confirmedAt: this.elapsed(), isStale: false } as const;
    try {
      const told = await this.registry!.resolve(template, version, environment, known?.tag, this.stopping.signal);
      this.registryPause.end();
      const pointer: Pointer =
        told === 'unchanged'
          ? { ...known!, confirmedAt: confirmed.confirmedAt, isStale: false }
          : { ...confirmed, resolution: told.resolution, tag: told.tag };
      await this.keepOnDisk(template, key, pointer);
      return pointer;
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (error.kind === 'disabled') {
        this.registryPause.end();
        const disabled: Pointer = { ...confirmed, resolution: undefined, disabledBecause: error.message, tag: undefined };
        await this.keepOnDisk(template, key, disabled);
        return disabled;
      }
      attempts.push(`registry: ${error.message}`);
      if (error.kind === 'no') {
        this.registryPause.end();
        return 'no';
      }
      this.registryPause.begin(error);
      this.warn(`${template}: the registry cannot be asked, so what is known is used: ${error.message}`);
      return 'gone';
    }
  }

  private async keepOnDisk(template: string, key: string, pointer: Pointer): Promise<void> {
    const kept: KeptPointer = {
      fetchedAt: this.now() - (this.elapsed() - pointer.confirmedAt),
      tag: pointer.tag,
      answer: pointer.resolution,
      disabledBecause: pointer.disabledBecause,
    };
    await this.cache?.writePointer(template, key, kept);
  }

  private async readLocal(template: string, version: string | undefined, attempts: string[]): Promise<Pointer | undefined> {
    if (this.files === undefined) {
      attempts.push('files: no folder was given');
      return undefined;
    }
    const chosen = this.chooseLocal(await this.files.find(template), version);
    if (typeof chosen === 'string') {
      attempts.push(`files: ${chosen}`);
      return undefined;
    }
    const { bundle, rule, why } = chosen;
    return {
      source: 'local-manifest',
      resolution: { version: bundle.version?.text ?? '0.0.0', rule, explanation: why, artifacts: bundle.artifacts },
      disabledBecause: undefined,
      tag: undefined,
      confirmedAt: this.elapsed(),
      isStale: false,
    };
  }

  private chooseLocal(
    bundles: readonly LocalBundle[],
    asked: string | undefined,
  ): { bundle: LocalBundle; rule: string; why: string } | string {
    const first = bundles[0];
    if (first === undefined) return 'no readable manifest.json of it';
    const rule = 'local-manifest';
    const says = first.version?.text ?? 'no version';
    if (asked === undefined) return { bundle: first, rule, why: `the local manifest says ${says}` };
    if (parseVersion(asked) !== undefined) {
      const same = bundles.find((one) => one.version?.text === asked);
      if (same !== undefined) return { bundle: same, rule, why: `the local manifest is of ${asked}, as asked` };
    } else if (!/^[A-Za-z]/.test(asked) && isRange(asked)) {
      const highest = highestIn(asked, bundles.flatMap((one) => one.version ?? []));
      const best = bundles.find((one) => one.version === highest && highest !== undefined);
      if (best !== undefined) return { bundle: best, rule, why: `the local manifest is of ${highest!.text}, the highest there is in ${asked}` };
    } else {
      return { bundle: first, rule, why: `the local manifest says ${says}; it knows no channel '${asked}'` };
    }
    const there = bundles.map((one) => one.version?.text ?? 'one without a version').join(', ');
    return this.options.allowUnpinnedFallback === true
      ? { bundle: first, rule: 'unpinned', why: `${asked} is not there; the local manifest has ${there}` }
      : `${asked} is not there, only ${there}`;
  }

  // ---- its bytes: the chain of files

  private async load(
    request: ArtifactRequest,
    pointer: Pointer,
    resolution: Resolution,
    candidate: Trial | undefined,
  ): Promise<ResolvedArtifact> {
    const all = (candidate ?? resolution).artifacts;
    const chosen = chooseArtifact(all, request);
    if (chosen.artifact === undefined) {
      const paths = chosen.paths.length > 0 ? ` (${chosen.paths.join(', ')})` : '';
      throw new TemplateUnresolvedError(`${request.template}: ${chosen.explanation}${paths}.`, []);
    }
    let { version } = candidate ?? resolution;
    let { artifact } = chosen;
    let rule = candidate === undefined ? resolution.rule : 'candidate';
    let why =
      candidate === undefined
        ? resolution.explanation
        : `the key is among the ${candidate.percentage} % on which '${candidate.channel}' tries ${candidate.version}`;
    let bytes: Uint8Array;
    let source: ByteSource;
    try {
      ({ bytes, source } = await this.bytesOf(request.template, version, artifact, cacheName(artifact, all)));
    } catch (error) {
      const other =
        error instanceof TemplateUnresolvedError && this.options.allowUnpinnedFallback === true ? await this.unpinned(request) : undefined;
      if (other === undefined) throw error;
      this.warn(`${request.template}: bytes other than the pinned ${artifact.digest} are served, as allowUnpinnedFallback allows`);
      ({ version, artifact, bytes } = other);
      [source, rule] = ['files', 'unpinned'];
      why += `; its bytes are nowhere, so those of the local manifest's ${version} are served`;
    }
    return {
      template: request.template,
      version,
      artifact,
      bytes: Uint8Array.from(bytes),
      text: Buffer.from(bytes).toString('utf8'),
      digest: artifact.digest,
      release: pointer.source === 'registry' ? (candidate ?? resolution).release : undefined,
      source,
      pointerSource: pointer.source,
      rule,
      explanation: `${why}; ${chosen.explanation}`,
      isPinned: rule !== 'unpinned',
      isStale: pointer.isStale,
      ageMs: this.elapsed() - pointer.confirmedAt,
      deprecation: (candidate ?? resolution).deprecation,
    };
  }

  private async bytesOf(
    template: string,
    version: string,
    artifact: Artifact,
    name: string,
  ): Promise<{ bytes: Uint8Array; source: ByteSource }> {
    const here = this.memory.get(artifact.digest);
    if (here !== undefined) {
      this.forget(artifact.digest);
      // Hashed each time: what is in memory can be damaged too, and a prompt is short.
      if (digestOf(here) === artifact.digest) return { bytes: this.remember(artifact.digest, here), source: 'memory' };
      this.warn(`memory holds other bytes than ${artifact.digest}: dropped, and the next source is tried`);
    }
    return single(this.loading, [template, version, artifact.digest, name].join('\n'), () =>
      this.options.allowUnpinnedFallback === true
        ? this.tryLoad(template, version, artifact, name)
        : this.whileBusy(this.storePause, () => this.tryLoad(template, version, artifact, name)),
    );
  }

  private async tryLoad(
    template: string,
    version: string,
    artifact: Artifact,
    name: string,
  ): Promise<{ bytes: Uint8Array; source: ByteSource }> {
    const attempts: string[] = [];
    const { digest } = artifact;
    const cached = await this.cache?.readFile(template, version, name, digest);
    if (cached !== undefined) return { bytes: this.remember(digest, cached), source: 'cache' };
    if (this.cache !== undefined) attempts.push('cache: has no such bytes');
    const paused = this.storePause.because;
    let fetched = paused === undefined ? await this.fetch(template, digest, attempts) : undefined;
    const local = fetched === undefined ? await this.files?.read(template, version, artifact) : undefined;
    if (fetched === undefined && local === undefined) {
      if (this.files !== undefined) attempts.push('files: have no such bytes');
      // Nobody else has them, so the store is worth a question whatever it did the last time.
      if (paused !== undefined) {
        attempts.push(`store: ${paused}`);
        fetched = await this.fetch(template, digest, attempts);
      }
    }
    const bytes = fetched ?? local;
    if (bytes === undefined) {
      throw new TemplateUnresolvedError(`No source has ${digest}, which is ${artifact.path} of ${template}@${version}.`, attempts);
    }
    await this.cache?.writeFile(template, version, name, bytes);
    return { bytes: this.remember(digest, bytes), source: fetched === undefined ? 'files' : 'store' };
  }

  private async fetch(template: string, digest: string, attempts: string[]): Promise<Uint8Array | undefined> {
    if (this.registry === undefined) return undefined;
    try {
      const bytes = await this.registry.blob(template, digest, this.stopping.signal);
      this.storePause.end();
      return bytes;
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      attempts.push(`store: ${error.message}`);
      if (error.kind === 'gone' || error.kind === 'busy') this.storePause.begin(error);
      this.warn(`${template}: ${error.message}`);
      return undefined;
    }
  }

  private async unpinned(
    request: ArtifactRequest,
  ): Promise<{ version: string; artifact: Artifact; bytes: Uint8Array } | undefined> {
    for (const bundle of (await this.files?.find(request.template)) ?? []) {
      const { artifact } = chooseArtifact(bundle.artifacts, request);
      const bytes = artifact === undefined ? undefined : await tryRead(join(bundle.folder, artifact.path));
      if (artifact === undefined || bytes === undefined) continue;
      return {
        version: bundle.version?.text ?? '0.0.0',
        artifact: { ...artifact, digest: digestOf(bytes), sizeBytes: bytes.length },
        bytes,
      };
    }
    return undefined;
  }

  // The map is in order of use: what is set last was used last.
  private remember(digest: string, bytes: Uint8Array): Uint8Array {
    this.forget(digest);
    this.memory.set(digest, bytes);
    this.memoryBytes += bytes.length;
    for (const oldest of this.memory.keys()) {
      if (this.memoryBytes <= (this.options.memoryBytes ?? 64 * 1024 * 1024)) break;
      this.forget(oldest);
    }
    return bytes;
  }

  private forget(digest: string): void {
    this.memoryBytes -= this.memory.get(digest)?.length ?? 0;
    this.memory.delete(digest);
  }

  /** Asks again what is only busy, while nothing else has an answer and patience lasts. */
  private async whileBusy<T>(pause: Pause, attempt: () => Promise<T>): Promise<T> {
    for (const began = performance.now(); ; ) {
      try {
        return await attempt();
      } catch (error) {
        const left = pause.busyForMs;
        const isPatient = performance.now() - began < (this.options.patienceMs ?? 10_000);
        if (!(error instanceof TemplateUnresolvedError) || left === undefined || !isPatient || this.stopping.signal.aborted) throw error;
        await sleep(left);
      }
    }
  }

  private warn(message: string): void {
    this.options.log?.('warn', message);
  }
}

/** One flight for each key: whoever comes while it is in the air gets what it brings. */
function single<T>(flights: Map<string, Promise<T>>, key: string, start: () => Promise<T>): Promise<T> {
  const under = flights.get(key);
  if (under !== undefined) return under;
  const flight = start().finally(() => flights.delete(key));
  flights.set(key, flight);
  return flight;
}
