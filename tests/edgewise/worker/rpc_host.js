// Calls another Worker over a service binding as a test wants it called, and tells all that came.

import { RpcTarget } from "cloudflare:workers";

function nest(levels) {
  let nested = 1;
  for (let level = 0; level < levels; level++) nested = [nested];
  return nested;
}

function cycle() {
  const object = { prompt: "Hello" };
  object.itself = object;
  return object;
}

// What no JSON can say, by its name: an argument {"$js": name} stands for it.
const MAKERS = {
  undefined: () => undefined,
  NaN: () => NaN,
  Infinity: () => Infinity,
  bigint: () => 10n,
  function: () => () => "called",
  symbol: () => Symbol("Hello"),
  promise: () => Promise.resolve("Hello"),
  "a cycle": cycle,
  "3,000 levels": () => nest(3_000),
  Map: () => new Map([["prompt", "Hello"]]),
  Set: () => new Set(["Hello"]),
  Date: () => new Date(0),
  "an invalid Date": () => new Date(NaN),
  RegExp: () => /Hello/,
  Error: () => new Error("Hello"),
  String: () => new String("Hello"),
  bytes: () => new Uint8Array(3),
  ArrayBuffer: () => new ArrayBuffer(3),
  holes: () => [, "Hello"],
  "no prototype": () => Object.assign(Object.create(null), { prompt: "Hello", max_tokens: 2 }),
  ReadableStream: () => new Blob(["Hello"]).stream(),
  WritableStream: () => new IdentityTransformStream().writable,
  Headers: () => new Headers({ prompt: "Hello" }),
  Request: () => new Request("http://host/"),
  Response: () => new Response("Hello"),
  AbortSignal: () => new AbortController().signal,
  RpcTarget: () => new (class extends RpcTarget {})(),
  "toJSON that is called": () => ({ prompt: "a", toJSON: () => ({ prompt: "b" }) }),
};

const revive = (_name, value) =>
  value !== null && Object.hasOwn(Object(value), "$js") ? MAKERS[value.$js]() : value;

// A path such as `run`, or `run.call`; without arguments it is what is there, not called. Held, each
// of its steps is taken from what the one before gave, else all of them are sent at once.
async function ask(binding, { path, args, held }) {
  let holder = binding;
  const names = path.split(".");
  const last = names.pop();
  for (const name of names) holder = held ? await holder[name] : holder[name];
  return args ? await holder[last](...args) : await holder[last];
}

async function came(answer, leaves) {
  const kind = answer?.constructor?.name ?? typeof answer;
  if (answer instanceof Response) {
    const headers = Object.fromEntries(answer.headers);
    return { kind, status: answer.status, headers, body: await answer.text() };
  }
  if (answer instanceof ReadableStream) {
    if (leaves) {
      const reader = answer.getReader();
      const { value } = await reader.read();
      await reader.cancel();
      return { kind, body: new TextDecoder().decode(value) };
    }
    return { kind, body: await new Response(answer).text() };
  }
  const isOurs = typeof answer !== "function";
  return { kind, value: isOurs ? answer : `${answer}` };
}

function thrown(error) {
  const { name, message, stack, code } = error;
  const told = { name, message, stack, code, keys: Object.keys(error) };
  return { kind: error?.constructor?.name, thrown: told };
}

async function outcome(binding, call) {
  let all = false;
  try {
    const answer = await ask(binding, call);
    all = true;
    return await came(answer, call.leaves);
  } catch (error) {
    return { ...thrown(error), answered: all };
  }
}

const EVENTS = { headers: { "content-type": "text/event-stream" } };

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    const through = pathname.match(/^\/through\/(\w+)(\/.*)$/);
    if (through) return env[through[1]].fetch(new Request(`http://host${through[2]}`, request));
    const { binding, at_once, calls } = JSON.parse(await request.text(), revive);
    if (pathname === "/hand") return new Response(await ask(env[binding], calls[0]), EVENTS);
    const outcomes = [];
    const turns = calls.entries();
    const takeTurns = async () => {
      for (const [turn, call] of turns) outcomes[turn] = await outcome(env[binding], call);
    };
    await Promise.all(Array.from({ length: at_once }, takeTurns));
    return Response.json(outcomes);
  },
};
