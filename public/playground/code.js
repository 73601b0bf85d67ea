/** Words a request as code that sends it. It holds no key: code is copied to everywhere. */

import { javascript, json, python, shell } from "./literals.js";

/** @typedef {import("./body.js").Body} Body */

/**
 * @typedef {object} Asked
 * @property {Body} body
 * @property {string} url Of `run`.
 * @property {string} root What paths are below.
 * @property {string} upstream The id of Workers AI that serves the model.
 * @property {boolean} hasKey Whether a key is sent.
 */

/** @typedef {{ name: string, text: string }} File */
/** @typedef {{ files: File[], note: string }} Code */

/** @type {Record<string, (asked: Asked) => Code>} */
export const LANGUAGES = {
  curl,
  fetch: javascriptFetch,
  eventsource: eventSource,
  ai: workerWithAi,
  binding: workerWithBinding,
  python: pythonClient,
};

/** @param {Asked} asked @returns {Code} */
function curl({ body, url, hasKey }) {
  const lines = [
    `curl ${body.stream ? "-N " : ""}${shell(url)}`,
    ...(hasKey ? ['-H "Authorization: Bearer $EDGEWISE_KEY"'] : []),
    "-H 'Content-Type: application/json'",
    `--data-raw ${shell(json(body, 2))}`,
  ];
  return { files: [{ name: "Shell", text: lines.join(" \\\n  ") }], note: "" };
}

/** @param {Asked} asked @returns {Code} */
function javascriptFetch({ body, url, hasKey }) {
  const key = hasKey ? "\n    authorization: `Bearer ${process.env.EDGEWISE_KEY}`," : "";
  const request = `const response = await fetch(${javascript(url)}, {
  method: "POST",
  headers: {${key}
    "content-type": "application/json",
  },
  body: JSON.stringify(${javascript(body, "  ")}),
});
if (!response.ok) throw new Error(await response.text());
`;
  const whole = `const answer = await response.json();
console.log(answer.response, answer.usage, answer.finish_reason);
`;
  const stream = `let text = "", rest = "", isWhole = false;
for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + piece).split("\\n");
  rest = lines.pop();
  for (const line of lines.filter((line) => line.startsWith("data:"))) {
    const data = line.slice(5).trim();
    isWhole ||= data === "[DONE]";
    if (!data.startsWith("{")) continue;
    const frame = JSON.parse(data);
    text += frame.response || frame.choices?.[0]?.delta?.content || "";
    if (frame.usage) console.log(frame.usage);
  }
}
if (!isWhole) throw new Error("the stream broke off");
console.log(text);
`;
  const note = hasKey
    ? "In Node the key comes from the environment. A page asks its visitor for one of their own."
    : "Runs in Node, and in pages of this origin or one of ALLOWED_ORIGINS.";
  return { files: [{ name: "JavaScript", text: request + (body.stream ? stream : whole) }], note };
}

/** @param {Asked} asked @returns {Code} */
function eventSource({ body, url, hasKey }) {
  if (body.messages) {
    return {
      files: [],
      note:
        "An EventSource sends a GET, whose query has no place for messages." +
        " Choose Prompt or Raw for code that uses one.",
    };
  }
  const { stream: _stream, ...given } = body;
  const simple = Object.entries(given).filter(([, value]) => typeof value !== "object");
  const left = Object.keys(given).filter((name) => !simple.some(([other]) => other === name));
  const text = `const query = new URLSearchParams(${javascript(Object.fromEntries(simple))});
const source = new EventSource(${javascript(url)} + "?" + query);
let text = "";
source.onmessage = ({ data }) => {
  if (data === "[DONE]") {
    source.close(); // else it comes back and is billed again
    console.log(text);
  } else {
    const frame = JSON.parse(data);
    text += frame.response || frame.choices?.[0]?.delta?.content || "";
  }
};
source.onerror = () => source.close();
`;
  const notes = [
    ...(hasKey ? ["An EventSource sends no key: this works where Access lets the visitor in."] : []),
    ...(body.stream ? [] : ["It is always a stream."]),
    ...(left.length ? [`A query has no place for ${left.join(" and ")}: left out.`] : []),
  ];
  return { files: [{ name: "JavaScript", text }], note: notes.join(" ") };
}

/** @param {Asked} asked @returns {Code} */
function workerWithAi({ body, upstream }) {
  return {
    files: [
      { name: "wrangler.toml", text: '[ai]\nbinding = "AI"\n' },
      { name: "src/index.js", text: worker("env.AI", upstream, body) },
    ],
    note: "Straight to Workers AI: it names the model that serves here, and nothing guards it.",
  };
}

/** @param {Asked} asked @returns {Code} */
function workerWithBinding({ body, upstream }) {
  const service = `[[services]]
binding = "TEXT"
service = "edgewise"
entrypoint = "Edgewise"
props = { caller = "my-app" }
`;
  return {
    files: [
      { name: "wrangler.toml", text: service },
      { name: "src/index.js", text: worker("env.TEXT", body.model ?? upstream, body) },
    ],
    note: "For a Worker of the same account. A binding needs no key.",
  };
}

/** @param {string} binding @param {string} model @param {Body} body */
function worker(binding, model, body) {
  const { model: _model, options, ...inputs } = body;
  const more = options ? `, ${javascript(options, "    ")}` : "";
  const answer = body.stream
    ? 'new Response(answer, { headers: { "content-type": "text/event-stream" } })'
    : "Response.json(answer)";
  return `export default {
  async fetch(request, env) {
    const inputs = ${javascript(inputs, "    ")};
    const answer = await ${binding}.run(${javascript(model)}, inputs${more});
    return ${answer};
  },
};
`;
}

/** @param {Asked} asked @returns {Code} */
function pythonClient({ body, root }) {
  const { stream, prompt, messages, ...rest } = body;
  const given = Object.entries({ input: messages ?? prompt, ...rest }).map(([name, value]) =>
    name === "input" ? python(value, "    ") : `${name}=${python(value, "    ")}`,
  );
  const call = `(\n${given.map((argument) => `    ${argument},\n`).join("")})`;
  const head = `import os

from edgewise_client import Client

client = Client(${python(root)}, key=os.environ.get("EDGEWISE_KEY"))
`;
  const text = stream
    ? `${head}stream = client.stream${call}
for text in stream:
    print(text, end="", flush=True)
print()
print(stream.usage, stream.finish_reason)
`
    : `${head}answer = client.${messages ? "chat" : "generate"}${call}
print(answer.text)
print(answer.usage, answer.finish_reason)
`;
  return {
    files: [{ name: "Python", text }],
    note: "edgewise-client is in packages/edgewise-client; it needs the standard library alone.",
  };
}
