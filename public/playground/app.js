/** The playground: puts the parts together. */

import { makeBody, makeContinuation, setFor } from "./body.js";
import { readModels, wordModel } from "./catalogue.js";
import { LANGUAGES } from "./code.js";
import { makeCopyButton } from "./copy.js";
import { announce, find, make } from "./dom.js";
import { Failure, fetchFrom } from "./failure.js";
import { fields } from "./frames.js";
import { keepKey, readKey } from "./key.js";
import { readRanges } from "./ranges.js";
import { Sender } from "./request.js";
import { Scroller } from "./scroller.js";
import { Settings } from "./settings.js";
import { Tabs } from "./tabs.js";
import { fillTemplate } from "./template.js";
import { TurnView } from "./turn.js";

/** @typedef {import("./body.js").Asked} Asked */
/** @typedef {import("./body.js").Body} Body */
/** @typedef {import("./body.js").Kind} Kind */
/** @typedef {import("./request.js").Figures} Figures */
/** @typedef {import("./turns.js").Turn} Turn */

const EMPTY = {
  chat: "A chat. The system prompt and every turn go along with each message.",
  prompt: "A prompt on its own. Workers AI puts it into a chat; nothing said before goes along.",
  raw: "A raw prompt goes to the model as it is, so it carries the model's own template.",
};
// What code is shown for while nothing is written.
const EXAMPLE = "Hello";

const message = find("message", HTMLTextAreaElement);
const system = find("system", HTMLTextAreaElement);
const raw = find("raw", HTMLTextAreaElement);
const send = find("send", HTMLButtonElement);
const stop = find("stop", HTMLButtonElement);
const refill = find("refill", HTMLButtonElement);
const key = find("key", HTMLInputElement);
const modelChoice = find("model", HTMLSelectElement);
const beside = find("beside", HTMLElement);
const besideButton = find("beside-button", HTMLButtonElement);
const notice = find("notice", HTMLElement);
const settings = new Settings();
const sender = new Sender();
const scroller = new Scroller(find("scroller", HTMLElement), find("jump", HTMLButtonElement));

/** @type {Kind} */
let kind = "chat";
/** @type {Record<Kind, TurnView[]>} */
const said = { chat: [], prompt: [], raw: [] };
/** @type {Record<Kind, Asked | null>} */
const sent = { chat: null, prompt: null, raw: null };
let isRawEdited = false;
/** @type {import("./catalogue.js").Model[]} */
let models = [];
/** @type {(() => void) | null} */
let undo = null;

/** @type {import("./turn.js").Actions} */
const actions = {
  retry: (view) => retry(view),
  remove: (view) => {
    changeTurns(said[kind].filter((other) => other !== view), "Turn deleted");
    message.focus();
  },
  goOn: (view) => void goOn(view),
  change: () => showTurns(),
  has: (field) => settings.controlOf(field) !== null,
  show: (field) => showField(field),
  grow: () => scroller.follow(),
};

// --- What is asked

/** Send what is written. */
function sendMessage() {
  if (sender.answering || isEditing()) return;
  const text = written();
  if (!text) {
    message.focus();
    return;
  }
  const view = new TurnView({ role: "user", text, calls: [] }, actions);
  if (!check()) return;
  forgetUndo();
  if (!(kind === "raw" && isRawEdited)) message.value = ""; // what was not sent stays
  fillRaw();
  said[kind].push(view);
  message.focus();
  void answer();
}

/** What would be sent now; empty when nothing is written. */
function written() {
  if (kind === "raw") return isRawEdited || message.value ? raw.value : "";
  return message.value.trim() ? message.value : "";
}

/**
 * Ask once more.
 *
 * @param {TurnView} view The answer, or what it answers.
 */
function retry(view) {
  if (sender.answering || isEditing() || !check()) return;
  const turns = said[kind];
  const at = turns.indexOf(view);
  const asked = turns.slice(0, at + 1).findLastIndex(({ turn }) => turn.role === "user");
  const user = turns[asked];
  if (!user) return;
  const isLast = turns.slice(asked + 1).every(({ turn }) => turn.role === "assistant");
  if (kind === "chat" || isLast) {
    changeTurns(turns.slice(0, asked + 1), isLast ? "Answer replaced" : "Later turns deleted");
  } else {
    forgetUndo();
    turns.push(new TurnView({ ...user.turn }, actions));
  }
  message.focus();
  void answer();
}

