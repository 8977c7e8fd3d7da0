import { make, setOrRemove } from './dom';
import { type Frame, openFrame } from './frame';
import type { FrameMessage } from './protocol';
import { readSettings, reservedHeight, type Settings } from './settings';
import { styles } from './styles';

export type CloseReason = 'escape' | 'outside' | 'button' | 'api' | 'removed';
export type ErrorReason = 'invalid' | 'refused' | 'unreachable';

/** An element that is in a document and shows its widget. */
export interface Mounted {
  open(opener?: Element | null): void;
  close(reason: CloseReason): void;
  /** Whether its page has come, and not been refused since. */
  shows(): boolean;
  /** Takes everything away again that was put up, here and in the document. */
  end(): void;
}

const warmed = new Set<string>();

/** Has the connection made while nothing is asked for yet. */
function warm(origin: string): void {
  if (warmed.has(origin)) return;
  warmed.add(origin);
  document.head.append(make('link', { rel: 'preconnect', href: origin }));
}

/** What has the focus, also within shadow roots. */
function focused(): Element | null {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}

export function mount(host: HTMLElement, root: ShadowRoot, loaderOrigin: string): Mounted {
  const attribute = (name: string) => host.getAttribute(name);
  const settings = readSettings(attribute, loaderOrigin);
  const listening = new AbortController();
  const { signal } = listening;
  const slot = make('slot', {});
  const parts: Parts = {
    host,
    root,
    slot,
    signal,
    attribute,
    label: attribute('label') ?? '',
    emit(type, detail) {
      host.dispatchEvent(
        new CustomEvent('platen:' + type, {
          bubbles: true,
          composed: true,
          detail: { publicId: settings?.publicId ?? attribute('public-id'), ...detail },
        }),
      );
    },
  };
  root.adoptedStyleSheets = [styles()];
  root.replaceChildren(slot);
  if (!settings) {
    parts.emit('error', { reason: 'invalid' });
    return { open() {}, close() {}, shows: () => false, end: () => listening.abort() };
  }
  warm(settings.origin);
  const mounted = settings.mode === 'inline' ? mountInline(parts, settings) : mountPanel(parts, settings);
  return {
    ...mounted,
    end() {
      mounted.end();
      listening.abort();
      root.replaceChildren();
    },
  };
}

interface Parts {
  host: HTMLElement;
  root: ShadowRoot;
  slot: HTMLSlotElement;
  signal: AbortSignal;
  label: string;
  attribute(name: string): string | null;
  emit(type: 'ready' | 'open' | 'close' | 'submit' | 'error', detail?: object): void;
}

/** The page in a box: asked for once, measured, and replaced by a quiet link when it does not come. */
function contents(parts: Parts, settings: Settings, resize: (height: number, first: boolean) => void, escape: () => void) {
  const { slot, label, emit } = parts;
  const box = make('div', { part: 'box' });
  let frame: Frame | undefined;
  let ready = false;
  let refused = false;
  let link: HTMLAnchorElement | undefined;

  function fail(reason: ErrorReason): void {
    if (ready || link) return;
    link = make('a', { part: 'fallback', href: settings.url, target: '_blank', rel: 'noopener' }, label || new URL(settings.url).host + ' ↗');
    frame!.element.hidden = true;
    // What the author wrote between the tags goes before anything of ours.
    if (settings.mode === 'inline') slot.replaceChildren(link);
    else box.append(link);
    slot.hidden = false;
    busy(false);
    emit('error', { reason });
  }

  function hear({ type, height, title }: FrameMessage): void {
    const { element } = frame!;
    if (type === 'close') return escape();
    if (type === 'error') {
      refused = true;
      // It may have been shown before: a token ends.
      ready = false;
      return fail('refused');
    }
    // A page that says there is no widget may still change its height.
    if (refused) return;
    // It was only slow.
    if (link) {
      link.remove();
      link = undefined;
      element.hidden = false;
      if (settings.mode === 'inline') slot.hidden = true;
    }
    if (title && !label) {
      element.title = title;
      box.closest('[role=dialog],dialog')?.setAttribute('aria-label', title);
    }
    const first = !ready;
    ready = true;
    // One that the visitor has closed is as high as nothing; one that has just come is not.
    if (height || (height === 0 && !first)) resize(height, first);
    if (first) {
      busy(false);
      emit('ready', { height, width: box.clientWidth });
    }
    if (type === 'submit') emit('submit');
  }

  function busy(yes: boolean): void {
    setOrRemove(box, 'aria-busy', yes ? 'true' : undefined);
  }

  return {
    box,
    load(): void {
      if (frame) return;
      busy(true);
      frame = openFrame(settings.url, label, hear, () => fail('unreachable'));
      box.append(frame.element);
    },
    shows: () => ready,
    end: () => frame?.end(),
  };
}

function mountInline(parts: Parts, settings: Settings): Mounted {
  const { host, root, slot, attribute } = parts;
  let floor = 0;
  let width = 0;
  const content = contents(
    parts,
    settings,
    (height, first) => {
      const { top, bottom } = host.getBoundingClientRect();
      // What was reserved in view of the visitor stays, so that nothing moves; elsewhere, and once the width is another, it need not.
      if (first) floor = bottom > 0 && top < innerHeight ? floor : 0;
      else if (host.clientWidth !== width) floor = 0;
      width = host.clientWidth;
      content.box.style.minHeight = '0';
      content.box.style.height = Math.max(height, floor) + 'px';
    },
    () => {},
  );
  slot.hidden = true;
  root.prepend(content.box);
  floor = reservedHeight(attribute('height'), host.clientWidth);
  content.box.style.height = (floor || 240) + 'px';

  const eager = attribute('loading') === 'eager';
  // One screen ahead of the visitor.
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      content.load();
    },
    { rootMargin: '100% 0%' },
  );
  if (eager) content.load();
  else observer.observe(host);
  return {
    open: content.load,
    close() {},
    shows: content.shows,
    end() {
      observer.disconnect();
      content.end();
    },
  };
}

