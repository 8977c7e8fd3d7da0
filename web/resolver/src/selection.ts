import { createHash } from 'node:crypto';
import { bestLanguage } from './languages';
import type { Artifact, ArtifactQuery } from './models';

/** What was found for a query. */
export type Choice =
  | { readonly artifact: Artifact; readonly explanation: string }
  | { readonly artifact: undefined; readonly paths: readonly string[]; readonly explanation: string };

/** The digest of bytes, as `sha256:` and 64 digits. */
export const digestOf = (bytes: Uint8Array | string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/**
 * Chooses among the files of a version, in the order of its manifest, as the server does: kind, role and path narrow; the locale
 * follows its fallback chain, ends at the file without a locale, and then at the locale that the manifest lists first.
 */
export function chooseArtifact(artifacts: readonly Artifact[], query: ArtifactQuery): Choice {
  const narrowed = artifacts.filter(
    (one) =>
      (query.kind === undefined || one.kind === query.kind) &&
      (query.role === undefined || one.role === query.role) &&
      (query.path === undefined || one.path === query.path) &&
      // An included file is a part of others; only its path asks for it.
      (one.includedFrom === undefined || query.path !== undefined),
  );
  const asked = (['kind', 'role', 'path'] as const)
    .filter((name) => query[name] !== undefined)
    .map((name) => `${name} '${query[name]}'`)
    .join(' and ');
  if (narrowed.length === 0) {
    const kinds = [...new Set(artifacts.filter((one) => one.includedFrom === undefined).map((one) => one.kind))];
    return { artifact: undefined, paths: [], explanation: `no artifact has ${asked}; the kinds there are: ${kinds.join(', ')}` };
  }
  const { locale, how } = chooseLocale(narrowed, query.locale);
  const found = narrowed.filter((one) => one.locale === locale);
  return found.length === 1
    ? { artifact: found[0]!, explanation: how }
    : {
        artifact: undefined,
        paths: found.map((one) => one.path),
        explanation: `${found.length} artifacts have ${asked || 'no kind, role or path given'}: say which by kind, role or path`,
      };
}

function chooseLocale(
  narrowed: readonly Artifact[],
  wanted: string | undefined,
): { locale: string | undefined; how: string } {
  const available = [...new Set(narrowed.map((one) => one.locale).filter((one) => one !== undefined))];
  const best = wanted ? bestLanguage(wanted, available) : undefined;
  if (best !== undefined) return { locale: best, how: `locale ${best} for ${wanted}` };
  if (narrowed.some((one) => one.locale === undefined)) {
    return { locale: undefined, how: wanted ? `no locale for ${wanted}: the one for every language` : 'for every language' };
  }
  const first = narrowed[0]!.locale;
  return { locale: first, how: `no locale ${wanted ? `for ${wanted}` : 'asked'}: ${first}, which the manifest lists first` };
}

/** A key's bucket in a trial, 0 to 9,999: the same on every node and in every client. */
export function bucketOf(salt: string, key: string): number {
  return createHash('sha256').update(`${salt}\0${key}`).digest().readUInt32BE(0) % 10_000;
}

/** Whether a key is on the candidate's side at a percentage. */
export const isCandidate = (salt: string, key: string, percentage: number): boolean =>
  bucketOf(salt, key) < percentage * 100;

/** Where the cache folder keeps a file below `{template}/{version}/`. */
export function cacheName(artifact: Artifact, all: readonly Artifact[]): string {
  const name = `${artifact.kind}_${artifact.locale ?? 'und'}`;
  const first = all.find((one) => one.kind === artifact.kind && one.locale === artifact.locale);
  return first === undefined || first.path === artifact.path
    ? name
    : `${name}.${digestOf(artifact.path).slice(7, 19)}`;
}
