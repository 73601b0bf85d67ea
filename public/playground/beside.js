/** The settings and the code, beside the conversation; on a phone in its place. */

import { find } from "./dom.js";
import { Tabs } from "./tabs.js";

export class Beside {
  #element = find("beside", HTMLElement);
  #button = find("beside-button", HTMLButtonElement);
  #tabs;

  /** @param {() => void} onChange Called when the other of the two is shown. */
  constructor(onChange) {
    this.#tabs = new Tabs(find("tabs", HTMLElement), (tab) => {
      for (const name of ["settings", "code"]) {
        find(name, HTMLElement).hidden = tab.getAttribute("aria-controls") !== name;
      }
      onChange();
    });
    this.#button.addEventListener("click", () => {
      this.show(!document.body.classList.contains("is-beside"));
    });
  }

  /** Whether the screen has room for the conversation or this alone. */
  get isNarrow() {
    return this.#button.checkVisibility();
  }

  /** @param {boolean} isShown Where the screen is narrow. */
  show(isShown) {
    document.body.classList.toggle("is-beside", isShown);
    this.#button.setAttribute("aria-expanded", String(isShown));
    this.#button.textContent = isShown ? "Close" : "Settings";
  }

  /**
   * Lead to a field, here or elsewhere on the page.
   *
   * @param {HTMLElement} field
   */
  leadTo(field) {
    if (this.#element.contains(field)) {
      this.#tabs.choose(find("settings-tab", HTMLElement));
      this.show(true);
    }
    field.focus();
  }
}
