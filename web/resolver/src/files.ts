import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { tryRead } from './cache';
import type { Artifact } from './models';
import { isDigest, isKind, isLocale, isPath } from './names';
import { readVariables, variablesOf } from './prompts';
import { digestOf } from './selection';
import { compareVersions, parseVersion, type Version } from './versions';

/** A bundle in the files folder. */
export interface LocalBundle {
  readonly folder: string;
  readonly version: Version | undefined;
  readonly artifacts: readonly Artifact[];
}

/** The bundles of a folder: `{template}/manifest.json`, `{template}/{version}/manifest.json`, or one `manifest.json`. */
export class LocalBundles {
  constructor(
    private readonly folder: string,
    private readonly warn: (message: string) => void,
  ) {}

  /** Every readable bundle of the template, the highest version first, those without a version last. */
  async find(template: string): Promise<LocalBundle[]> {
    const own = join(this.folder, template);
    const places = [own];
    try {
      for (const entry of await readdir(own, { withFileTypes: true })) {
        if (entry.isDirectory() && parseVersion(entry.name) !== undefined) places.push(join(own, entry.name));
      }
    } catch (error) {
      // No folder of its own: the manifest may be right in the files folder.
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
    places.push(this.folder);
    const found: LocalBundle[] = [];
    for (const place of places) {
      const bundle = await this.tryReadBundle(place, template);
      if (bundle !== undefined) found.push(bundle);
    }
    return found.sort((a, b) =>
      a.version === undefined || b.version === undefined
        ? Number(a.version === undefined) - Number(b.version === undefined)
        : compareVersions(b.version, a.version),
    );
  }

  /** A file of the folder that has the digest, looked for where its path says. */
  async read(template: string, version: string, artifact: Artifact): Promise<Uint8Array | undefined> {
    for (const place of [join(this.folder, template), join(this.folder, template, version), this.folder]) {
      const bytes = await tryRead(join(place, artifact.path));
      if (bytes === undefined) continue;
      const actual = digestOf(bytes);
      if (actual === artifact.digest) return bytes;
      // The file of another version may be just what it should be.
      if ((await this.tryReadBundle(place, template))?.version?.text !== version) continue;
      this.warn(`${join(place, artifact.path)} holds ${actual} instead of ${artifact.digest}`);
    }
    return undefined;
  }

  private async tryReadBundle(place: string, template: string): Promise<LocalBundle | undefined> {
    const bytes = await tryRead(join(place, 'manifest.json'));
    if (bytes === undefined) return undefined;
    const refuse = (why: string): undefined => {
      this.warn(`${join(place, 'manifest.json')} is broken: ${why}`);
      return undefined;
    };
    let manifest: { template?: unknown; version?: unknown; artifacts?: unknown };
    try {
      manifest = JSON.parse(bytes.toString('utf8')) as typeof manifest;
    } catch (error) {
      return refuse(`not JSON: ${String(error)}`);
    }
    // A manifest right in the folder may be another template's.
    if (manifest.template != null ? manifest.template !== template : place === this.folder) return undefined;
    const version = typeof manifest.version === 'string' ? parseVersion(manifest.version) : undefined;
    if (manifest.version != null && version === undefined) return refuse(`'${String(manifest.version)}' is no version`);
    if (!Array.isArray(manifest.artifacts) || manifest.artifacts.length === 0) return refuse('it lists no artifacts');
    const artifacts: Artifact[] = [];
    for (const one of manifest.artifacts as Record<string, unknown>[]) {
      const { kind, path, role, locale, contentType, digest, variables } = one;
      if (!isKind(kind) || !isPath(path) || (locale != null && !isLocale(locale)) || (digest != null && !isDigest(digest))) {
        return refuse(`an artifact has a kind, path, locale or digest that none has (${String(path)})`);
      }
      const content = digest == null ? await tryRead(join(place, path)) : undefined;
      if (digest == null && content === undefined) continue;
      const declared = variables == null ? undefined : readVariables(variables);
      if (variables != null && declared === undefined) return refuse(`${path} declares variables that none has`);
      // What declares nothing declares what its text names, as on the server.
      const inferred = typeof role === 'string' && content !== undefined ? variablesOf(content.toString('utf8')).map((name) => ({ name })) : [];
      artifacts.push({
        kind,
        path,
        role: typeof role === 'string' ? role : undefined,
        locale: locale ?? undefined,
        contentType: typeof contentType === 'string' ? contentType : 'application/octet-stream',
        digest: digest ?? digestOf(content!),
        sizeBytes: content?.length ?? 0,
        variables: declared ?? inferred,
      });
    }
    return { folder: place, version, artifacts };
  }
}
