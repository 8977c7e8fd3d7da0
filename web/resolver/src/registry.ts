import { readResolution, MalformedError } from './answers';
import type { Resolution } from './models';
import { digestOf } from './selection';

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

  /** Each event of the template's stream from now on, until the signal or the connection ends. */
  async *events(template: string, signal: AbortSignal): AsyncGenerator<void> {
    let response = await this.openEvents(template, 0, signal);
    if (response.status === 410) {
      // Old events are removed in time. What was missed may have been a move, so it counts as an event.
      response = await this.openEvents(template, headOf(await readAll(response)), signal);
      yield;
    }
    if (!response.ok || response.body === null) throw new RegistryError(`${response.status} to the template's events`, 'gone');
    let isEvent = false;
    let rest = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines.map((one) => one.replace(/\r$/, ''))) {
        if (line.startsWith('data')) isEvent = true;
        else if (line === '' && isEvent) {
          isEvent = false;
          yield;
        }
      }
    }
  }

  private openEvents(template: string, after: number, signal: AbortSignal): Promise<Response> {
    return fetch(`${this.base}/v1/templates/${template}/events`, {
      headers: { Authorization: `Bearer ${this.key}`, Accept: 'text/event-stream', 'Last-Event-ID': String(after) },
      redirect: 'error',
      signal,
    });
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
