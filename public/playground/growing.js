/** Text that grows: what comes between two frames is shown at once, and nothing is laid out twice. */

const LONGEST_NODE = 4000; // characters; a browser shapes a node anew when it grows

export class GrowingText {
  #waiting = "";
  #frame = 0;
  /** @type {Text | null} */
  #last = null;

  /**
   * @param {HTMLElement} element
   * @param {() => void} onGrowth
   */
  constructor(element, onGrowth) {
    this.element = element;
    this.onGrowth = onGrowth;
  }

  /** @param {string} text */
  add(text) {
    if (!text) return;
    this.#waiting += text;
    this.#frame ||= requestAnimationFrame(() => this.flush());
  }

  /** Show all that has come. */
  flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (!this.#waiting) return;
    // A word in two nodes would jump to the next line with only one of them.
    const isFull = (this.#last?.length ?? LONGEST_NODE) >= LONGEST_NODE;
    if (!this.#last || (isFull && /^\s/u.test(this.#waiting))) {
      this.#last = document.createTextNode("");
      this.element.append(this.#last);
    }
    this.#last.appendData(this.#waiting);
    this.#waiting = "";
    this.onGrowth();
  }
}
