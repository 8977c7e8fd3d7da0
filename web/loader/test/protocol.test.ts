import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { MAX_HEIGHT, readMessage } from '../src/protocol';

declare const REPOSITORY: string;

test('a message is read', () => {
  assert.deepEqual(readMessage({ platen: 1, type: 'size', height: 10.2, title: 'T' }), { type: 'size', height: 11, title: 'T' });
});

test('what is not a message of this protocol is nothing', () => {
  for (const data of [
    undefined,
    null,
    'size',
    1,
    [],
    {},
    { type: 'size', height: 1 },
    { platen: 2, type: 'size', height: 1 },
    { platen: '1', type: 'size', height: 1 },
    { platen: 1, type: 'eval' },
    { platen: 1, type: '__proto__' },
  ])
    assert.equal(readMessage(data), undefined);
});

test('a height out of bounds is not known, whatever it is', () => {
  for (const height of [undefined, null, -1, NaN, Infinity, MAX_HEIGHT + 1, '100', {}])
    assert.equal(readMessage({ platen: 1, type: 'size', height })?.height, undefined);
  assert.equal(readMessage({ platen: 1, type: 'size', height: 0 })?.height, 0);
});

test('a title is a text, and not a long one', () => {
  assert.equal(readMessage({ platen: 1, type: 'size', title: {} })?.title, '');
  assert.equal(readMessage({ platen: 1, type: 'size', title: 'x'.repeat(10_000) })?.title.length, 200);
});

test('members that a later page adds change nothing', () => {
  assert.deepEqual(readMessage({ platen: 1, type: 'submit', height: 5, title: '', later: true }), {
    type: 'submit',
    height: 5,
    title: '',
  });
});

/** The script of a page, run with a document that has a height. */
function page(kind: string | undefined, width = 800, forms: object[] = [], search = '', hash = '') {
  const said: unknown[] = [];
  const state = { height: 101 };
  const observers: (() => void)[] = [];
  const later: (() => void)[] = [];
  const listeners: Record<string, () => void> = {};
  const self: Record<string, unknown> = {
    document: {
      title: 'Title',
      forms,
      documentElement: {
        dataset: { platen: kind },
        get offsetHeight() {
          return state.height;
        },
      },
    },
    ResizeObserver: class {
      constructor(callback: () => void) {
        observers.push(callback);
      }
      observe() {}
    },
    Math,
    location: { search, hash },
    performance: { now: () => 1234.5 },
    innerWidth: width,
    addEventListener: (type: string, callback: () => void) => (listeners[type] = callback),
    setTimeout: (callback: () => void) => later.push(callback),
  };
  self['parent'] = { postMessage: (message: unknown, to: string) => said.push([{ ...(message as object) }, to]) };
  const source = (file: string) => readFileSync(`${REPOSITORY}/src/Platen.Platform/Http/${file}`, 'utf8');
  runInNewContext(forms.length === 0 ? source('frame.js') : [source('frame.js'), source('form.js')].join(';'), self);
  return {
    said,
    widen(to: number) {
      self['innerWidth'] = to;
      for (const callback of later.splice(0)) callback();
    },
    resize(height: number) {
      state.height = height;
      for (const callback of observers) callback();
    },
    close: () => listeners['close']!(),
    submit: (form: object) => assert.equal((self['onsubmit'] as (event: object) => unknown)({ target: form }), undefined),
    // What a handler answers may be taken for a wish to prevent the key.
    press: (key: string) => assert.equal((self['onkeydown'] as (event: object) => unknown)({ key }), undefined),
  };
}

const size = (height: number, type = 'size') => [{ platen: 1, type, height, title: 'Title' }, '*'];

test('a page says its height at once, and again when it is another', () => {
  const { said, resize } = page(undefined);
  assert.deepEqual(said, [size(101)]);
  resize(101);
  assert.equal(said.length, 1);
  resize(300);
  assert.deepEqual(said[1], size(300));
});

test('a page says nothing before it knows how wide it is', () => {
  const { said, widen } = page(undefined, 0);
  widen(0);
  assert.deepEqual(said, []);
  widen(500);
  assert.deepEqual(said, [size(101)]);
});

test('a page that is hidden later does not ask again and again', () => {
  const { said, widen, resize } = page(undefined);
  widen(0);
  resize(0);
  widen(0);
  assert.equal(said.length, 1);
});

test('a page that answers a form says so once', () => {
  const { said, resize } = page('submit');
  resize(50);
  assert.deepEqual(said, [size(101, 'submit'), size(50)]);
});

test('a page that is shown again because its form was sent says so once', () => {
  const { said, resize } = page(undefined, 800, [], '?theme=dark', '#sent_');
  resize(50);
  assert.deepEqual(said, [size(101, 'submit'), size(50)]);
});

test('a form that was not sent, and a page that is no widget, say nothing of a form', () => {
  for (const hash of ['', '#failed_', '#sent', '#sent_2']) assert.deepEqual(page(undefined, 800, [], '', hash).said, [size(101)]);
  assert.deepEqual(page('error', 800, [], '', '#sent_').said, [size(101, 'error')]);
});

test('a page without a widget says so', () => {
  assert.deepEqual(page('error').said, [size(101, 'error')]);
});

test('a form is sent to where its page came from, and with how long that was open', () => {
  const action = { value: '/s/wgt_x' };
  const started_at = { value: '' };
  const form = { getAttributeNode: (name: string) => (name === 'action' ? action : null), started_at };
  const bare = { getAttributeNode: () => null };
  const { submit } = page(undefined, 800, [form, bare], '?theme=dark&token=a.b.c');
  assert.equal(action.value, '/s/wgt_x?theme=dark&token=a.b.c');
  submit(form);
  assert.equal(started_at.value, '+1234');
  submit(bare);
});

test('Escape is passed on, and no other key', () => {
  const { said, press } = page(undefined);
  press('a');
  assert.equal(said.length, 1);
  press('Escape');
  assert.deepEqual(said[1], size(101, 'close'));
});

test('a widget that closes itself says so', () => {
  const { said, close } = page(undefined);
  close();
  assert.deepEqual(said[1], size(101, 'close'));
});

test('everything a page says is read by the loader', () => {
  for (const kind of [undefined, 'submit', 'error']) {
    const { said, press } = page(kind);
    press('Escape');
    assert.deepEqual(
      said.map((one) => readMessage((one as unknown[])[0])?.type),
      [kind ?? 'size', 'close'],
    );
  }
});
