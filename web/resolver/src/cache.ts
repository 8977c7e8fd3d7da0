import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestOf } from './selection';

/** After that, a file on its way into its place is one that a killed process left. */
const TEMPORARY_FOR_MS = 3_600_000;

/** What a registry answered last to a question, as the cache folder keeps it. */
export interface KeptPointer {
  readonly fetchedAt: number;
  readonly tag?: string | undefined;
  readonly answer?: unknown;
  readonly disabledBecause?: string | undefined;
}

/**
 * The cache folder, shared by any number of processes, those of Platen.Client included:
 *
 *     {template}/{version}/{kind}_{locale}        a file's bytes
 *     {template}/_pointers/{hash}.json            a line with the SHA-256 of the rest, then what the registry answered
 *
 * Everything is written beside its place and renamed into it, and hashed when it is read: what is not whole, or was changed, is dropped. A
 * folder that cannot be written is read.
 */
export class DiskCache {
  private isUnwritable = false;

  constructor(
    private readonly folder: string,
    private readonly scope: string,
    private readonly warn: (message: string) => void,
  ) {}

  async readFile(template: string, version: string, name: string, digest: string): Promise<Uint8Array | undefined> {
    const path = join(this.folder, template, version, name);
    const bytes = await tryRead(path);
    if (bytes === undefined) return undefined;
    const actual = digestOf(bytes);
    if (actual === digest) return bytes;
    this.warn(`${path} holds ${actual} instead of ${digest}: dropped, and the next source is tried`);
    await this.remove(path);
    return undefined;
  }

  writeFile(template: string, version: string, name: string, bytes: Uint8Array): Promise<void> {
    return this.write(join(this.folder, template, version, name), bytes);
  }

  async readPointer(template: string, question: string): Promise<KeptPointer | undefined> {
    const path = this.pointerPath(template, question);
    const text = (await tryRead(path))?.toString('utf8');
    if (text === undefined) return undefined;
    const line = text.indexOf('\n');
    const body = text.slice(line + 1);
    if (line > 0 && text.slice(0, line) === digestOf(body)) {
      try {
        const kept = JSON.parse(body) as Partial<KeptPointer> | null;
        if (typeof kept?.fetchedAt === 'number') return kept as KeptPointer;
      } catch {
        // Whole, and yet no JSON, or no answer: somebody else's file. Dropped like a damaged one.
      }
    }
    this.warn(`${path} in the cache is broken and was dropped`);
    await this.remove(path);
    return undefined;
  }

  writePointer(template: string, question: string, pointer: KeptPointer): Promise<void> {
    const body = JSON.stringify(pointer);
    return this.write(this.pointerPath(template, question), `${digestOf(body)}\n${body}`);
  }

  private pointerPath(template: string, question: string): string {
    const hash = digestOf(`node\n${this.scope}\n${question}`).slice(7, 39);
    return join(this.folder, template, '_pointers', `${hash}.json`);
  }

  private async write(path: string, content: Uint8Array | string): Promise<void> {
    const temporary = join(dirname(path), `.${process.pid}-${randomBytes(12).toString('hex')}.tmp`);
    try {
      const made = await mkdir(dirname(path), { recursive: true });
      if (made === undefined) await this.sweep(dirname(path));
      await writeFile(temporary, content);
      await rename(temporary, path);
      this.isUnwritable = false;
    } catch (error) {
      if (!isFileError(error)) throw error;
      await this.remove(temporary);
      if (!this.isUnwritable) this.warn(`the cache folder cannot be written: ${error.message}. It is only read until that is mended`);
      this.isUnwritable = true;
    }
  }

  private async sweep(folder: string): Promise<void> {
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      if (/^\..*\.tmp$/.test(name) && (await isOlder(path, TEMPORARY_FOR_MS))) await this.remove(path);
    }
  }

  private async remove(path: string): Promise<void> {
    try {
      await rm(path, { force: true });
    } catch (error) {
      // Read-only: it stays, and is refused again at the next reading.
      if (!isFileError(error)) throw error;
    }
  }
}

const isFileError = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && 'code' in error;

/** Whether a file was written so long ago; one that somebody has just removed was not. */
async function isOlder(path: string, ms: number): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs < Date.now() - ms;
  } catch (error) {
    if (!isFileError(error)) throw error;
    return false;
  }
}

/** The file, or undefined when it is not there or not ours to read: another source has it. */
export async function tryRead(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (!isFileError(error)) throw error;
    return undefined;
  }
}
