/** Where a prompt is written: the message, the system prompt, and the raw prompt made of the two. */

import { find } from "./dom.js";
import { fillTemplate } from "./template.js";

/** @typedef {import("./body.js").Kind} Kind */

export class Composer {
  #message = find("message", HTMLTextAreaElement);
  #system = find("system", HTMLTextAreaElement);
  #raw = find("raw", HTMLTextAreaElement);
  #refill = find("refill", HTMLButtonElement);
  #isRawEdited = false;
  /** @type {Kind} */
  #kind = "chat";

  /**
   * @param {() => void} onSend Called when Enter is pressed.
   * @param {() => void} onRefill Called when the raw prompt is the template again.
   */
  constructor(onSend, onRefill) {
    for (const box of [this.#message, this.#raw]) {
      box.addEventListener("keydown", (event) => {
        if (!isPlainEnter(event)) return;
        event.preventDefault();
        onSend();
      });
    }
    for (const box of [this.#message, this.#system]) {
      box.addEventListener("input", () => this.#fill());
    }
    this.#raw.addEventListener("input", () => this.#setRawEdited(true));
    this.#refill.addEventListener("click", () => {
      this.#setRawEdited(false);
      this.focus();
      onRefill();
    });
  }

  get system() {
    return this.#system.value;
  }

  /** What would be sent now; empty when nothing is written. */
  get text() {
    if (this.#kind === "raw") return this.#isRawEdited || this.#message.value ? this.#raw.value : "";
    return this.#message.value.trim() ? this.#message.value : "";
  }

  /** Whether somebody may be writing. */
  get isInUse() {
    return this.#message.value !== "" || document.activeElement === this.#raw;
  }

  focus() {
    this.#message.focus();
  }

  /** @param {Kind} kind */
  choose(kind) {
    this.#kind = kind;
    find("raw-part", HTMLElement).hidden = kind !== "raw";
    find("system-part", HTMLElement).hidden = kind === "prompt";
    this.#fill();
  }

  /** What is written was sent. */
  clear() {
    if (this.#kind === "raw" && this.#isRawEdited) return; // which was sent without the message
    this.#message.value = "";
    this.#fill();
  }

  /**
   * Word an example as it would be sent.
   *
   * @param {string} message
   */
  example(message) {
    return this.#kind === "raw" ? fillTemplate(this.system, message) : message;
  }

  /** The browser has filled in what was written before. */
  restore() {
    this.#setRawEdited(this.#raw.value !== fillTemplate(this.system, this.#message.value));
  }

  /** @param {boolean} isRawEdited */
  #setRawEdited(isRawEdited) {
    this.#isRawEdited = isRawEdited;
    this.#fill();
  }

  /** Fill in the template, unless it was edited. */
  #fill() {
    if (!this.#isRawEdited) this.#raw.value = fillTemplate(this.system, this.#message.value);
    this.#refill.hidden = !this.#isRawEdited;
    find("raw-state", HTMLElement).textContent = this.#isRawEdited
      ? "edited by hand: it goes as it is, without Message"
      : "Llama 3.1's template, filled in";
  }
}

/** @param {KeyboardEvent} event */
function isPlainEnter({ key, shiftKey, isComposing, keyCode }) {
  // While an input method composes, Enter chooses what it offers. Safari says so by 229 alone.
  return key === "Enter" && !shiftKey && !isComposing && keyCode !== 229;
}
