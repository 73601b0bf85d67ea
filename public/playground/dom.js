/** Short ways to the document. */

/**
 * Find an element by its id.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {{ new (): T }} kind
 * @returns {T}
 */
export function find(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new TypeError(`the page has no such #${id}`);
  return element;
}

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} name Of its class; empty for none.
 * @param {...(Node | string)} content
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, name, ...content) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...content);
  return element;
}

/**
 * Make a button.
 *
 * @param {string} text
 * @param {(button: HTMLButtonElement) => void} press
 */
export function makeButton(text, press) {
  const button = make("button", "quiet", text);
  button.type = "button";
  button.addEventListener("click", () => press(button));
  return button;
}

/**
 * Have a screen reader say something.
 *
 * @param {string} text
 */
export function announce(text) {
  find("status", HTMLElement).textContent = text;
}

/**
 * Say what is wrong with a field.
 *
 * @param {HTMLElement} field
 * @param {HTMLElement} element Where it is said.
 * @param {string} message Empty for nothing.
 */
export function markWrong(field, element, message) {
  element.textContent = message;
  if (message) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}
