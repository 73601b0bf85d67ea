// The page: what is typed, and what Python prints. Python itself runs in a Worker, python.js.

const [programs, key, source, run, stop, status, output] = [
  "programs", "key", "source", "run", "stop", "status", "output",
].map((id) => document.getElementById(id));

// The only script that this page ever starts, whatever anything says.
const SCRIPT = "python.js";
const script = globalThis.trustedTypes
  ? trustedTypes.createPolicy("python", { createScriptURL: () => SCRIPT }).createScriptURL("")
  : SCRIPT;

let python; // the Worker
let loaded; // number of the program that was chosen last
let printed = []; // since the last frame

function start() {
  run.disabled = true;
  stop.disabled = true;
  python = new Worker(script, { type: "module" });
  python.onmessage = ({ data }) => hear[data.kind](data);
  python.onerror = (event) => hear.failed({ why: event.message || "its files are missing" });
}

/** What Python tells, by its kind. */
const hear = {
  ready: ({ version }) => rest(`Python ${version} is ready`),
  printed: (piece) => print(piece),
  ended: ({ seconds }) => rest(`Ended after ${seconds.toFixed(1)} s`),
  failed: ({ why }) => {
    status.textContent = `Python did not start: ${why}`;
  },
};

function rest(why) {
  status.textContent = why;
  run.disabled = false;
  stop.disabled = true;
}

function print(piece) {
  if (printed.length === 0) {
    requestAnimationFrame(show);
  }
  printed.push(piece);
}

/** Add what was printed to the page, as text and nothing else. */
function show() {
  const isAtEnd = output.scrollHeight - output.scrollTop - output.clientHeight < 40;
  for (const { text, isError } of printed) {
    const last = output.lastElementChild;
    if (last && last.classList.contains("error") === isError) {
      last.firstChild.appendData(text);
    } else {
      const part = document.createElement("span");
      part.classList.toggle("error", isError);
      part.append(document.createTextNode(text));
      output.append(part);
    }
  }
  printed = [];
  if (isAtEnd) {
    output.scrollTop = output.scrollHeight;
  }
}

run.onclick = () => {
  if (run.disabled) {
    return;
  }
  output.replaceChildren();
  printed = [];
  run.disabled = true;
  stop.disabled = false;
  status.textContent = "Running";
  python.postMessage({ source: source.value, key: key.value });
};

stop.onclick = () => {
  python.terminate(); // also during a request, which Edgewise then ends
  print({ text: "\nStopped.\n", isError: true });
  start();
  status.textContent = "Stopped; Python is loading again";
};

source.onkeydown = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run.click();
  }
};

programs.onchange = async () => {
  const chosen = (loaded = Symbol());
  const text = await (await fetch(`programs/${programs.value}.py`)).text();
  if (chosen === loaded) {
    source.value = text;
  }
};

start();
programs.onchange();
