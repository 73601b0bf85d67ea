/** The models that this deployment serves. */

import { fields, list } from "./frames.js";

/**
 * @typedef {object} Model
 * @property {string} id
 * @property {string[]} capabilities
 * @property {number | null} contextWindow Tokens.
 * @property {string} upstream The id of Workers AI that is tried first.
 */

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
 * Word a model as a choice.
 *
 * @param {Model} model
 */
export function wordModel({ id, contextWindow }) {
  const name = id.split("/").at(-1) ?? id;
  if (contextWindow === null) return name;
  const size = contextWindow < 1000 ? contextWindow : `${Math.round(contextWindow / 1000)}k`;
  return `${name} · ${size} context`;
}
