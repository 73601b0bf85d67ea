/** Copies text, and says so. */

import { announce, make, makeButton } from "./dom.js";

const SHOWN_MS = 1500;

/**
 * Make a button that copies.
 *
 * @param {() => string} read Called when it is pressed.
 */
export function makeCopyButton(read) {
  const button = makeButton("Copy", () => {
    void copy(read()).then((isDone) => {
      button.textContent = isDone ? "Copied" : "Not copied";
      announce(button.textContent);
      setTimeout(() => (button.textContent = "Copy"), SHOWN_MS);
    });
  });
  button.classList.add("copy");
  return button;
}

/**
 * @param {string} text
 * @returns {Promise<boolean>} Whether it was.
 */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelecting(text); // a page without HTTPS, or a browser that asks first
  }
}

/** @param {string} text */
function copyBySelecting(text) {
  const before = document.activeElement;
  const box = make("textarea", "unseen");
  box.value = text;
  document.body.append(box);
  box.select();
  const isDone = document.execCommand("copy");
  box.remove();
  if (before instanceof HTMLElement) before.focus();
  return isDone;
}
