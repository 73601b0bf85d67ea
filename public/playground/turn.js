/** A turn as it is shown: the user's, or an answer with all that is known of it. */

import { makeCopyButton } from "./copy.js";
import { make, makeButton } from "./dom.js";
import { GrowingText } from "./growing.js";
import { Calls, wordCalls } from "./turns.js";

/** @typedef {import("./request.js").Figures} Figures */
/** @typedef {import("./failure.js").Failure} Failure */
/** @typedef {import("./frames.js").Piece} Piece */
/** @typedef {import("./turns.js").Turn} Turn */

/**
 * @typedef {object} Actions What its buttons do.
 * @property {(turn: Turn) => void} retry
 * @property {(turn: Turn) => void} remove
 * @property {(turn: Turn) => void} goOn
 * @property {(turn: Turn, text: string) => void} edit
 * @property {(field: string) => boolean} has Whether there is such a setting.
 * @property {(field: string) => void} show Leads to it.
 * @property {() => void} grow Called when it has grown.
 */

export class TurnView {
  #calls = new Calls();
  #reasoning = "";
  #text = make("div", "text");
  #end = make("div", "end");
  #state = make("span", "state");
  #timer = 0;
  /** @type {Figures[]} */
  #parts = [];
  /** @type {GrowingText[]} */
  #growing = [];

