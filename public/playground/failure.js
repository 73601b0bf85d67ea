/** What went wrong, in the API's words where it has said something. */

import { fields } from "./frames.js";

/**
 * @typedef {object} Told
 * @property {string} [code]
 * @property {number} [status] Of HTTP.
 * @property {string} [param] Path of the field at fault.
 * @property {string} [requestId]
 * @property {number} [retryAfter] Seconds.
 * @property {boolean} [isSignedOut] Whether Cloudflare Access asks who this is.
 */

export class Failure extends Error {
  /**
   * @param {string} message
   * @param {Told} [told]
   */
  constructor(message, told = {}) {
    super(message);
    this.told = told;
  }

  /** The name of the field at fault, without its path inside. */
  get field() {
    return /^\w+/u.exec(this.told.param ?? "")?.[0] ?? "";
  }

  /** Whether another key may help. */
  get isAboutKey() {
    const { status, code = "" } = this.told;
    return this.field === "key" || status === 401 || (status === 403 && !code.startsWith("upstream_"));
  }
}

/**
 * Fetch from the deployment.
 *
 * @param {string} path Below the page's own.
 * @param {string} key Empty for none.
 * @param {RequestInit} [request]
 * @returns {Promise<Response>} One that is not an error.
 * @throws {Failure} But for an abort, which stays what it is.
 */
export async function fetchFrom(path, key, request = {}) {
  const headers = new Headers(request.headers);
  if (/[^!-~]/u.test(key)) {
    throw new Failure("key: expected letters, digits and signs of ASCII alone", { param: "key" });
  }
  if (key) headers.set("authorization", `Bearer ${key}`);
  /** @type {Response} */
  let response;
  try {
    // Access sends whoever is signed out to a page of another origin.
    response = await fetch(path, { ...request, headers, redirect: "manual" });
  } catch (error) {
    if (request.signal?.aborted) throw error;
    throw new Failure("The deployment cannot be reached. Is it running, and are you online?");
  }
  if (response.type === "opaqueredirect") {
    throw new Failure("You are signed out. Reload the page to sign in again.", {
      isSignedOut: true,
    });
  }
  if (!response.ok) throw await readRefusal(response);
  return response;
}

/**
 * @param {Response} response
 * @returns {Promise<Failure>}
 */
async function readRefusal(response) {
  const error = await response.json().then(
    (body) => fields(fields(body).error),
    () => fields(null),
  );
  const { code, message, param } = error;
  const wait = response.headers.get("retry-after") ?? "";
  return new Failure(
    typeof message === "string" ? message : `HTTP ${response.status}, and nothing says why.`,
    {
      status: response.status,
      ...(typeof code === "string" ? { code } : {}),
      ...(typeof param === "string" ? { param } : {}),
      ...(/^\d{1,9}$/u.test(wait) ? { retryAfter: Number(wait) } : {}),
      requestId: response.headers.get("x-request-id") ?? "",
    },
  );
}
