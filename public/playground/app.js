/** The playground: puts the parts together. */

import { readModels, wordModel } from "./catalogue.js";
import { LANGUAGES } from "./code.js";
import { Conversation } from "./conversation.js";
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
import { Transcript } from "./transcript.js";

/** @typedef {import("./body.js").Kind} Kind */
/** @typedef {import("./conversation.js").Question} Question */
/** @typedef {import("./request.js").Figures} Figures */

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

let isRawEdited = false;
/** @type {import("./catalogue.js").Model[]} */
let models = [];

const conversation = new Conversation((turn) => {
  transcript.viewOf(turn).dispose();
  if (turn === sender.answering) sender.stop();
});
const transcript = new Transcript({
  retry: (turn) => {
    if (isReady()) ask(conversation.retry(turn, system.value, settingsNow()));
  },
  remove: (turn) => {
    conversation.remove(turn);
    showConversation();
    message.focus();
  },
  goOn: (turn) => {
    if (isReady()) ask(conversation.goOn(turn, system.value, settingsNow()));
  },
  edit: (turn, text) => {
    conversation.edit(turn, text);
    showTurns();
  },
  has: (field) => settings.controlOf(field) !== null,
  show: (field) => showField(field),
  grow: () => scroller.follow(),
});

// --- What is asked

/** Send what is written. */
function sendMessage() {
  if (sender.answering || transcript.leadToEdit()) return;
  const text = written();
  if (!text) {
    message.focus();
    return;
  }
  if (!check()) return;
  const question = conversation.say(text, system.value, settingsNow());
  if (!(conversation.kind === "raw" && isRawEdited)) message.value = ""; // what was not sent stays
  fillRaw();
  ask(question);
}

/** What would be sent now; empty when nothing is written. */
function written() {
  if (conversation.kind === "raw") return isRawEdited || message.value ? raw.value : "";
  return message.value.trim() ? message.value : "";
}

/** Whether something can be asked now; leads to what is in the way. */
function isReady() {
  return !sender.answering && !transcript.leadToEdit() && check();
}

/** @param {Question | null} question */
function ask(question) {
  showNotice();
  message.focus();
  if (question) void run(question);
}

/** @param {Question} question */
async function run({ turn, body }) {
  const view = transcript.viewOf(turn);
  view.begin();
  showTurns();
  scroller.toEnd();
  announce("Answering");
  const answered = sender.send(turn, body, key.value, (piece) => view.take(piece));
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

/** Show the conversation after a change that can be undone. */
function showConversation() {
  showTurns();
  showNotice();
}

function showTurns() {
  transcript.show(conversation.turns, conversation.kind);
  scroller.follow();
  changed();
}

function showNotice() {
  const { undoable } = conversation;
  find("notice-text", HTMLElement).textContent = undoable;
  notice.hidden = !undoable;
  if (undoable) announce(undoable);
}

function showRunning() {
  const hadFocus = document.activeElement === stop;
  const isRunning = sender.answering !== null;
  send.hidden = isRunning;
  stop.hidden = !isRunning;
  transcript.showRunning(isRunning);
  if (hadFocus) message.focus();
  changed();
}

function readKind() {
  const chosen = document.querySelector('input[name="kind"]:checked');
  if (chosen instanceof HTMLInputElement) conversation.choose(/** @type {Kind} */ (chosen.value));
  showKind();
}

function showKind() {
  find("raw-part", HTMLElement).hidden = conversation.kind !== "raw";
  find("system-part", HTMLElement).hidden = conversation.kind === "prompt";
  showNotice();
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
  settings.offer(model(), conversation.kind);
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
  const text = written();
  const last = text ? null : conversation.previewLast(settingsNow());
  if (last) return { body: last, note: "The last request; write, and it is the next one." };
  const example = conversation.kind === "raw" ? fillTemplate(system.value, EXAMPLE) : EXAMPLE;
  const body = conversation.preview(text || example, system.value, settingsNow());
  const notes = settings.read().problems.map((problem) => `Left out: ${problem.message}.`);
  if (!text) notes.unshift(`Nothing is written yet, so it says ${EXAMPLE}.`);
  return { body, note: notes.join(" ") };
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
  conversation.clear();
  showConversation();
  message.focus();
});
find("undo", HTMLButtonElement).addEventListener("click", () => {
  conversation.undo();
  showConversation();
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
