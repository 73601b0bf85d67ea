/** Keeps the end of the conversation in sight while its reader is there. */

const NEAR_PX = 24;

export class Scroller {
  #isAtEnd = true;
  #top = 0;

  /**
   * @param {HTMLElement} element What scrolls.
   * @param {HTMLButtonElement} button Leads to the end.
   */
  constructor(element, button) {
    this.element = element;
    this.button = button;
    element.addEventListener("scroll", () => this.#look(), { passive: true });
    new ResizeObserver(() => this.follow()).observe(element);
    button.addEventListener("click", () => {
      this.toEnd();
      element.focus({ preventScroll: true });
    });
  }

  /** Stay at the end, if that is where the reader was. */
  follow() {
    if (this.#isAtEnd) this.toEnd();
    else this.button.hidden = this.#left() <= NEAR_PX;
  }

  toEnd() {
    this.#isAtEnd = true;
    this.element.scrollTop = this.element.scrollHeight;
    this.#top = this.element.scrollTop;
    this.button.hidden = true;
  }

  #look() {
    const top = this.element.scrollTop;
    // What grows below moves nobody up: only the reader does.
    if (top < this.#top) this.#isAtEnd = false;
    if (this.#left() <= NEAR_PX) this.#isAtEnd = true;
    this.#top = top;
    this.button.hidden = this.#isAtEnd;
  }

  #left() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight;
  }
}
