/** Tabs, as https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ has them. */

const STEPS = new Map([
  ["ArrowRight", 1],
  ["ArrowLeft", -1],
  ["Home", -Infinity],
  ["End", Infinity],
]);

export class Tabs {
  /**
   * @param {HTMLElement} tablist
   * @param {(tab: HTMLElement) => void} onChange
   */
  constructor(tablist, onChange) {
    /** @type {HTMLElement[]} */
    this.all = [...tablist.querySelectorAll("button")];
    this.onChange = onChange;
    tablist.addEventListener("click", ({ target }) => {
      if (target instanceof HTMLElement && this.all.includes(target)) this.choose(target);
    });
    tablist.addEventListener("keydown", (event) => this.#move(event));
  }

  /** The one that is chosen. */
  get chosen() {
    return this.all.find((tab) => tab.getAttribute("aria-selected") === "true") ?? this.all[0];
  }

  /** @param {HTMLElement} chosen */
  choose(chosen) {
    for (const tab of this.all) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
    }
    this.onChange(chosen);
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const step = STEPS.get(event.key);
    if (step === undefined || !this.chosen) return;
    event.preventDefault();
    const count = this.all.length;
    const at = this.all.indexOf(this.chosen) + step;
    const tab = this.all.at(Number.isFinite(at) ? at % count : at < 0 ? 0 : -1);
    if (!tab) return;
    this.choose(tab);
    tab.focus();
  }
}
