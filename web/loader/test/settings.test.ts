import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attributeName, readSettings, reservedHeight } from '../src/settings';

const HOME = 'https://platen.example';
const read = (attributes: Record<string, string>) => readSettings((name) => attributes[name] ?? null, HOME);

test('a public id is enough', () => {
  assert.deepEqual(read({ 'public-id': 'wgt_main_content.faq' }), {
    publicId: 'wgt_main_content.faq',
    url: 'https://platen.example/e/wgt_main_content.faq',
    origin: HOME,
    mode: 'inline',
  });
});

test('what a page does by itself is not in its address', () => {
  assert.equal(read({ 'public-id': 'wgt_main_a', theme: 'auto', locale: '' })?.url, 'https://platen.example/e/wgt_main_a');
  assert.equal(
    read({ 'public-id': 'wgt_main_a', theme: 'dark', locale: 'de&theme=light' })?.url,
    'https://platen.example/e/wgt_main_a?theme=dark&locale=de%26theme%3Dlight',
  );
});

test('an id that could lead elsewhere names no widget', () => {
  for (const id of ['', '../v1/x', 'wgt_', 'wgt_a/b', 'wgt_a?x', 'wgt_a#x', 'wgt_a b', 'faq', 'wgt_' + 'a'.repeat(300)])
    assert.equal(read({ 'public-id': id }), undefined, id);
  assert.equal(read({}), undefined);
});

test('only web origins are asked', () => {
  for (const origin of ['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'nonsense', ''])
    assert.equal(read({ 'public-id': 'wgt_main_a', origin }), undefined, origin);
  assert.equal(read({ 'public-id': 'wgt_main_a', origin: 'http://127.0.0.1:5080/ignored' })?.origin, 'http://127.0.0.1:5080');
});

test('an unknown mode is inline', () => {
  assert.equal(read({ 'public-id': 'wgt_main_a', mode: 'sidebar' })?.mode, 'inline');
  assert.equal(read({ 'public-id': 'wgt_main_a', mode: 'popover' })?.mode, 'popover');
});

test('the height for a width is that of the widest that fits', () => {
  const text = '360:820 768:640,1280:500px';
  assert.deepEqual([200, 360, 767, 768, 1279, 1280, 4000].map((width) => reservedHeight(text, width)), [820, 820, 820, 640, 640, 500, 500]);
  assert.equal(reservedHeight('1280:500 360:820', 900), 820);
});

test('one height is for every width, and none is none', () => {
  assert.equal(reservedHeight('560', 300), 560);
  assert.equal(reservedHeight('560px', 3000), 560);
  for (const text of [null, '', ' ', 'auto', '50%', '-3', 'x:5']) assert.equal(reservedHeight(text, 300), 0, String(text));
});

test('the data of a script are the attributes of its element', () => {
  assert.deepEqual(['widget', 'closeLabel', 'mode'].map(attributeName), ['public-id', 'close-label', 'mode']);
});

test('a token travels in the address, because a frame sends no header', () => {
  assert.equal(
    read({ 'public-id': 'wgt_forms.contact_u_main', theme: 'dark', token: 'a.b-c_d.e' })?.url,
    'https://platen.example/e/wgt_forms.contact_u_main?theme=dark&token=a.b-c_d.e',
  );
});
