import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as cldr from '../src/cldr';
import { bestLanguage } from '../src/languages';
import { estimateTokens, readVariables, render, variablesOf } from '../src/prompts';
import { bucketOf, chooseArtifact, digestOf } from '../src/selection';
import { highestIn, parseVersion } from '../src/versions';
import type { Artifact, ArtifactQuery } from '../src/models';

declare const REPOSITORY: string;

const vectors = <T>(name: string): T[] =>
  JSON.parse(readFileSync(`${REPOSITORY}/tests/vectors/templates/${name}.json`, 'utf8')) as T[];

test('languages are chosen as the vectors say', () => {
  for (const { available, wanted, best } of vectors<{ available: string[]; wanted: string; best: string | null }>('locales')) {
    assert.equal(bestLanguage(wanted, available) ?? null, best, `${wanted} among ${available.join(', ')}`);
  }
});

test('keys are in the buckets that the vectors say', () => {
  for (const { salt, key, bucket } of vectors<{ salt: string; key: string; bucket: number }>('buckets')) {
    assert.equal(bucketOf(salt, key), bucket, key);
  }
});

test('ranges have the highest version that the vectors say', () => {
  for (const { range, versions, highest } of vectors<{ range: string; versions: string[]; highest: string | null }>('ranges')) {
    const found = highestIn(range, versions.map((one) => parseVersion(one)!));
    assert.equal(found?.text ?? null, highest, `${range} among ${versions.join(', ')}`);
  }
});

test('files are chosen as the vectors say', () => {
  interface Case {
    query: ArtifactQuery;
    path: string | null;
    several?: number;
  }
  for (const { artifacts, cases } of vectors<{ artifacts: Partial<Artifact>[]; cases: Case[] }>('selection')) {
    const whole = artifacts.map((one) => ({ contentType: 'text/plain', digest: digestOf(one.path!), sizeBytes: 1, variables: [], ...one }) as Artifact);
    for (const { query, path, several } of cases) {
      const choice = chooseArtifact(whole, query);
      assert.equal(choice.artifact?.path ?? null, path, JSON.stringify(query));
      if (choice.artifact === undefined) assert.equal(choice.paths.length, several);
    }
  }
});

test('prompts are filled in as the vectors say', () => {
  interface Case {
    text: string;
    declared: unknown[];
    values: Record<string, string>;
    includes?: Record<string, string>;
    rendered?: string;
    tokens?: number;
    missing?: string[];
    unknown?: string[];
    missingIncludes?: string[];
  }
  for (const { text, declared, values, includes = {}, rendered, tokens, missing, unknown, missingIncludes } of vectors<Case>('rendering')) {
    const result = render(text, readVariables(declared)!, values, (name) => includes[name]);
    assert.deepEqual(result, rendered ?? { missing, unknown, missingIncludes }, text);
    if (rendered !== undefined) assert.equal(estimateTokens(rendered), tokens, text);
  }
});

// Work that grows with the square of any of these would take hours.
test('braces and spaces without end are read once', () => {
  const many = 4_000_000;
  const braces = '{'.repeat(many);
  for (const text of [`${braces}}}`, `${braces}a b${' '.repeat(many)}}}`, '{{ '.repeat(many / 4), `{{a${' '.repeat(many)}b}}`]) {
    assert.deepEqual(variablesOf(text), []);
  }
  assert.deepEqual(variablesOf(`${braces}${' '.repeat(many)}who}}`), ['who']);
});

test('what declares no variable is not read as one', () => {
  for (const list of [{}, 'a', [1], [null], [{}], ['1a'], ['a', 'a'], [{ name: 'a', required: 'yes' }], [{ name: 'a', default: 1 }]]) {
    assert.equal(readVariables(list), undefined, JSON.stringify(list));
  }
  assert.deepEqual(readVariables(['a', { name: 'b', required: false, default: 'x', description: 'y' }, { name: 'c', default: null }]), [
    { name: 'a' },
    { name: 'b', required: false, default: 'x', description: 'y' },
    { name: 'c' },
  ]);
});

test('what is no version and no range is neither', () => {
  for (const text of ['', '1', '1.0', '01.0.0', '1.0.0-01', 'v1.0.0', '1.0.0-', 'latest']) assert.equal(parseVersion(text), undefined, text);
  for (const text of ['latest', '>>1', '1.2.3.4', '^', '1..2']) assert.equal(highestIn(text, [parseVersion('1.2.3')!]), undefined, text);
});

test('the languages are those of the server', () => {
  const source = readFileSync(`${REPOSITORY}/src/Platen.Kernel/Languages/CldrTable.cs`, 'utf8');
  for (const [name, ours] of [
    ['Parents', cldr.PARENTS],
    ['RegionScripts', cldr.REGION_SCRIPTS],
    ['LanguageAliases', cldr.LANGUAGE_ALIASES],
    ['Scripts', cldr.SCRIPTS],
  ] as const) {
    const match = new RegExp(`const string ${name} =\\s*((?:"[^"]*"\\s*\\+?\\s*)+);`).exec(source)!;
    assert.equal(ours, [...match[1]!.matchAll(/"([^"]*)"/g)].map((one) => one[1]).join(''), name);
  }
});
