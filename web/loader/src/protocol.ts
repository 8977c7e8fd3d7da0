// What a widget's page tells the page around it, version 1. A page of any later server still says these, and may say more:
//
//   { platen: 1, type: "size",   height, title }   it is shown; again whenever its height changes
//   { platen: 1, type: "submit", height, title }   instead of the first "size", when it answers a form
//   { platen: 1, type: "error",  height, title }   instead of the first "size", when there is no widget to show
//   { platen: 1, type: "close" }                   Escape was pressed in it, or it closed itself
//
// The frame is sandboxed without an origin, so who speaks is known by its window, and nothing it says is trusted further than a
// number in bounds and a text for a title.

export const PROTOCOL = 1;

/** CSS pixels; a page that says it is taller is wrong. */
export const MAX_HEIGHT = 20_000;

const MAX_TITLE = 200;

export interface FrameMessage {
  type: 'size' | 'submit' | 'error' | 'close';
  /** Whole CSS pixels, when they are known. */
  height: number | undefined;
  title: string;
}

/** The message in `data`, or nothing when that is not one. */
export function readMessage(data: unknown): FrameMessage | undefined {
  if (typeof data !== 'object' || !data) return undefined;
  const { platen, type, height, title } = data as Record<string, unknown>;
  if (platen !== PROTOCOL || (type !== 'size' && type !== 'submit' && type !== 'error' && type !== 'close')) return undefined;
  return {
    type,
    height: typeof height === 'number' && height >= 0 && height <= MAX_HEIGHT ? Math.ceil(height) : undefined,
    title: typeof title === 'string' ? title.slice(0, MAX_TITLE) : '',
  };
}
