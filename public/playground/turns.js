/** What was said, in order. */

/** @typedef {{ id: string, name: string, args: string }} Call */

/**
 * @typedef {object} Turn
 * @property {"user" | "assistant"} role
 * @property {string} text
 * @property {Call[]} calls Tools that the assistant called.
 */

/** Puts the tool calls of one answer together, whichever way a model numbers their pieces. */
export class Calls {
  /** @type {Call[]} */
  #calls = [];
  /** @type {Map<number, Call>} */
  #byIndex = new Map();

  /** Those that came so far; a tool that takes no arguments gets an empty object. */
  get gathered() {
    return this.#calls.map((call) => ({ ...call, args: call.args || "{}" }));
  }

  /** @param {import("./frames.js").CallPiece} piece */
  add({ index, id, name, args }) {
    if (!name && !args) return;
    const known = index === null ? this.#calls.at(-1) : this.#byIndex.get(index);
    // Some models give every call the same number, or none; but each has a name or an id of its own.
    if (known && (!name || (id && id === known.id))) {
      known.args += args;
      return;
    }
    const call = { id, name, args };
    this.#calls.push(call);
    if (index !== null) this.#byIndex.set(index, call);
  }
}

/**
 * Word calls as text.
 *
 * @param {Call[]} calls
 */
export function wordCalls(calls) {
  return calls.map(({ name, args }) => `${name}(${args})`).join("\n");
}
