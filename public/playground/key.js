/** The key, which is kept as long as the tab is, and nowhere else. */

const NAME = "edgewise-key";

/** Empty when there is none. */
export function readKey() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // a browser that keeps nothing for this page
  }
}

/** @param {string} key */
export function keepKey(key) {
  try {
    if (key) sessionStorage.setItem(NAME, key);
    else sessionStorage.removeItem(NAME);
  } catch {
    return; // as above: the field alone holds it
  }
}
