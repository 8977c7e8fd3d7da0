import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DiskCache } from '../src/cache';
import { LocalBundles } from '../src/files';
import { digestOf } from '../src/selection';

const within = async (work: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'platen-cache-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

test('what a killed process left half-written is removed by the next that writes there', () =>
  within(async (folder) => {
    const place = join(folder, 'a', '1.0.0');
    mkdirSync(place, { recursive: true });
    for (const [name, hoursAgo] of [['.1-old.tmp', 2], ['.2-young.tmp', 0], ['old.md', 2]] as const) {
      writeFileSync(join(place, name), 'half');
      const at = Date.now() / 1000 - hoursAgo * 3600;
      utimesSync(join(place, name), at, at);
    }
    const cache = new DiskCache(folder, 'local', (why) => assert.fail(why));
    await cache.writeFile('a', '1.0.0', 'note_und', Buffer.from('whole'));
    assert.deepEqual(readdirSync(place).sort(), ['.2-young.tmp', 'note_und', 'old.md']);
  }));

test('a healthy file of another version is no fault, and other bytes of this one are', () =>
  within(async (folder) => {
    const told: string[] = [];
    const bundles = new LocalBundles(folder, (why) => told.push(why));
    mkdirSync(join(folder, 'a'));
    writeFileSync(join(folder, 'a', 'p.md'), 'two');
    const manifest = (version: string): void =>
      writeFileSync(join(folder, 'a', 'manifest.json'), JSON.stringify({ template: 'a', version, artifacts: [{ kind: 'note', path: 'p.md' }] }));
    const wanted = { kind: 'note', path: 'p.md', contentType: 'text/plain', digest: digestOf('one'), sizeBytes: 3, variables: [] } as never;
    manifest('2.0.0');
    assert.equal(await bundles.read('a', '1.0.0', wanted), undefined);
    assert.deepEqual(told, []);
    manifest('1.0.0');
    assert.equal(await bundles.read('a', '1.0.0', wanted), undefined);
    assert.equal(told.length, 1);
  }));
