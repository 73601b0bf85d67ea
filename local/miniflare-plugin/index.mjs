// A Miniflare plugin that makes a binding workerd's own Ai class over a Workers AI server on this
// machine, so that `wrangler dev` needs no account and no network for env.AI.
//
//   [[unsafe.bindings]]
//   name = "AI"
//   type = "workers-ai-local"
//   dev = { plugin = { package = "miniflare-workers-ai-local", name = "workers-ai-local" }, options = {} }
//
// The server's address is the environment variable AI_URL, else the option `url`.

const NAME = "workers-ai-local";

/** The bindings of a Worker that this plugin serves, as [name, options]. */
function bindingsOf(worker) {
  return Object.entries(worker?.config?.env ?? {})
    .filter(([, binding]) => binding.dev?.plugin?.name === NAME)
    .map(([name, binding]) => [name, binding.dev.options ?? {}]);
}

function serviceName(binding) {
  return `${NAME}:${binding}`;
}

/** `host:port` of the server, for workerd. */
function address(binding, options) {
  const given = process.env.AI_URL ?? options.url;
  if (!given) {
    throw new Error(
      `${NAME}: binding ${binding} needs the address of a Workers AI server: ` +
        "set AI_URL, or options = { url = \"http://127.0.0.1:PORT\" }",
    );
  }
  const url = URL.parse(given);
  if (url === null || url.protocol !== "http:" || url.pathname !== "/") {
    throw new Error(`${NAME}: expected an address such as http://127.0.0.1:9999, got ${given}`);
  }
  return `${url.hostname}:${url.port || 80}`;
}

export const plugins = {
  [NAME]: {
    getBindings(worker) {
      return bindingsOf(worker).map(([name]) => ({
        name,
        wrapped: {
          moduleName: "cloudflare-internal:ai-api",
          innerBindings: [{ name: "fetcher", service: { name: serviceName(name) } }],
        },
      }));
    },

    getNodeBindings() {
      return {};
    },

    getServices({ options }) {
      return bindingsOf(options).map(([name, given]) => ({
        name: serviceName(name),
        external: { address: address(name, given), http: {} },
      }));
    },
  },
};
