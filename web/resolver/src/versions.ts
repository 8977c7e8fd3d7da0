/** A version by Semantic Versioning 2.0; build metadata is kept out of comparisons. */
export interface Version {
  readonly text: string;
  readonly numbers: readonly [number, number, number];
  readonly prerelease: readonly string[];
}

type Test = (version: Version) => boolean;

const FORM = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;
const PARTIAL =
  /^(>=|<=|>|<|=|\^|~>?)?\s*v?(\*|[xX]|\d+)(?:\.(\*|[xX]|\d+))?(?:\.(\*|[xX]|\d+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?$/;

/** Reads an exact version; undefined for anything else. */
export function parseVersion(text: string): Version | undefined {
  const match = text.length <= 256 ? FORM.exec(text) : null;
  if (match === null) return undefined;
  const prerelease = match[4] === undefined ? [] : match[4].split('.');
  if (prerelease.some((part) => /^0\d+$/.test(part))) return undefined;
  return { text, numbers: [Number(match[1]), Number(match[2]), Number(match[3])], prerelease };
}

/** Negative, zero or positive, by precedence. */
export function compareVersions(a: Version, b: Version): number {
  for (const i of [0, 1, 2] as const) {
    if (a.numbers[i] !== b.numbers[i]) return a.numbers[i] - b.numbers[i];
  }
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return b.prerelease.length - a.prerelease.length;
  for (let i = 0; i < Math.max(a.prerelease.length, b.prerelease.length); i++) {
    const [x, y] = [a.prerelease[i], b.prerelease[i]];
    if (x === undefined) return -1;
    if (y === undefined) return 1;
    if (x === y) continue;
    const [isX, isY] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (isX && isY) return Number(x) - Number(y);
    if (isX !== isY) return isX ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}

/** The highest of the versions in a range in npm's notation; undefined when none is, or when it is no range. */
export function highestIn(range: string, versions: readonly Version[]): Version | undefined {
  const test = readRange(range);
  return test === undefined
    ? undefined
    : versions.filter(test).sort((a, b) => compareVersions(b, a))[0];
}

/** Whether the text is a range, or an exact version. */
export const isRange = (text: string): boolean => readRange(text) !== undefined;

function readRange(text: string): Test | undefined {
  const alternatives = text.split('||').map((one) => readAlternative(one.trim()));
  return alternatives.some((one) => one === undefined)
    ? undefined
    : (version) => alternatives.some((one) => one!(version));
}

function readAlternative(text: string): Test | undefined {
  const hyphen = /^(\S+)\s+-\s+(\S+)$/.exec(text);
  const words =
    hyphen !== null
      ? [`>=${hyphen[1]}`, `<=${hyphen[2]}`]
      : text.replace(/(>=|<=|>|<|=|\^|~>?)\s+/g, '$1').split(/\s+/);
  const bounds: { test: Test; version: Version | undefined }[] = [];
  for (const word of words) {
    const read = readComparator(word === '' ? '*' : word);
    if (read === undefined) return undefined;
    bounds.push(...read);
  }
  return (version) =>
    bounds.every((bound) => bound.test(version)) &&
    // A pre-release is meant only by who names one of the same version.
    (version.prerelease.length === 0 ||
      bounds.some(
        (bound) =>
          bound.version !== undefined &&
          bound.version.prerelease.length > 0 &&
          bound.version.numbers.every((number, i) => number === version.numbers[i]),
      ));
}

function readComparator(word: string): { test: Test; version: Version | undefined }[] | undefined {
  const match = PARTIAL.exec(word);
  if (match === null) return undefined;
  const sign = (match[1] ?? '').replace('~>', '~');
  const parts: number[] = [];
  for (const part of [match[2], match[3], match[4]]) {
    if (part === undefined || !/^\d+$/.test(part)) break;
    parts.push(Number(part));
  }
  const prerelease = parts.length === 3 && match[5] !== undefined ? match[5].split('.') : [];
  const low = make([parts[0] ?? 0, parts[1] ?? 0, parts[2] ?? 0], prerelease);
  const atLeast = { test: (v: Version) => compareVersions(v, low) >= 0, version: low };
  // The first version after all that begin like this one; its own pre-releases are not before it.
  const below = (kept: number): { test: Test; version: undefined } => {
    const numbers: [number, number, number] = [0, 0, 0];
    for (let i = 0; i < kept; i++) numbers[i] = low.numbers[i]!;
    numbers[kept - 1]! += 1;
    const high = make(numbers, ['0']);
    return { test: (v) => compareVersions(v, high) < 0, version: undefined };
  };
  const any = { test: () => true, version: undefined };
  const none = { test: () => false, version: undefined };
  switch (sign) {
    case '^': {
      if (parts.length === 0) return [any];
      const firstNonZero = low.numbers.findIndex((number, i) => i < parts.length && number !== 0);
      return [atLeast, below(firstNonZero < 0 ? parts.length : firstNonZero + 1)];
    }
    case '~':
      return parts.length === 0 ? [any] : [atLeast, below(Math.min(parts.length, 2))];
    case '>=':
      return [parts.length === 0 ? any : atLeast];
    case '<':
      return parts.length === 0
        ? [none]
        : [{ test: (v) => compareVersions(v, parts.length < 3 ? make(low.numbers, ['0']) : low) < 0, version: low }];
    case '>':
      if (parts.length === 0) return [none];
      if (parts.length === 3) return [{ test: (v) => compareVersions(v, low) > 0, version: low }];
      return [{ test: (v) => !below(parts.length).test(v), version: undefined }];
    case '<=':
      if (parts.length === 0) return [any];
      if (parts.length === 3) return [{ test: (v) => compareVersions(v, low) <= 0, version: low }];
      return [below(parts.length)];
    default:
      if (parts.length === 0) return [any];
      if (parts.length === 3) return [{ test: (v) => compareVersions(v, low) === 0, version: low }];
      return [atLeast, below(parts.length)];
  }
}

const make = (numbers: readonly [number, number, number], prerelease: readonly string[]): Version => ({
  text: numbers.join('.') + (prerelease.length > 0 ? `-${prerelease.join('.')}` : ''),
  numbers,
  prerelease,
});
