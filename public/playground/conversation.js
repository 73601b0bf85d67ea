/**
 * A conversation: what was said in each kind of prompt, what is asked next, and what can be undone.
 * It runs without a page.
 */

import { makeBody, makeContinuation, setFor } from "./body.js";

/** @typedef {import("./body.js").Asked} Asked */
/** @typedef {import("./body.js").Body} Body */
/** @typedef {import("./body.js").Kind} Kind */
/** @typedef {import("./parameters.js").Values} Values */
/** @typedef {import("./turns.js").Turn} Turn */

/** @typedef {{ turn: Turn, body: Body }} Question A request to send, and the turn that it answers with. */

export class Conversation {
  /** @type {Kind} */
  #kind = "chat";
  /** @type {Record<Kind, Turn[]>} */
  #turns = { chat: [], prompt: [], raw: [] };
  /** @type {Record<Kind, Asked | null>} */
  #asked = { chat: null, prompt: null, raw: null };
  /** @type {{ turns: Turn[], change: string } | null} */
  #before = null;

  /** @param {(turn: Turn) => void} onLoss Called with each turn that is taken away. */
  constructor(onLoss) {
    this.onLoss = onLoss;
  }

  get kind() {
    return this.#kind;
  }

  /** @returns {readonly Turn[]} */
  get turns() {
    return this.#turns[this.#kind];
  }

  /** What Undo takes back, in words; empty when nothing can be undone. */
  get undoable() {
    return this.#before?.change ?? "";
  }

  /** @param {Kind} kind Each has its own turns. */
  choose(kind) {
    this.#kind = kind;
    this.#before = null;
  }

  /**
   * Say something.
   *
   * @param {string} text
   * @param {string} system
   * @param {Values} settings
   * @returns {Question}
   */
  say(text, system, settings) {
    this.#before = null;
    this.#turns[this.#kind].push(user(text));
    return this.#ask(system, settings);
  }

  /**
   * Ask once more.
   *
   * @param {Turn} turn The answer, or what it answers.
   * @param {string} system
   * @param {Values} settings
   * @returns {Question | null} null when there is nothing to ask.
   */
  retry(turn, system, settings) {
    const turns = this.turns;
    const at = turns.slice(0, turns.indexOf(turn) + 1).findLastIndex(({ role }) => role === "user");
    const asked = turns[at];
    if (!asked) return null;
    const isLast = turns.slice(at + 1).every(({ role }) => role === "assistant");
    if (this.#kind === "chat" || isLast) {
      this.#change(turns.slice(0, at + 1), isLast ? "Answer replaced" : "Later turns deleted");
      return this.#ask(system, settings);
    }
    return this.say(asked.text, system, settings);
  }

  /**
   * Have an answer go on where it was cut.
   *
   * @param {Turn} turn
   * @param {string} system
   * @param {Values} settings
   * @returns {Question}
   */
  goOn(turn, system, settings) {
    this.#before = null;
    const turns = this.turns.slice(0, this.turns.indexOf(turn) + 1);
    if (turns.length < this.turns.length) this.#change(turns, "Later turns deleted");
    return this.#send(turn, makeContinuation(this.#kind, system, turns, settings));
  }

  /**
   * @param {Turn} turn
   * @param {string} text In place of what it says.
   */
  edit(turn, text) {
    turn.text = text;
  }

  /** @param {Turn} turn */
  remove(turn) {
    this.#change(this.turns.filter((other) => other !== turn), "Turn deleted");
  }

  clear() {
    if (this.turns.length) this.#change([], "Cleared");
  }

  undo() {
    if (this.#before) this.#put(this.#before.turns);
    this.#before = null;
  }

  /**
   * Make the body that would be sent if this were said.
   *
   * @param {string} text
   * @param {string} system
   * @param {Values} settings
   */
  preview(text, system, settings) {
    return makeBody(this.#kind, system, [...this.turns, user(text)], settings);
  }

  /**
   * Make the body that was sent last, under other settings.
   *
   * @param {Values} settings
   * @returns {Body | null} null when nothing was sent, or nothing is left of it.
   */
  previewLast(settings) {
    const asked = this.#asked[this.#kind];
    return asked && this.turns.length ? setFor(asked, settings) : null;
  }

  /**
   * Have the last turn answered.
   *
   * @param {string} system
   * @param {Values} settings
   */
  #ask(system, settings) {
    const turns = this.#turns[this.#kind];
    const body = makeBody(this.#kind, system, turns, settings);
    /** @type {Turn} */
    const answer = { role: "assistant", text: "", calls: [] };
    turns.push(answer);
    return this.#send(answer, body);
  }

  /**
   * @param {Turn} turn
   * @param {Body} body
   * @returns {Question}
   */
  #send(turn, body) {
    this.#asked[this.#kind] = body;
    return { turn, body };
  }

  /**
   * Change what was said, so that it can be undone.
   *
   * @param {Turn[]} turns
   * @param {string} change In words.
   */
  #change(turns, change) {
    this.#before = { turns: this.#turns[this.#kind], change };
    this.#put(turns);
  }

  /** @param {Turn[]} turns */
  #put(turns) {
    const lost = this.turns.filter((turn) => !turns.includes(turn));
    this.#turns[this.#kind] = turns;
    for (const turn of lost) this.onLoss(turn);
  }
}

/**
 * @param {string} text
 * @returns {Turn}
 */
function user(text) {
  return { role: "user", text, calls: [] };
}
