import { LANGUAGE_ALIASES, PARENTS, REGION_SCRIPTS, SCRIPTS } from './cldr';

const pairs = (text: string): ReadonlyMap<string, string> =>
  new Map(text.split(' ').map((pair) => pair.split('=') as [string, string]));

const parents = pairs(PARENTS);
const regionScripts = pairs(REGION_SCRIPTS);
const languageAliases = pairs(LANGUAGE_ALIASES);
const scripts: ReadonlyMap<string, string> = new Map(
  SCRIPTS.split(' ').flatMap((group) => {
    const [script, languages] = group.split(':') as [string, string];
    return languages.split(',').map((language) => [language, script] as [string, string]);
  }),
);

interface Subtags {
  language: string;
  script: string;
  region: string;
  /** Where extensions or private use begin; -1 where there are none. */
  singleton: number;
  hasVariants: boolean;
}

const join = (...parts: string[]): string => parts.filter((part) => part !== '').join('-');
const usualScript = (language: string): string => scripts.get(language) ?? 'latn';
const impliedScript = (language: string, region: string): string =>
  (region !== '' ? regionScripts.get(`${language}-${region}`) : undefined) ?? usualScript(language);

function split(tag: string): Subtags {
  const subtags: Subtags = { language: '', script: '', region: '', singleton: -1, hasVariants: false };
  let start = 0;
  for (const [index, part] of tag.split('-').entries()) {
    if (index === 0) subtags.language = part;
    if (part.length === 1) {
      subtags.singleton = start;
      return subtags;
    }
    if (index > 0) {
      if (part.length === 4 && !/^\d/.test(part)) subtags.script = part;
      else if (part.length === 2 || /^\d{3}$/.test(part)) subtags.region = part;
      else subtags.hasVariants = true;
    }
    start += part.length + 1;
  }
  return subtags;
}

/** The parent of a lower-case tag, by CLDR where cutting its end off would mislead; '' at the root. */
export function parentOf(tag: string): string {
  const { language, script, region, singleton, hasVariants } = split(tag);
  if (singleton >= 0) return tag.slice(0, Math.max(0, singleton - 1));
  if (hasVariants) return tag.slice(0, tag.lastIndexOf('-'));
  if (script !== '' && region !== '' && script === impliedScript(language, region)) return join(language, region);
  const named = parents.get(tag);
  if (named !== undefined) return named;
  if (region !== '') {
    if (script !== '') return join(language, script);
    const implied = impliedScript(language, region);
    const ofFull = parents.get(join(language, implied, region));
    if (ofFull !== undefined) return ofFull;
    return implied === usualScript(language) ? language : join(language, implied);
  }
  return script !== '' && script === usualScript(language) ? language : '';
}

function withoutImpliedScript(tag: string): string {
  const { language, script, region } = split(tag);
  return script !== '' && script === impliedScript(language, region) ? tag.replace(`-${script}`, '') : tag;
}

function replaceLanguage(tag: string): string {
  const { language, script } = split(tag);
  let successor = languageAliases.get(language);
  if (successor === undefined) return tag;
  // A successor that brings its script fits only where the tag has none of its own.
  if (script !== '') successor = successor.split('-')[0]!;
  return successor + tag.slice(language.length);
}

interface Wanted {
  range: string;
  quality: number;
}

function readAcceptLanguage(header: string): Wanted[] {
  const members: Wanted[] = [];
  for (const text of header.split(',')) {
    if (members.length === 32) break;
    const [range, quality, ...rest] = text.split(';').map((part) => part.trim()) as [string, string?];
    const weight = quality === undefined ? ['', '1'] : /^[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(quality);
    if (rest.length > 0 || weight === null || !/^(?:\*|[A-Za-z]{1,8})(?:-(?:\*|[A-Za-z0-9]{1,8}))*$/.test(range)) continue;
    members.push({ range, quality: Number(weight[1]) });
  }
  // Sorting is stable: those of equal quality stay in their order.
  return members.sort((a, b) => b.quality - a.quality);
}

/** The best of the available tags for an Accept-Language list (RFC 4647, lookup); undefined when nothing wanted is there. */
export function bestLanguage(wanted: string, available: readonly string[]): string | undefined {
  const index = new Map<string, string>();
  for (const tag of available) if (!index.has(tag.toLowerCase())) index.set(tag.toLowerCase(), tag);
  for (const tag of available) {
    const short = withoutImpliedScript(tag.toLowerCase());
    if (!index.has(short)) index.set(short, tag);
  }
  const members = readAcceptLanguage(wanted);
  const isExcluded = (tag: string): boolean => {
    let [longest, quality] = [-1, 1];
    for (const member of members) {
      const range = member.range.toLowerCase();
      const lower = tag.toLowerCase();
      const matches = range === '*' || lower === range || lower.startsWith(`${range}-`);
      const weight = range === '*' ? 0 : range.length;
      if (weight > longest && matches) [longest, quality] = [weight, member.quality];
    }
    return quality === 0;
  };
  for (const { range, quality } of members) {
    if (quality === 0) break;
    if (range === '*') {
      const first = available.find((tag) => !isExcluded(tag));
      if (first !== undefined) return first;
      continue;
    }
    const found = find(range.toLowerCase(), index);
    if (found !== undefined && !isExcluded(found)) return found;
  }
  return undefined;
}

function find(range: string, index: ReadonlyMap<string, string>): string | undefined {
  const named = index.get(range);
  if (named !== undefined || range.startsWith('*')) return named;
  for (let tag = replaceLanguage(range.replaceAll('-*', '')); tag !== ''; tag = parentOf(tag)) {
    const found = index.get(tag);
    if (found !== undefined) return found;
  }
  return undefined;
}
