// A Worker in which Python runs, so that the page stays alive while a program waits.

import { loadPyodide } from "./python/pyodide.mjs";

const FOLDER = new URL("python/", import.meta.url);
const WHEELS = ["pyodide_http.whl", "edgewise_client.whl"];
const MOST_CHARACTERS = 200_000; // of one run; a loop would fill the page

let left = MOST_CHARACTERS;

function printer(isError) {
  const decoder = new TextDecoder();
  const write = (bytes) => {
    const text = decoder.decode(bytes, { stream: true }).slice(0, left);
    left -= text.length;
    if (text) {
      postMessage({ kind: "printed", text, isError });
      if (left === 0) {
        postMessage({ kind: "printed", text: "\nThe rest is not shown.\n", isError: true });
      }
    }
    return bytes.length;
  };
  return { write, isatty: true }; // as in a terminal: line by line
}

async function start() {
  const pyodide = await loadPyodide({ indexURL: FOLDER.href });
  for (const name of WHEELS) {
    const wheel = await (await fetch(new URL(name, FOLDER))).arrayBuffer();
    pyodide.unpackArchive(wheel, "wheel");
  }
  pyodide.setStdout(printer(false));
  pyodide.setStderr(printer(true));
  const runner = await (await fetch(new URL("runner.py", import.meta.url))).text();
  const run = pyodide.runPython(`${runner}\nrun`, { filename: "runner.py" });
  const version = pyodide.runPython("import platform; platform.python_version()");
  return { run, version };
}

const starting = start();

onmessage = async ({ data: { source, key } }) => {
  const { run } = await starting;
  const began = performance.now();
  left = MOST_CHARACTERS;
  run(source, location.origin, key);
  postMessage({ kind: "ended", seconds: (performance.now() - began) / 1000 });
};

starting.then(
  ({ version }) => postMessage({ kind: "ready", version }),
  (error) => postMessage({ kind: "failed", why: String(error) }),
);
