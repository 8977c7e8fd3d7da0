// <script async src="https://…/embed/v1/loader.js"></script>
// Defines <platen-widget>; with data-widget it also puts one where the script stands. Leaves one name behind: Platen.

import { widgetClass } from './element';
import { PROTOCOL } from './protocol';
import { attributeName } from './settings';

const TAG = 'platen-widget';

const script =
  (document.currentScript as HTMLScriptElement | null) ??
  document.querySelector<HTMLScriptElement>('script[src*="/embed/"][src$="/loader.js"]');
const origin = script?.src ? new URL(script.src).origin : location.origin;

// A page may load this twice, in two versions even: the first one defines the element.
if (!customElements.get(TAG)) {
  customElements.define(TAG, widgetClass(origin));
  Object.defineProperty(globalThis, 'Platen', { value: Object.freeze({ protocol: PROTOCOL, origin }), configurable: true });
}

if (script?.dataset['widget'] && script === document.currentScript) {
  const element = document.createElement(TAG);
  element.setAttribute('origin', origin);
  for (const key in script.dataset) element.setAttribute(attributeName(key), script.dataset[key]!);
  if (script.closest('body')) script.after(element);
  else if (document.body) document.body.append(element);
  else addEventListener('DOMContentLoaded', () => document.body.append(element), { once: true });
}