/** Have the last turn answered. */
async function answer() {
  const turns = turnsOf(kind);
  const view = new TurnView({ role: "assistant", text: "", calls: [] }, actions);
  said[kind].push(view);
  await run(view, makeBody(kind, system.value, turns, settingsNow()));
}

/**
 * Have the last answer go on where it was cut.
 *
 * @param {TurnView} view
 */
async function goOn(view) {
  if (sender.answering || isEditing() || !check()) return;
  forgetUndo();
  const turns = turnsOf(kind).slice(0, said[kind].indexOf(view) + 1);
  if (turns.length < said[kind].length) {
    changeTurns(said[kind].slice(0, turns.length), "Later turns deleted");
  }
  message.focus();
  await run(view, makeContinuation(kind, system.value, turns, settingsNow()));
}

/**
 * @param {TurnView} view Where the answer goes.
 * @param {Body} body
 */
async function run(view, body) {
  sent[kind] = body;
  view.begin();
  showTurns();
  scroller.toEnd();
  announce("Answering");
  const answered = sender.send(view.turn, body, key.value, (piece) => view.take(piece));
  showRunning();
  try {
    const figures = await answered;
    view.finish(figures);
    announce(describeEnd(figures));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    announce("");
    view.fail(error);
    point(error);
  } finally {
    showRunning();
  }
}

/** @param {Figures} figures */
function describeEnd({ ending, isCut, usage }) {
  if (ending === "broken") return "The answer broke off";
  const tokens = usage?.completion ? `, ${usage.completion} tokens` : "";
  return `Answer ${isCut ? "cut at max_tokens" : ending}${tokens}`;
}

/** @param {Kind} of @returns {Turn[]} */
function turnsOf(of) {
  return said[of].map(({ turn }) => turn);
}

function settingsNow() {
  const { values } = settings.read();
  return modelChoice.value ? { model: modelChoice.value, ...values } : values;
}

/** Mark what is wrong in the settings. */
function check() {
  settings.unmark();
  const { problems } = settings.read();
  for (const { name, message: text } of problems) settings.mark(name, text);
  const [first] = problems;
  if (!first) return true;
  showField(first.name);
  announce(first.message);
  return false;
}

/**
 * Lead to what an error is about.
 *
 * @param {Failure} failure
 */
function point(failure) {
  const field = failure.isAboutKey ? "key" : failure.field;
  if (!field) return;
  settings.mark(field, failure.message);
  // Nobody is led away from what they are writing.
  if (!isNarrow() && !message.value && document.activeElement !== raw) showField(field);
}

// --- What is shown

function showTurns() {
  const turns = find("turns", HTMLElement);
  const views = said[kind];
  const elements = views.map(({ element }) => element);
  // What stays in its place is left there: to move it would lose the focus and the selection.
  for (const child of [...turns.children]) {
    if (!elements.some((element) => element === child)) child.remove();
  }
  elements.forEach((element, at) => {
    if (turns.children[at] !== element) turns.insertBefore(element, turns.children[at] ?? null);
  });
  find("empty", HTMLElement).textContent = views.length ? "" : EMPTY[kind];
  scroller.follow();
  changed();
}

/**
 * Change what was said, so that it can be undone.
 *
 * @param {TurnView[]} turns
 * @param {string} text What to say about it; empty when nothing is lost.
 */
function changeTurns(turns, text) {
  const of = kind;
  const before = said[of];
  /** @param {TurnView[]} kept */
  const put = (kept) => {
    const lost = said[of].filter((view) => !kept.includes(view));
    for (const view of lost) {
      if (view.turn === sender.answering) sender.stop();
      view.dispose();
    }
    said[of] = kept;
    showTurns();
  };
  put(turns);
  undo = text ? () => put(before) : null;
  showNotice(text);
}

/** What comes next would be lost by it. */
function forgetUndo() {
  undo = null;
  showNotice("");
}

