/**
 * The template of Llama 3.1, which a raw prompt carries itself.
 *
 * Source: https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1/
 */

/**
 * Fill it in.
 *
 * @param {string} system Left out when it is empty.
 * @param {string} message
 */
export function fillTemplate(system, message) {
  const instructed = system ? block("system", system) : "";
  return `<|begin_of_text|>${instructed}${block("user", message)}${open("assistant")}`;
}

/** @param {string} role @param {string} text */
function block(role, text) {
  return `${open(role)}${text}<|eot_id|>`;
}

/** @param {string} role */
function open(role) {
  return `<|start_header_id|>${role}<|end_header_id|>\n\n`;
}
