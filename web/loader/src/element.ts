import { type Mounted, mount } from './widget';

/** The class of `<platen-widget>` for a loader that came from `loaderOrigin`. */
export function widgetClass(loaderOrigin: string): CustomElementConstructor {
  return class extends HTMLElement {
    static observedAttributes = ['public-id', 'origin', 'theme', 'locale', 'token', 'mode', 'trigger', 'label', 'open'];

    #root = this.attachShadow({ mode: 'open' });
    #mounted: Mounted | undefined;
    #pending = false;

    connectedCallback(): void {
      this.#mounted = mount(this, this.#root, loaderOrigin);
    }

    disconnectedCallback(): void {
      this.#mounted?.end();
      this.#mounted = undefined;
    }

    attributeChangedCallback(name: string, before: string | null, after: string | null): void {
      if (!this.#mounted || before === after) return;
      if (name === 'open') {
        if (after === null) this.close();
        else if (before === null) this.open();
        return;
      }
      // A token that follows another is for the next time: what is shown stays, and what was written into it.
      if (name === 'token' && this.#mounted.shows()) return;
      // Several attributes set one after the other are one change.
      if (this.#pending) return;
      this.#pending = true;
      queueMicrotask(() => {
        this.#pending = false;
        if (!this.isConnected) return;
        const wasOpen = this.hasAttribute('open');
        this.#mounted?.end();
        this.#mounted = mount(this, this.#root, loaderOrigin);
        if (wasOpen) this.open();
      });
    }

    /** Opens an overlay or a popover; an inline widget is loaded at once. */
    open(): void {
      this.#mounted?.open();
    }

    close(): void {
      this.#mounted?.close('api');
    }
  };
}
