// Adopted, not written into the document: no style-src of a page around it has to know of this.
const text = `
:host{display:block}
:host([mode=overlay]),:host([mode=popover]){display:inline}
:host([hidden]),[hidden]{display:none!important}
[part=box]{position:relative}
iframe{display:block;width:100%;height:100%;border:0}
[part=fallback]{position:absolute;inset:0;display:grid;place-content:center;font:.875rem/1.5 system-ui,sans-serif}
[part=panel]{box-sizing:border-box;width:min(var(--platen-width,45rem),100vw - 1rem);max-width:none;max-height:calc(100vh - 1rem);max-height:calc(100dvh - 1rem);padding:0;border:0;border-radius:var(--platen-radius,.75rem);overflow:hidden;overscroll-behavior:contain;background:light-dark(#fff,#15171c);color:light-dark(#16181d,#eceef3);color-scheme:light dark;box-shadow:0 1rem 3rem #0005;position:fixed;flex-direction:column}
:host([theme=light]) [part=panel]{color-scheme:light}
:host([theme=dark]) [part=panel]{color-scheme:dark}
dialog[part=panel]{inset:.5rem 0 auto;margin:0 auto;--platen-rise:1rem}
@media(min-height:40rem){dialog[part=panel]{inset-block-start:8vh;max-height:84vh}}
div[part=panel]{--platen-width:24rem;margin:0;inset:auto;z-index:2147483647;outline:1px solid #8884}
[part=panel]:is([open],:popover-open){display:flex;animation:platen-in .18s ease-out}
dialog::backdrop{background:#0008;animation:platen-fade .18s}
[part=bar]{flex:none;display:flex;justify-content:flex-end;padding:.25rem}
[part=panel] [part=box]{flex:0 1 auto;min-height:0;display:flex}
[part=panel] [aria-busy]{min-height:6rem}
[part=close]{all:unset;box-sizing:border-box;width:2.75rem;height:2.75rem;display:grid;place-content:center;border-radius:.5rem;cursor:pointer;font:1.25rem/1 system-ui}
[part=close]:hover{background:#8883}
[part=close]:focus-visible{outline:3px solid Highlight;outline:3px solid -webkit-focus-ring-color;outline-offset:-3px}
@keyframes platen-in{from{opacity:0;transform:translateY(var(--platen-rise,.25rem))}}
@keyframes platen-fade{from{opacity:0}}
@media(prefers-reduced-motion:reduce){[part=panel],dialog::backdrop{animation:none!important}}
`;

let sheet: CSSStyleSheet | undefined;

/** One sheet for every widget of the page. */
export function styles(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
  }
  return sheet;
}