function mountPanel(parts: Parts, settings: Settings): Mounted {
  const { host, root, slot, signal, label, attribute, emit } = parts;
  const trigger = attribute('trigger');
  const selector = trigger && trigger !== 'load' ? trigger : undefined;
  const modal = settings.mode === 'overlay';
  const closing = make('button', { part: 'close', type: 'button', 'aria-label': attribute('close-label') ?? 'Close' }, '✕');
  const content = contents(
    parts,
    settings,
    (height) => {
      content.box.style.height = height + 'px';
    },
    () => close('escape'),
  );
  const named = { part: 'panel', ...(label ? { 'aria-label': label } : {}) };
  const panel = modal
    ? make('dialog', named, make('div', { part: 'bar' }, closing), content.box)
    : make('div', { ...named, role: 'dialog', popover: 'manual' }, make('div', { part: 'bar' }, closing), content.box);
  let shown = false;
  let opener: Element | null = null;
  let marked: Element[] = [];

  slot.hidden = trigger !== null;
  slot.append(make('button', { part: 'trigger', type: 'button' }, label || '…'));
  root.append(panel);
  mark();

  // Those who cannot see that something opens are told.
  function mark(): void {
    const triggers = selector
      ? document.querySelectorAll(selector)
      : trigger
        ? []
        : [...host.querySelectorAll('a,button'), ...slot.querySelectorAll('button')];
    for (const element of (marked = [...triggers])) {
      element.setAttribute('aria-haspopup', 'dialog');
      element.setAttribute('aria-expanded', String(shown));
    }
  }

  function pressed(event: MouseEvent, element: Element | null | undefined): void {
    if (!element || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (shown) close('button');
    else open(element);
  }

  function place(): void {
    if (modal) return;
    const { top, bottom, left, right } = (opener ?? host).getBoundingClientRect();
    const gap = 8;
    const below = innerHeight - bottom;
    const wide = panel.offsetWidth;
    const start = getComputedStyle(host).direction === 'rtl' ? right - wide : left;
    const { style } = panel;
    style.left = Math.max(gap, Math.min(start, document.documentElement.clientWidth - wide - gap)) + 'px';
    const under = below > innerHeight * 0.4 || below >= top;
    style.top = under ? bottom + gap + 'px' : 'auto';
    style.bottom = under ? 'auto' : innerHeight - top + gap + 'px';
    style.maxHeight = Math.max(160, (under ? below : top) - 2 * gap) + 'px';
  }

  function open(from?: Element | null): void {
    if (shown || !host.isConnected) return;
    shown = true;
    opener = from ?? focused();
    if (modal) (panel as HTMLDialogElement).showModal();
    else panel.showPopover();
    content.box.style.height ||= (reservedHeight(attribute('height'), panel.clientWidth) || 320) + 'px';
    // Not before it has its width: the page would measure itself in another.
    content.load();
    place();
    closing.focus();
    mark();
    host.toggleAttribute('open', true);
    emit('open');
  }

  function close(reason: CloseReason): void {
    if (!shown) return;
    shown = false;
    const inside = focused();
    const back = modal || panel.contains(inside);
    if (modal) (panel as HTMLDialogElement).close();
    else if (panel.isConnected) panel.hidePopover();
    mark();
    host.toggleAttribute('open', false);
    if (back && opener?.isConnected) (opener as HTMLElement).focus({ preventScroll: true });
    opener = null;
    emit('close', { reason });
  }

  const on = (target: EventTarget, type: string, listener: (event: never) => void, capture = false) =>
    target.addEventListener(type, listener as EventListener, { signal, capture });

  on(closing, 'click', () => close('button'));
  on(slot, 'click', (event: MouseEvent) => pressed(event, (event.target as Element).closest('a,button')));
  if (selector) {
    on(document, 'click', (event: MouseEvent) => pressed(event, (event.target as Element | null)?.closest?.(selector)));
  }
  on(panel, 'cancel', (event: Event) => {
    event.preventDefault();
    close('escape');
  });
  // A browser may insist on closing.
  on(panel, 'close', () => close('escape'));
  if (modal) {
    on(panel, 'click', (event: MouseEvent) => {
      if (event.target === panel) close('outside');
    });
  } else {
    on(document, 'keydown', (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.defaultPrevented) close('escape');
    });
    on(
      document,
      'pointerdown',
      (event: PointerEvent) => {
        const path = event.composedPath();
        if (!path.includes(panel) && !(opener && path.includes(opener))) close('outside');
      },
      true,
    );
    on(window, 'resize', place);
    on(window, 'scroll', place, true);
  }
  if (trigger === 'load' || host.hasAttribute('open')) queueMicrotask(() => open());

  return {
    open,
    close,
    shows: content.shows,
    end() {
      close('removed');
      content.end();
      for (const element of marked) {
        element.removeAttribute('aria-haspopup');
        element.removeAttribute('aria-expanded');
      }
    },
  };
}
