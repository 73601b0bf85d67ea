/**
 * Text that grows: what comes between two frames is shown at once, or in several frames when it is
 * much, and what stands stays laid out.
 */

import { make } from "./dom.js";

const LONGEST = 4000; // characters; a browser lays a block out anew, and shapes a node, when it grows
const MOST = 8000; // characters that a frame lays out, so that none keeps the page from answering

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
    this.#ask();
  }

  /** Show all that has come. */
  flush() {
    cancelAnimationFrame(this.#frame);
    this.#show(this.#waiting.length);
  }

  #ask() {
    this.#frame ||= requestAnimationFrame(() => this.#show(MOST));
  }

  /** @param {number} most Characters. */
  #show(most) {
    this.#frame = 0;
    if (!this.#waiting) return;
    for (const line of this.#waiting.slice(0, most).split(/(?<=\n)/u)) this.#append(line);
    this.#waiting = this.#waiting.slice(most);
    if (this.#waiting) this.#ask();
    this.onGrowth();
  }

  /** @param {string} line One, or a part of one. */
  #append(line) {
    const block = this.element.lastElementChild ?? this.element;
    if (!this.#last) {
      this.#last = startNode(block);
    } else if (this.#last.length >= LONGEST) {
      // A line in two blocks, or a word in two nodes, would be broken there.
      if (this.#last.data.endsWith("\n")) this.#last = startNode(this.element.appendChild(make("div", "")));
      else if (/^\s/u.test(line)) this.#last = startNode(block);
    }
    this.#last.appendData(line);
  }
}

/** @param {Element} parent */
function startNode(parent) {
  return parent.appendChild(document.createTextNode(""));
}