/** Whether a turn is being edited, to which this leads then. */
function isEditing() {
  const box = document.querySelector("#turns .editing");
  if (!(box instanceof HTMLElement)) return false;
  box.focus();
  announce("Save or cancel what you edit first");
  return true;
}

/** @param {string} text */
function showNotice(text) {
  find("notice-text", HTMLElement).textContent = text;
  notice.hidden = !text;
  if (text) announce(text);
}

function showRunning() {
  const hadFocus = document.activeElement === stop;
  const isRunning = sender.answering !== null;
  send.hidden = isRunning;
  stop.hidden = !isRunning;
  find("turns", HTMLElement).classList.toggle("running", isRunning);
  if (hadFocus) message.focus();
  changed();
}

function readKind() {
  const chosen = document.querySelector('input[name="kind"]:checked');
  if (chosen instanceof HTMLInputElement) kind = /** @type {Kind} */ (chosen.value);
  showKind();
}

function showKind() {
  const isRaw = kind === "raw";
  find("raw-part", HTMLElement).hidden = !isRaw;
  find("system-part", HTMLElement).hidden = kind === "prompt";
  showNotice("");
  offer();
  fillRaw();
  showTurns();
  scroller.toEnd();
}

/** Fill in the template, unless it was edited. */
function fillRaw() {
  if (!isRawEdited) raw.value = fillTemplate(system.value, message.value);
  refill.hidden = !isRawEdited;
  find("raw-state", HTMLElement).textContent = isRawEdited
    ? "edited by hand: it goes as it is, without Message"
    : "Llama 3.1's template, filled in";
}

/** @param {string} name As the API names it. */
function showField(name) {
  const field = settings.controlOf(name);
  if (!field) return;
  if (beside.contains(field)) {
    besideTabs.choose(find("settings-tab", HTMLElement));
    showBeside(true);
  }
  field.focus();
}

/** @param {boolean} isShown On a phone, in place of the conversation. */
function showBeside(isShown) {
  document.body.classList.toggle("is-beside", isShown);
  besideButton.setAttribute("aria-expanded", String(isShown));
  besideButton.textContent = isShown ? "Close" : "Settings";
}

function isNarrow() {
  return besideButton.checkVisibility();
}

function offer() {
  settings.offer(model(), kind);
}

function model() {
  return models.find(({ id }) => id === modelChoice.value);
}

// --- The code for it

const besideTabs = new Tabs(find("tabs", HTMLElement), (tab) => {
  for (const name of ["settings", "code"]) {
    find(name, HTMLElement).hidden = tab.getAttribute("aria-controls") !== name;
  }
  changed();
});
const languages = new Tabs(find("languages", HTMLElement), () => changed());
let isCodeDue = false;

/** What would be sent has changed. */
function changed() {
  if (isCodeDue || find("code", HTMLElement).hidden) return;
  isCodeDue = true;
  requestAnimationFrame(() => {
    isCodeDue = false;
    showCode();
  });
}

function showCode() {
  const tab = languages.chosen;
  const language = LANGUAGES[tab?.dataset.language ?? ""];
  if (!tab || !language) return;
  const { body, note } = nextBody();
  const code = language({
    body,
    url: new URL("run", document.baseURI).href,
    root: new URL(".", document.baseURI).href.replace(/\/$/u, ""),
    upstream: model()?.upstream ?? "@cf/meta/llama-3.1-8b-instruct-fast",
    hasKey: key.value !== "",
  });
  const shown = find("snippet", HTMLElement);
  shown.setAttribute("aria-labelledby", tab.id);
  const notes = [note, code.note].filter(Boolean).map((text) => make("p", "note", text));
  const files = code.files.map(({ name, text }) => {
    const pre = make("pre", "", text);
    pre.tabIndex = 0;
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", `${name}, code`);
    const copyButton = makeCopyButton(() => text);
    return make("div", "file", make("div", "line", make("h4", "", name), copyButton), pre);
  });
  shown.replaceChildren(...notes, ...files);
}

