import { readResolution, MalformedError } from './answers';
import type { Resolution } from './models';
import { digestOf } from './selection';
import { setTimeout as sleep } from 'node:timers/promises';

/** The registry did not do what was asked. */
export class RegistryError extends Error {
  constructor(
    message: string,
    /** `busy`: a time-out, 429 or 503. `gone`: it cannot be reached, or fails. `no`: it says that there is no such thing. */
    readonly kind: 'busy' | 'gone' | 'no' | 'disabled',
  ) {
    super(message);
  }
}

/** What the registry said: an answer, or that the known one still holds. */
export type Told = { readonly resolution: Resolution; readonly tag: string | undefined } | 'unchanged';

const ANSWER_BYTES = 16 * 1024 * 1024;
/** Three heartbeats of the server. */
const EVENT_SILENCE_MS = 45_000;
const LONGEST_EVENT_PAUSE_MS = 10_000;

/** A Platen server, asked over HTTP once for each question. */
export class Registry {
  readonly scope: string;
  private readonly base: string;

  constructor(
    server: string | URL,
    private readonly key: string,
    private readonly attemptTimeoutMs: number,
  ) {
    this.base = new URL(server).href.replace(/\/$/, '');
    this.scope = digestOf(`${this.base}\n${key}`);
  }

  async resolve(
    template: string,
    version: string | undefined,
    environment: string | undefined,
    known: string | undefined,
    signal: AbortSignal,
  ): Promise<Told> {
    const query = new URLSearchParams();
    if (version !== undefined) query.set('version', version);
    if (environment !== undefined) query.set('environment', environment);
    const { status, headers, body } = await this.get(
      `/v1/templates/${template}/resolve?${query.toString()}`,
      known === undefined ? {} : { 'If-None-Match': known },
      signal,
    );
    if (status === 304 && known !== undefined) return 'unchanged';
    const tag = headers.get('ETag') ?? undefined;
    // The tag of such an answer is its digest. One that is something else was given by whatever stands between.
    const stated = /^"([0-9a-f]{64})"$/.exec(tag ?? '')?.[1];
    if (stated !== undefined && digestOf(body) !== `sha256:${stated}`) {
      throw new RegistryError(`${this.base} answered other bytes than it said: they were changed on their way`, 'gone');
    }
    try {
      return { resolution: readResolution(JSON.parse(body.toString('utf8'))), tag };
    } catch (error) {
      if (error instanceof MalformedError || error instanceof SyntaxError) {
        throw new RegistryError(`${this.base} answered what no registry does: ${error.message}`, 'gone');
      }
      throw error;
    }
  }

  async blob(template: string, digest: string, signal: AbortSignal): Promise<Uint8Array> {
    const { body } = await this.get(`/v1/templates/${template}/blobs/${digest}`, {}, signal);
    const actual = digestOf(body);
    if (actual === digest) return body;
    throw new RegistryError(`the store's answer holds ${actual} instead of ${digest}: dropped`, 'no');
  }

