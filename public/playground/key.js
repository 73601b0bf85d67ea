/** The key, which is kept as long as the tab is, and nowhere else. */

import { find } from "./dom.js";

const NAME = "edgewise-key";

export class KeyField {
  #input = find("key", HTMLInputElement);

  /**
   * @param {() => void} onInput Called while one is written.
   * @param {() => void} onChange Called when it is written.
   */
  constructor(onInput, onChange) {
    this.#input.value = readKey();
    this.#input.addEventListener("input", onInput);
    this.#input.addEventListener("change", () => {
      this.#input.value = this.#input.value.trim(); // of what was pasted along
      keepKey(this.#input.value);
      onChange();
    });
    const show = find("show-key", HTMLButtonElement);
    show.addEventListener("click", () => {
      const isShown = this.#input.type === "password";
      this.#input.type = isShown ? "text" : "password";
      show.setAttribute("aria-pressed", String(isShown));
    });
  }

  /** Empty when there is none. */
  get value() {
    return this.#input.value;
  }
}

function readKey() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // a browser that keeps nothing for this page
  }
}

/** @param {string} key */
function keepKey(key) {
  try {
    if (key) sessionStorage.setItem(NAME, key);
    else sessionStorage.removeItem(NAME);
  } catch {
    return; // as above: the field alone holds it
  }
}