/** What Send would send; while nothing is written, what was sent last. */
function nextBody() {
  const notes = [];
  const turns = turnsOf(kind);
  const text = written();
  if (text) {
    turns.push({ role: "user", text, calls: [] });
  } else {
    const last = sent[kind];
    if (turns.length && last) {
      const body = setFor(last, settingsNow());
      return { body, note: "The last request; write, and it is the next one." };
    } else {
      const example = kind === "raw" ? fillTemplate(system.value, EXAMPLE) : EXAMPLE;
      turns.push({ role: "user", text: example, calls: [] });
      notes.push(`Nothing is written yet, so it says ${EXAMPLE}.`);
    }
  }
  for (const { message: problem } of settings.read().problems) notes.push(`Left out: ${problem}.`);
  return { body: makeBody(kind, system.value, turns, settingsNow()), note: notes.join(" ") };
}

// --- What the deployment tells

async function loadModels() {
  try {
    models = readModels(await (await fetchFrom("v1/models", key.value)).json());
  } catch (error) {
    // Whatever it is, the first request says it.
    if (error instanceof Failure && error.isAboutKey) settings.mark("key", error.message);
    return;
  }
  settings.mark("key", "");
  const before = modelChoice.value;
  modelChoice.replaceChildren(...models.map((each) => new Option(wordModel(each), each.id)));
  if (models.some(({ id }) => id === before)) modelChoice.value = before;
  offer();
  changed();
}

async function loadRanges() {
  settings.setRanges(readRanges(await (await fetchFrom("openapi.json", "")).json()));
}

async function loadVersion() {
  const health = fields(await (await fetchFrom("health", "")).json());
  find("version", HTMLElement).textContent = String(health.version ?? "");
}

// --- What the reader does

message.addEventListener("keydown", (event) => {
  // While an input method composes, Enter chooses what it offers. Safari says so by 229 alone.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  sendMessage();
});
raw.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  sendMessage();
});
raw.addEventListener("input", () => {
  isRawEdited = true;
  fillRaw();
});
refill.addEventListener("click", () => {
  isRawEdited = false;
  fillRaw();
  message.focus();
  changed();
});
message.addEventListener("input", fillRaw);
system.addEventListener("input", fillRaw);
// The second click of two is for what stood there before: each takes the other's place.
send.addEventListener("click", ({ detail }) => detail > 1 || sendMessage());
stop.addEventListener("click", ({ detail }) => detail > 1 || sender.stop());
document.addEventListener("keydown", ({ key: pressed, isComposing }) => {
  if (pressed !== "Escape" || isComposing) return;
  if (sender.answering) sender.stop();
  else if (isNarrow()) showBeside(false);
});
for (const radio of document.querySelectorAll('input[name="kind"]')) {
  radio.addEventListener("change", readKind);
}
// Whoever comes back finds what was written, which the browser fills in after this has run.
addEventListener("pageshow", () => {
  isRawEdited = raw.value !== fillTemplate(system.value, message.value);
  readKind();
});
find("new", HTMLButtonElement).addEventListener("click", () => {
  if (said[kind].length) changeTurns([], "Cleared");
  message.focus();
});
find("undo", HTMLButtonElement).addEventListener("click", () => {
  undo?.();
  showNotice("");
  message.focus();
});
find("reset", HTMLButtonElement).addEventListener("click", () => {
  settings.reset();
  offer();
  announce("Settings reset");
  changed();
});
find("show-key", HTMLButtonElement).addEventListener("click", ({ currentTarget }) => {
  const isShown = key.type === "password";
  key.type = isShown ? "text" : "password";
  /** @type {HTMLElement} */ (currentTarget).setAttribute("aria-pressed", String(isShown));
});
key.addEventListener("change", () => {
  key.value = key.value.trim(); // of what was pasted along
  keepKey(key.value);
  void loadModels();
});
key.addEventListener("input", () => settings.mark("key", ""));
modelChoice.addEventListener("change", offer);
besideButton.addEventListener("click", () => showBeside(!document.body.classList.contains("is-beside")));
for (const event of ["input", "change"]) document.addEventListener(event, changed);

key.value = readKey();
showKind();
void Promise.allSettled([loadModels(), loadRanges(), loadVersion()]);
message.focus();
