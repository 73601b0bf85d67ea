// A Miniflare plugin that makes a binding workerd's own Ai class over a Workers AI server on this
// machine, so that `wrangler dev` needs no account and no network for env.AI. README.md shows how.

import { connect } from "node:net";

const NAME = "workers-ai-local";
const DEFAULT_PORT = "8789"; // where the command workers-ai-local listens
const OPTIONS = ["url"];
const PATIENCE_MS = 1000;

/** The bindings of a Worker that this plugin serves, as { name, url }. */
function bindingsOf(worker) {
  return Object.entries(worker?.config?.env ?? {})
    .filter(([, binding]) => binding.dev?.plugin?.name === NAME)
    .map(([name, binding]) => ({ name, url: readUrl(name, binding.dev.options ?? {}) }));
}

/** The server's address: AI_URL, else the option, else where the server listens by default. */
function readUrl(binding, options) {
  for (const option of Object.keys(options)) {
    if (!OPTIONS.includes(option)) {
      throw new Error(
        `${NAME}: binding ${binding}: unknown option ${option}; expected ${OPTIONS.join(", ")}`,
      );
    }
  }
  const [source, given] = process.env.AI_URL
    ? ["AI_URL", process.env.AI_URL]
    : ["options.url", options.url ?? `http://127.0.0.1:${DEFAULT_PORT}`];
  const url = typeof given === "string" ? URL.parse(given) : null;
  if (url?.protocol !== "http:" || url.href !== `${url.origin}/`) {
    throw new Error(
      `${NAME}: binding ${binding}: ${source}: ` +
        `expected an address such as http://127.0.0.1:9999, got ${given}`,
    );
  }
  return url;
}

/** By address, not by binding: another Worker of the same `wrangler dev` may have its own. */
function serviceName(url) {
  return `${NAME}:${url.host}`;
}

/** Whether a connection is taken at an address. */
function listens(url) {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(url.port || 80), timeout: PATIENCE_MS });
    const end = (answer) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on("connect", end(true)).on("error", end(false)).on("timeout", end(false));
  });
}

/** What starts the server at an address. */
function command(url) {
  const isOther = ["127.0.0.1", "localhost"].includes(url.hostname) && url.port !== DEFAULT_PORT;
  return isOther ? `${NAME} --port ${url.port || 80}` : NAME;
}

export const plugins = {
  [NAME]: {
    getBindings(worker) {
      return bindingsOf(worker).map(({ name, url }) => ({
        name,
        wrapped: {
          moduleName: "cloudflare-internal:ai-api",
          innerBindings: [{ name: "fetcher", service: { name: serviceName(url) } }],
        },
      }));
    },

    getNodeBindings() {
      return {};
    },

    async getServices({ options, log }) {
      const bindings = bindingsOf(options);
      for (const { name, url } of bindings) {
        if (!(await listens(url))) {
          log.warn(
            `env.${name}: nothing listens at ${url.origin}, so each call fails until you start ` +
              `the server: ${command(url)}`,
          );
        }
      }
      return bindings.map(({ url }) => ({
        name: serviceName(url),
        external: { address: `${url.hostname}:${url.port || 80}`, http: {} },
      }));
    },
  },
};