  /**
   * Something for each event of the template's stream, until the signal ends it, with its reason; what happened before a connection was made is
   * one event. A connection that breaks or falls silent is opened again where it stopped, after a growing random pause. Throws when the stream
   * is refused.
   */
  async *events(template: string, signal: AbortSignal, lost: (why: string) => void): AsyncGenerator<void> {
    const cursor = { after: 0 };
    for (let failures = 0; ; ) {
      try {
        for await (const _ of this.connection(template, cursor, signal)) {
          failures = 0;
          yield;
        }
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof RegistryError) || (error.kind !== 'gone' && error.kind !== 'busy')) throw error;
        lost(`${template}: its events are followed again: ${error.message}`);
        const pauseMs = Math.min(100 * 2 ** failures++, LONGEST_EVENT_PAUSE_MS) * (0.5 + Math.random() / 2);
        await sleep(pauseMs, undefined, { signal });
      }
    }
  }

  /** One connection to the events after the cursor, which goes on with them. It ends when the cursor's events are gone, and breaks otherwise. */
  private async *connection(template: string, cursor: { after: number }, signal: AbortSignal): AsyncGenerator<void> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), EVENT_SILENCE_MS);
    try {
      const response = await fetch(`${this.base}/v1/templates/${template}/events`, {
        headers: { Authorization: `Bearer ${this.key}`, Accept: 'text/event-stream', 'Last-Event-ID': String(cursor.after) },
        redirect: 'error',
        signal: AbortSignal.any([signal, silence.signal]),
      });
      if (!response.ok || response.body === null) {
        const body = await readAll(response);
        const head = response.status === 410 ? headOf(body) : cursor.after;
        if (head === cursor.after) throw refusalOfEvents(response.status, body);
        // Old events are removed in time. What was missed may have been a move, so it counts as an event.
        cursor.after = head;
        yield;
        return;
      }
      const past = Number(response.headers.get('Stream-Revision') ?? 0);
      for await (const revision of revisionsIn(response.body, () => timer.refresh())) {
        if (revision <= cursor.after) continue;
        cursor.after = revision;
        if (revision >= past) yield;
      }
    } catch (error) {
      if (signal.aborted || error instanceof RegistryError) throw error;
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const why = silence.signal.aborted ? `nothing came for ${EVENT_SILENCE_MS} ms` : cause instanceof Error ? cause.message : String(cause);
      throw new RegistryError(`the event stream broke: ${why}`, 'gone');
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
    throw new RegistryError('the server ended the event stream', 'gone');
  }

  private async get(
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<{ status: number; headers: Headers; body: Buffer }> {
    const timeout = AbortSignal.timeout(this.attemptTimeoutMs);
    let response: Response;
    let body: Buffer;
    try {
      response = await fetch(this.base + path, {
        headers: { Authorization: `Bearer ${this.key}`, ...headers },
        redirect: 'error',
        signal: AbortSignal.any([signal, timeout]),
      });
      body = await readAll(response);
    } catch (error) {
      if (signal.aborted) throw error;
      if (timeout.aborted) throw new RegistryError(`no answer to GET ${path} within ${this.attemptTimeoutMs} ms`, 'busy');
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw new RegistryError(`${this.base} cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`, 'gone');
    }
    if (response.ok || response.status === 304) return { status: response.status, headers: response.headers, body };
    throw refusal(response.status, body.toString('utf8'));
  }
}

async function readAll(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += (chunk as Uint8Array).length;
    if (length > ANSWER_BYTES) throw new Error(`the answer is longer than ${ANSWER_BYTES} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks);
}

/** The stream's revision, which the problem `event-cursor-gone` names; 0 when whatever answered does not say. */
function headOf(body: Buffer): number {
  try {
    const problem = JSON.parse(body.toString('utf8')) as { revision?: unknown } | null;
    return typeof problem?.revision === 'number' ? problem.revision : 0;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return 0;
  }
}

/** The revisions of the events in a body of type text/event-stream. One without a revision is the server's word about the connection. */
async function* revisionsIn(body: ReadableStream<Uint8Array>, heard: () => void): AsyncGenerator<number> {
  let id = '';
  let rest = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    heard();
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines.map((one) => one.replace(/\r$/, ''))) {
      if (line.startsWith('id:')) id = line.slice(3).trim();
      else if (line === '') {
        if (/^\d+$/.test(id)) yield Number(id);
        id = '';
      }
    }
  }
}

/** What is refused for good is not asked again and again. */
function refusalOfEvents(status: number, body: Buffer): RegistryError {
  const refused = refusal(status, body.toString('utf8'));
  const isPassing = status >= 500 || status === 408 || status === 429;
  return isPassing ? refused : new RegistryError(refused.message, 'no');
}

function refusal(status: number, text: string): RegistryError {
  let problem: { type?: unknown; detail?: unknown } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    // Something in front of the registry answered: its status has to do.
  }
  const slug = typeof problem.type === 'string' ? problem.type.replace(/^.*\/problems\//, '') : '';
  const message = typeof problem.detail === 'string' ? problem.detail : `the registry answered ${status}`;
  if (slug === 'template-disabled') return new RegistryError(message, 'disabled');
  if (['not-found', 'no-such-version', 'malformed-template-name'].includes(slug)) return new RegistryError(message, 'no');
  return new RegistryError(message, status === 503 || status === 429 ? 'busy' : 'gone');
}
