import type { PromptVariable, ResolvedArtifact } from './models';

/** A prompt with its variables filled in. */
export interface RenderedPrompt {
  /** What it was made of. */
  readonly prompt: ResolvedArtifact;
  readonly text: string;
  /** The text's length as UTF-8. */
  readonly sizeBytes: number;
  /** About how many tokens it is: see `estimateTokens`. */
  readonly estimatedTokens: number;
}

/** What kept a prompt from being rendered. */
export interface Refusal {
  /** Variables that need a value and have none. */
  readonly missing: readonly string[];
  /** Values for variables that are not declared. */
  readonly unknown: readonly string[];
  /** Included parts that the text names and the version does not have. */
  readonly missingIncludes: readonly string[];
}

/** Values are missing, or were given for variables that are not declared. */
export class PromptRefusedError extends Error {
  constructor(
    about: string,
    readonly refusal: Refusal,
  ) {
    super(`${about} cannot be rendered: ${describe(refusal)}. Give a value for each declared variable, and for no other.`);
    this.name = 'PromptRefusedError';
  }
}

const VARIABLE_NAME_LENGTH = 64;

// What .NET takes for white space, which is not quite what trim() does.
const WHITE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

// A regular expression for the end would be tried at each character of the text.
function trim(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && WHITE.test(text[from]!)) from++;
  while (to > from && WHITE.test(text[to - 1]!)) to--;
  return text.slice(from, to);
}

/** Whether it is a letter or `_`, then letters, digits, `_`, `-` or `.`; ASCII only, at most 64 characters. */
export const isVariableName = (text: string): boolean =>
  text.length <= VARIABLE_NAME_LENGTH && /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(text);

/** The variables that a text names, in the order of their first appearance. */
export const variablesOf = (text: string): string[] => namesOf(text, false);

/** The included parts that a text names, in the order of their first appearance. */
export const includesOf = (text: string): string[] => namesOf(text, true);

/**
 * Fills in a prompt: `{{name}}` stands for a variable, `{{> name}}` for an included part, `\{{` for two braces; anything else is plain text.
 * Values and parts are put in as they are and never read again, so a value cannot bring in another variable.
 * @param include Gives an included part by its name; undefined when there is none of that name.
 */
export function render(
  text: string,
  declared: readonly PromptVariable[],
  values: Readonly<Record<string, string>>,
  include: (name: string) => string | undefined = () => undefined,
): string | Refusal {
  const byName = new Map(declared.map((one) => [one.name, one]));
  const given = new Map(Object.entries(values));
  const missing = new Set<string>();
  const missingIncludes = new Set<string>();
  let output = '';
  walk(
    text,
    (plain) => (output += plain),
    (name, isInclude) => {
      const variable = byName.get(name);
      const value = isInclude ? include(name) : (given.get(name) ?? variable?.default ?? (variable?.required === false ? '' : undefined));
      if (value !== undefined) output += value;
      else (isInclude ? missingIncludes : missing).add(name);
    },
  );
  for (const one of declared) {
    if (one.required !== false && one.default === undefined && !given.has(one.name)) missing.add(one.name);
  }
  const unknown = [...given.keys()].filter((name) => !byName.has(name)).sort();
  return missing.size + unknown.length + missingIncludes.size === 0
    ? output
    : { missing: [...missing], unknown, missingIncludes: [...missingIncludes] };
}

/**
 * About how many tokens a text is for a large language model: four ASCII characters make one, a CJK character is one, two other characters
 * make one. Real tokenizers differ by model; expect a quarter more or less.
 */
export function estimateTokens(text: string): number {
  let quarters = 0;
  for (const character of text) {
    const value = character.codePointAt(0)!;
    quarters += value < 0x80 ? 1 : isIdeographic(value) ? 4 : 2;
  }
  return Math.floor((quarters + 3) / 4);
}

/** Variables as a manifest or an answer lists them: names, or objects with a name. Undefined when it is neither. */
export function readVariables(list: unknown): PromptVariable[] | undefined {
  if (!Array.isArray(list)) return undefined;
  const variables: PromptVariable[] = [];
  for (const one of list as unknown[]) {
    const { name, required, default: otherwise, description } =
      typeof one === 'string' ? { name: one, required: undefined, default: undefined, description: undefined } : ((one ?? {}) as Record<string, unknown>);
    const isWrong =
      typeof name !== 'string' ||
      !isVariableName(name) ||
      variables.some((other) => other.name === name) ||
      (required != null && typeof required !== 'boolean') ||
      (otherwise != null && typeof otherwise !== 'string');
    if (isWrong) return undefined;
    variables.push({
      name,
      ...(typeof required === 'boolean' && { required }),
      ...(typeof otherwise === 'string' && { default: otherwise }),
      ...(typeof description === 'string' && { description }),
    });
  }
  return variables;
}

function describe({ missing, unknown, missingIncludes }: Refusal): string {
  return [
    ...(missing.length > 0 ? [`no value for ${missing.join(', ')}`] : []),
    ...(unknown.length > 0 ? [`not declared: ${unknown.join(', ')}`] : []),
    ...(missingIncludes.length > 0 ? [`not included: ${missingIncludes.join(', ')}`] : []),
  ].join('; ');
}

// Kana, Hangul, CJK ideographs and their extensions, where about one character is a token.
const isIdeographic = (value: number): boolean =>
  (value >= 0x3040 && value <= 0x30ff) ||
  (value >= 0x3400 && value <= 0x9fff) ||
  (value >= 0xac00 && value <= 0xd7af) ||
  (value >= 0x20000 && value <= 0x3ffff);

function namesOf(text: string, includes: boolean): string[] {
  const names = new Set<string>();
  walk(
    text,
    () => undefined,
    (name, isInclude) => isInclude === includes && names.add(name),
  );
  return [...names];
}

// Whoever sends a prompt chooses its braces, so each character is looked at a bounded number of times: the end of a placeholder is looked for
// once and not for each beginning before it, and only the last of those can be one, as no name has a brace in it.
function walk(text: string, plain: (text: string) => void, placeholder: (name: string, isInclude: boolean) => void): void {
  let done = 0;
  let at = 0;
  let close = 0;
  let lastBrace = 0;
  for (let open = text.indexOf('{{', at); open >= 0; open = text.indexOf('{{', at)) {
    if (text[open - 1] === '\\') {
      plain(text.slice(done, open - 1));
      done = open;
      at = open + 2;
      continue;
    }
    if (close < open + 2) {
      close = text.indexOf('}}', open + 2);
      if (close < 0) break;
      lastBrace = text.lastIndexOf('{', close - 1);
    }
    if (lastBrace > open + 1) {
      at = open + 1;
      continue;
    }
    let inner = trim(text.slice(open + 2, close));
    const isInclude = inner.startsWith('>');
    if (isInclude) inner = trim(inner.slice(1));
    if (!isVariableName(inner)) {
      // Not ours: the text may hold another notation.
      at = open + 1;
      continue;
    }
    plain(text.slice(done, open));
    placeholder(inner, isInclude);
    done = at = close + 2;
  }
  plain(text.slice(done));
}