  /**
   * @param {Turn} turn
   * @param {Actions} actions
   */
  constructor(turn, actions) {
    this.turn = turn;
    this.actions = actions;
    const isUser = turn.role === "user";
    this.element = make(
      "article",
      `turn ${turn.role}`,
      make("div", "who", make("h3", "", isUser ? "You" : "Model"), this.#state),
      this.#text,
      this.#end,
    );
    this.#text.textContent = turn.text;
    if (isUser) this.#end.append(this.#makeActions());
  }

  /** An answer begins, or goes on. */
  begin() {
    this.#clearEnd();
    this.#state.textContent = "writing";
    this.element.setAttribute("aria-busy", "true");
    this.#growing = [new GrowingText(this.#text, this.actions.grow)];
  }

  /** @param {Piece} piece */
  take({ text, reasoning, calls }) {
    if (reasoning) this.#takeReasoning(reasoning);
    this.turn.text += text;
    this.#growing[0]?.add(text);
    for (const call of calls) this.#calls.add(call);
    this.turn.calls = this.#calls.gathered;
  }

  /** @param {Figures} figures */
  finish(figures) {
    this.#stopGrowing();
    this.#parts.push(figures);
    this.#showCalls();
    const { ending, isCut, maxTokens, failure, isStream } = figures;
    if (isCut) {
      const goOn = makeButton("Continue", () => this.actions.goOn(this.turn));
      const limit = maxTokens === null ? "" : ` (${maxTokens})`;
      this.#end.append(make("p", "cut", `Cut at max_tokens${limit} `, goOn));
    }
    if (ending === "stopped") {
      const rest = isStream ? "" : ": without Stream the model may go on, unheard";
      this.#end.append(make("p", "cut", `Stopped${rest}`));
    }
    if (ending === "broken") {
      const why = failure ? `: ${failure}` : ": it is incomplete";
      const broken = make("p", "cut broken", `The answer broke off${why}`);
      this.#end.append(broken);
    }
    for (const part of this.#parts) this.#end.append(makeFigures(part));
    this.#end.append(this.#makeActions());
    this.actions.grow();
  }

  /** @param {Failure} failure */
  fail(failure) {
    this.#stopGrowing();
    const { code, status, requestId, retryAfter, isSignedOut } = failure.told;
    const error = make("div", "error", make("p", "message", failure.message));
    error.setAttribute("role", "alert");
    const known = [code, status && `HTTP ${status}`, requestId && `request ${requestId}`];
    const line = known.filter(Boolean).join(" · ");
    if (line) error.append(make("p", "known", line));
    const buttons = make("p", "line");
    if (isSignedOut) {
      buttons.append(makeButton("Reload", () => location.reload()));
    } else {
      // What came before it went on is not lost by its failing to.
      const again = this.#parts.length ? this.actions.goOn : this.actions.retry;
      buttons.append(makeButton("Try again", () => again(this.turn)));
    }
    const field = failure.isAboutKey ? "key" : failure.field;
    if (this.actions.has(field)) {
      buttons.append(makeButton(`Show ${field}`, () => this.actions.show(field)));
    }
    if (retryAfter !== undefined) buttons.append(this.#makeCountdown(retryAfter));
    error.append(buttons);
    this.#end.append(error);
    for (const part of this.#parts) this.#end.append(makeFigures(part));
    if (this.turn.text) this.#end.append(this.#makeActions());
    this.actions.grow();
  }

  /** Let what runs for it end. */
  dispose() {
    clearInterval(this.#timer);
  }

  #stopGrowing() {
    for (const growing of this.#growing) growing.flush();
    this.#growing = [];
    // Half a character, with which the API would refuse all that follows.
    this.turn.text = this.turn.text.toWellFormed();
    this.turn.calls = this.turn.calls.map((call) => ({ ...call, args: call.args.toWellFormed() }));
    this.#state.textContent = "";
    this.element.removeAttribute("aria-busy");
  }

  #clearEnd() {
    clearInterval(this.#timer);
    this.#end.replaceChildren();
  }

  #showCalls() {
    if (!this.turn.calls.length) return;
    const calls = make("pre", "calls", wordCalls(this.turn.calls));
    calls.setAttribute("aria-label", "Tool calls");
    calls.setAttribute("role", "group");
    this.#end.append(calls);
  }

  /** @param {string} text */
  #takeReasoning(text) {
    if (!this.#reasoning) {
      const shown = make("div", "text");
      this.#text.before(make("details", "reasoning", make("summary", "", "Reasoning"), shown));
      this.#growing.push(new GrowingText(shown, this.actions.grow));
    }
    this.#reasoning += text;
    this.#growing[1]?.add(text);
  }

  #makeActions() {
    return make(
      "div",
      "actions",
      makeCopyButton(() => this.turn.text || wordCalls(this.turn.calls)),
      makeButton("Edit", () => this.#edit()),
      makeButton("Retry", () => this.actions.retry(this.turn)),
      makeButton("Delete", () => this.actions.remove(this.turn)),
    );
  }

  /** @param {number} seconds */
  #makeCountdown(seconds) {
    const due = Date.now() + seconds * 1000;
    const countdown = make("span", "hint countdown");
    const tell = () => {
      const left = Math.max(0, Math.ceil((due - Date.now()) / 1000));
      countdown.textContent = left ? `in ${wordSeconds(left)}` : "now";
      if (!left) clearInterval(this.#timer);
    };
    this.#timer = setInterval(tell, 1000);
    tell();
    return countdown;
  }

  #edit() {
    const box = make("textarea", "editing");
    box.value = this.turn.text;
    box.rows = 3;
    box.setAttribute("aria-label", "Text of this turn");
    const shown = [...this.#end.childNodes];
    const close = () => {
      box.replaceWith(this.#text);
      this.#end.replaceChildren(...shown);
      this.#end.querySelector("button")?.focus();
    };
    const save = () => {
      if (!box.value.trim()) return;
      this.#text.textContent = box.value;
      close();
      this.actions.edit(this.turn, box.value);
    };
    const buttons = make("div", "actions", makeButton("Save", save));
    if (this.turn.role === "user") {
      const saveAndRetry = makeButton("Save and retry", () => {
        save();
        this.actions.retry(this.turn);
      });
      buttons.append(saveAndRetry);
    }
    buttons.append(makeButton("Cancel", close));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      close();
    });
    this.#text.replaceWith(box);
    this.#end.replaceChildren(buttons);
    box.focus();
    this.actions.grow();
  }
}

/** @param {Figures} figures */
function makeFigures({ firstAfter, tookMs, speed, usage, reason, model, requestId }) {
  /** @type {[string, string | number | null | undefined][]} */
  const figures = [
    ["first token", firstAfter === null ? null : `${(firstAfter / 1000).toFixed(2)} s`],
    ["took", `${(tookMs / 1000).toFixed(2)} s`],
    ["tokens a second", speed === null ? null : speed.toFixed(speed < 100 ? 1 : 0)],
    ["prompt", usage?.prompt],
    ["completion", usage?.completion],
    ["total", usage?.total],
    ["finish reason", reason],
    ["model", model],
    ["request", requestId],
  ];
  const list = make("dl", "figures");
  for (const [name, value] of figures) {
    if (value === null || value === undefined || value === "") continue;
    list.append(make("div", "", make("dt", "", name), make("dd", "", String(value))));
  }
  return list;
}

/** @param {number} seconds */
function wordSeconds(seconds) {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
