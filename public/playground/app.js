/** The playground: wires the page, the conversation and the requests together. */

import { Beside } from "./beside.js";
import { ModelChoice, readModels } from "./catalogue.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { announce, find } from "./dom.js";
import { Failure, fetchFrom } from "./failure.js";
import { fields } from "./frames.js";
import { KeyField } from "./key.js";
import { readRanges } from "./ranges.js";
import { describeEnd, Sender } from "./request.js";
import { Scroller } from "./scroller.js";
import { Settings } from "./settings.js";
import { Snippet } from "./snippet.js";
import { Transcript } from "./transcript.js";

/** @typedef {import("./body.js").Kind} Kind */
/** @typedef {import("./catalogue.js").Model} Model */
/** @typedef {import("./conversation.js").Question} Question */

// What code is shown for while nothing is written.
const EXAMPLE = "Hello";

const send = find("send", HTMLButtonElement);
const stop = find("stop", HTMLButtonElement);
const settings = new Settings();
const sender = new Sender();
const scroller = new Scroller(find("scroller", HTMLElement), find("jump", HTMLButtonElement));
const composer = new Composer(sendMessage, () => snippet.update());
const snippet = new Snippet(readNext);
const beside = new Beside(() => snippet.update());
const models = new ModelChoice(offer);
const key = new KeyField(
  () => settings.mark("key", ""),
  () => void loadModels(),
);
const conversation = new Conversation((turn) => {
  transcript.viewOf(turn).dispose();
  if (turn === sender.answering) sender.stop();
});
const transcript = new Transcript({
  retry: (turn) => {
    if (isReady()) ask(conversation.retry(turn, composer.system, readSettings()));
  },
  remove: (turn) => {
    conversation.remove(turn);
    showChange();
  },
  goOn: (turn) => {
    if (isReady()) ask(conversation.goOn(turn, composer.system, readSettings()));
  },
  edit: (turn, text) => {
    conversation.edit(turn, text);
    showTurns();
  },
  has: (field) => settings.controlOf(field) !== null,
  show: showField,
  grow: () => scroller.follow(),
});

// --- What is asked

/** Send what is written. */
function sendMessage() {
  if (sender.answering || transcript.leadToEdit()) return;
  const { text } = composer;
  if (!text) {
    composer.focus();
    return;
  }
  if (!check()) return;
  const question = conversation.say(text, composer.system, readSettings());
  composer.clear();
  ask(question);
}

/** Whether something can be asked now; leads to what is in the way. */
function isReady() {
  return !sender.answering && !transcript.leadToEdit() && check();
}

/** Mark what is wrong in the settings. */
function check() {
  settings.unmark();
  const { problems } = settings.read();
  for (const { name, message } of problems) settings.mark(name, message);
  const [first] = problems;
  if (!first) return true;
  showField(first.name);
  announce(first.message);
  return false;
}

function readSettings() {
  const { values } = settings.read();
  return models.id ? { model: models.id, ...values } : values;
}

/** @param {Question | null} question */
function ask(question) {
  showNotice();
  composer.focus();
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
  if (!beside.isNarrow && !composer.isInUse) showField(field);
}

/** What Send would send; while nothing is written, what was sent last. */
function readNext() {
  const { text, system } = composer;
  const { problems } = settings.read();
  const more = { upstream: models.upstream, hasKey: key.value !== "" };
  const last = text ? null : conversation.previewLast(readSettings());
  if (last) return { ...more, body: last, note: "The last request; write, and it is the next one." };
  const notes = problems.map(({ message }) => `Left out: ${message}.`);
  if (!text) notes.unshift(`Nothing is written yet, so it says ${EXAMPLE}.`);
  const body = conversation.preview(text || composer.example(EXAMPLE), system, readSettings());
  return { ...more, body, note: notes.join(" ") };
}

// --- What is shown

/** Show a change of the conversation that can be undone. */
function showChange() {
  showTurns();
  showNotice();
  composer.focus();
}

function showTurns() {
  transcript.show(conversation.turns, conversation.kind);
  scroller.follow();
  snippet.update();
}

function showNotice() {
  const { undoable } = conversation;
  find("notice-text", HTMLElement).textContent = undoable;
  find("notice", HTMLElement).hidden = !undoable;
  if (undoable) announce(undoable);
}

function showRunning() {
  const hadFocus = document.activeElement === stop;
  const isRunning = sender.answering !== null;
  send.hidden = isRunning;
  stop.hidden = !isRunning;
  transcript.showRunning(isRunning);
  if (hadFocus) composer.focus();
  snippet.update();
}

function showKind() {
  composer.choose(conversation.kind);
  showNotice();
  offer();
  showTurns();
  scroller.toEnd();
}

/** @param {string} name As the API names it. */
function showField(name) {
  const field = settings.controlOf(name);
  if (field) beside.leadTo(field);
}

/** Offer what can be set. */
function offer() {
  settings.offer(models.model, conversation.kind);
}

// --- What the deployment tells

async function loadModels() {
  /** @type {Model[]} */
  let served;
  try {
    served = readModels(await (await fetchFrom("v1/models", key.value)).json());
  } catch (error) {
    // Whatever it is, the first request says it.
    if (error instanceof Failure && error.isAboutKey) settings.mark("key", error.message);
    return;
  }
  settings.mark("key", "");
  models.offer(served);
  offer();
  snippet.update();
}

async function loadRanges() {
  settings.setRanges(readRanges(await (await fetchFrom("openapi.json", "")).json()));
}

async function loadVersion() {
  const health = fields(await (await fetchFrom("health", "")).json());
  find("version", HTMLElement).textContent = String(health.version ?? "");
}

// --- What the reader does

function chooseKind() {
  const chosen = document.querySelector('input[name="kind"]:checked');
  if (chosen instanceof HTMLInputElement) conversation.choose(/** @type {Kind} */ (chosen.value));
  showKind();
}

for (const radio of document.querySelectorAll('input[name="kind"]')) {
  radio.addEventListener("change", chooseKind);
}
// Whoever comes back finds what was written, which the browser fills in after this has run.
addEventListener("pageshow", () => {
  composer.restore();
  chooseKind();
});
// The second click of two is for what was there before: each takes the other's place.
send.addEventListener("click", ({ detail }) => detail > 1 || sendMessage());
stop.addEventListener("click", ({ detail }) => detail > 1 || sender.stop());
document.addEventListener("keydown", ({ key: pressed, isComposing }) => {
  if (pressed !== "Escape" || isComposing) return;
  if (sender.answering) sender.stop();
  else if (beside.isNarrow) beside.show(false);
});
find("new", HTMLButtonElement).addEventListener("click", () => {
  conversation.clear();
  showChange();
});
find("undo", HTMLButtonElement).addEventListener("click", () => {
  conversation.undo();
  showChange();
});
find("reset", HTMLButtonElement).addEventListener("click", () => {
  settings.reset();
  announce("Settings reset");
  snippet.update();
});
for (const event of ["input", "change"]) document.addEventListener(event, () => snippet.update());

showKind();
void Promise.allSettled([loadModels(), loadRanges(), loadVersion()]);
composer.focus();
