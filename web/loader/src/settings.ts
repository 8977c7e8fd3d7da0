// How an element says what it shows.

export type Mode = 'inline' | 'overlay' | 'popover';

const PUBLIC_ID = /^wgt_[\w.-]{1,200}$/;

export interface Settings {
  publicId: string;
  /** The page, as a frame asks for it. */
  url: string;
  /** Whose page it is. */
  origin: string;
  mode: Mode;
}

type Attributes = (name: string) => string | null;

/** Reads an element's attributes; nothing when it names no widget. */
export function readSettings(attribute: Attributes, loaderOrigin: string): Settings | undefined {
  const publicId = attribute('public-id') ?? '';
  const mode = attribute('mode');
  if (!PUBLIC_ID.test(publicId)) return undefined;
  let url: URL;
  try {
    url = new URL('/e/' + publicId, attribute('origin') ?? loaderOrigin);
  } catch {
    return undefined;
  }
  if (!/^https?:$/.test(url.protocol)) return undefined;
  for (const name of ['theme', 'locale', 'token']) {
    const value = attribute(name);
    // What a page does without being told is not said: fewer addresses, more of them in caches.
    if (value && value !== 'auto') url.searchParams.set(name, value);
  }
  return { publicId, url: url.href, origin: url.origin, mode: mode === 'overlay' || mode === 'popover' ? mode : 'inline' };
}

/**
 * The height to keep free in a width, from `"560"` or `"360:820 768:640"` (from that width on, that height); 0 when nothing is said.
 */
export function reservedHeight(text: string | null, width: number): number {
  let height = 0;
  let from = -1;
  let smallest = Infinity;
  for (const item of (text ?? '').trim().split(/[\s,]+/)) {
    const [, at, value] = /^(?:(\d{1,5}):)?(\d{1,5})(?:px)?$/.exec(item) ?? [];
    const start = Number(at ?? 0);
    if (value === undefined) continue;
    // The widest that fits, or the narrowest when none does.
    if ((start <= width && start > from) || (from < 0 && start > width && start < smallest)) {
      height = Number(value);
      if (start <= width) from = start;
      else smallest = start;
    }
  }
  return height;
}

/** `data-close-label` of a script is the attribute `close-label` of its element. */
export function attributeName(key: string): string {
  return key === 'widget' ? 'public-id' : key.replace(/[A-Z]/g, (letter) => '-' + letter.toLowerCase());
}
