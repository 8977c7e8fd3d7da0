import type { Artifact, Deprecation, Resolution, Trial } from './models';
import { isDigest, isKind, isLocale, isPath, isVersionName } from './names';
import { readVariables } from './prompts';

/** An answer, or a manifest, is not what it has to be. */
export class MalformedError extends Error {}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** What the registry says to a question without an artifact, checked: its names become names of files. */
export function readResolution(value: unknown): Resolution {
  if (!isObject(value) || !isVersionName(value['version'])) throw new MalformedError('the answer names no version');
  return {
    version: value['version'],
    release: text(value['release']),
    rule: text(value['rule']) ?? 'default',
    explanation: text(value['explanation']) ?? '',
    artifacts: readArtifacts(value['artifacts']),
    deprecation: readDeprecation(value['deprecation']),
    trial: isObject(value['trial']) ? readTrial(value['trial']) : undefined,
  };
}

function readTrial(value: Json): Trial {
  if (!isVersionName(value['version']) || typeof value['percentage'] !== 'number' || typeof value['salt'] !== 'string') {
    throw new MalformedError('the answer has a trial without version, percentage or salt');
  }
  return {
    channel: text(value['channel']) ?? '',
    percentage: value['percentage'],
    salt: value['salt'],
    version: value['version'],
    release: text(value['release']) ?? '',
    artifacts: readArtifacts(value['artifacts']),
    deprecation: readDeprecation(value['deprecation']),
  };
}

function readArtifacts(value: unknown): Artifact[] {
  if (!Array.isArray(value)) throw new MalformedError('the answer lists no artifacts');
  return value.map((one: unknown) => {
    if (!isObject(one) || !isKind(one['kind']) || !isPath(one['path']) || !isDigest(one['digest'])) {
      throw new MalformedError('the answer has an artifact with a kind, path or digest that none has');
    }
    const locale = one['locale'] ?? undefined;
    if (locale !== undefined && !isLocale(locale)) throw new MalformedError('the answer has an artifact with a locale that none has');
    const variables = readVariables(one['variables'] ?? []);
    if (variables === undefined) throw new MalformedError('the answer has an artifact with variables that none has');
    return {
      kind: one['kind'],
      path: one['path'],
      role: text(one['role']),
      locale,
      contentType: text(one['contentType']) ?? 'application/octet-stream',
      digest: one['digest'],
      sizeBytes: typeof one['sizeBytes'] === 'number' ? one['sizeBytes'] : 0,
      variables,
      includedFrom: text(one['includedFrom']),
    };
  });
}

function readDeprecation(value: unknown): Deprecation | undefined {
  return isObject(value) && typeof value['at'] === 'string' ? (value as unknown as Deprecation) : undefined;
}
