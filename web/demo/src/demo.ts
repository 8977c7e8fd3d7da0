// Shows what the widgets say, and changes their attributes. None of it is needed for them to work.

interface LayoutShift extends PerformanceEntry {
  value: number;
  hadRecentInput: boolean;
}

const MOST_EVENTS = 500;

const events = document.querySelector<HTMLOListElement>('#events')!;
const controls = document.querySelector<HTMLFormElement>('#controls')!;
const widgets = () => document.querySelectorAll('platen-widget');

for (const type of ['ready', 'open', 'close', 'submit', 'error']) {
  document.addEventListener('platen:' + type, (event) => {
    const widget = event.target as Element;
    const { publicId, ...rest } = (event as CustomEvent<Record<string, unknown>>).detail;
    const line = document.createElement('li');
    line.textContent = `platen:${type} ${publicId} ${widget.getAttribute('mode') ?? 'inline'} ${JSON.stringify(rest)}`;
    // The latest last, and scrolled to: what is read moves nothing that is there.
    events.append(line);
    while (events.children.length > MOST_EVENTS) events.firstElementChild!.remove();
    events.parentElement!.scrollTop = events.parentElement!.scrollHeight;
    if (type === 'ready' && !widget.hasAttribute('mode')) showLine(widget, String(publicId), Number(rest['height']));
  });
}

/** The line to copy, with the height that was measured here. */
function showLine(widget: Element, publicId: string, height: number): void {
  const code = widget.closest('section')?.querySelector('.line');
  if (code) code.textContent = `<platen-widget public-id="${publicId}" height="${height}"></platen-widget>`;
}

controls.addEventListener('change', () => {
  const { theme, locale, dir } = Object.fromEntries(new FormData(controls)) as Record<string, string>;
  document.documentElement.dataset['theme'] = theme!;
  document.documentElement.dir = dir!;
  for (const widget of widgets()) {
    widget.setAttribute('theme', theme!);
    if (locale) widget.setAttribute('locale', locale);
    else widget.removeAttribute('locale');
  }
});

document.querySelector('#again')!.addEventListener('click', () => {
  for (const widget of widgets()) {
    const next = widget.nextSibling;
    const parent = widget.parentNode!;
    widget.remove();
    parent.insertBefore(widget, next);
  }
});

let shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries() as LayoutShift[]) {
    if (!entry.hadRecentInput) shift += entry.value;
  }
  document.querySelector('#shift')!.textContent = shift.toFixed(4);
}).observe({ type: 'layout-shift', buffered: true });
