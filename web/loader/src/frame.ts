import { make } from './dom';
import { type FrameMessage, readMessage } from './protocol';

/** Without an answer for so long, a page is not coming. */
const ANSWER_MS = 15_000;

/** A page that has loaded has already spoken; between two processes its words may come a little later. */
const GRACE_MS = 2_000;

export interface Frame {
  element: HTMLIFrameElement;
  /** Forgets it: nothing it says is heard any more. */
  end(): void;
}

/** Asks for the page, and hears what it says. `lost` is called when it says nothing. */
export function openFrame(url: string, title: string, heard: (message: FrameMessage) => void, lost: () => void): Frame {
  const element = make('iframe', {
    part: 'frame',
    title,
    referrerpolicy: 'strict-origin',
    sandbox:
      'allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation',
    src: url,
  });
  let timer = setTimeout(lost, ANSWER_MS);
  const listening = new AbortController();
  const { signal } = listening;

  addEventListener(
    'message',
    (event) => {
      // A sandboxed page has the origin "null"; which page it is, its window tells.
      if (event.source !== element.contentWindow || event.origin !== 'null') return;
      const message = readMessage(event.data);
      if (!message) return;
      clearTimeout(timer);
      timer = 0;
      heard(message);
    },
    { signal },
  );
  // Browsers load their own page when there is no answer, and call that loaded as well.
  element.addEventListener(
    'load',
    () => {
      if (!timer) return;
      clearTimeout(timer);
      timer = setTimeout(lost, GRACE_MS);
    },
    { signal },
  );

  return {
    element,
    end() {
      clearTimeout(timer);
      listening.abort();
    },
  };
}
