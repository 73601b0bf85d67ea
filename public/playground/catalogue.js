/** The models that this deployment serves, and the choice among them. */

import { find } from "./dom.js";
import { fields, list } from "./frames.js";

// What serves the deployment's default, until the models are known.
const DEFAULT = "@cf/meta/llama-3.1-8b-instruct-fast";

/**
 * @typedef {object} Model
 * @property {string} id
 * @property {string[]} capabilities
 * @property {number | null} contextWindow Tokens.
 * @property {string} upstream The id of Workers AI that is tried first.
 */

export class ModelChoice {
  #select = find("model", HTMLSelectElement);
  /** @type {Model[]} */
  #models = [];

  /** @param {() => void} onChange Called when another one is chosen. */
  constructor(onChange) {
    this.#select.addEventListener("change", onChange);
  }

  /** What is sent: empty for the deployment's default, while the models are not known. */
  get id() {
    return this.#select.value;
  }

  get model() {
    return this.#models.find(({ id }) => id === this.id);
  }

  /** The id of Workers AI that serves the model. */
  get upstream() {
    return this.model?.upstream ?? DEFAULT;
  }

  /** @param {Model[]} models To choose from. */
  offer(models) {
    const { id } = this;
    this.#models = models;
    this.#select.replaceChildren(...models.map((each) => new Option(formatModel(each), each.id)));
    if (models.some((each) => each.id === id)) this.#select.value = id;
  }
}

/**
 * Read the catalogue.
 *
 * @param {unknown} answer Of `v1/models`.
 * @returns {Model[]} The first is the default.
 */
export function readModels(answer) {
  return list(fields(answer).data).map((model) => {
    const { id, capabilities, context_window: contextWindow, served_by: servedBy } = fields(model);
    return {
      id: String(id),
      capabilities: list(capabilities).map(String),
      contextWindow: typeof contextWindow === "number" ? contextWindow : null,
      upstream: String(list(servedBy)[0] ?? id),
    };
  });
}

/**
 * Format a model as a choice.
 *
 * @param {Model} model
 */
function formatModel({ id, contextWindow }) {
  const name = id.split("/").at(-1) ?? id;
  if (contextWindow === null) return name;
  const size = contextWindow < 1000 ? contextWindow : `${Math.round(contextWindow / 1000)}k`;
  return `${name} · ${size} context`;
}
