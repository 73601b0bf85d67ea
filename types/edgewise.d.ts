/**
 * What a Worker in TypeScript sees of Edgewise through a service binding:
 *
 *     import type { EdgewiseBinding } from "./edgewise";
 *
 *     interface Env {
 *       TEXT: EdgewiseBinding; // or Service<Edgewise>
 *     }
 *
 * It needs Workers' own types: `@cloudflare/workers-types`, or those of `wrangler types`.
 */

/** Who speaks. Workers AI gets "developer" as "system". */
export type Role = "system" | "developer" | "user" | "assistant" | "tool";

/** A part of a message's content. */
export interface TextPart {
  type: "text";
  text: string;
}

/** A function that the model called. */
export interface CalledFunction {
  /** Not empty. */
  name: string;
  /** JSON, or what it stands for. */
  arguments?: string | Record<string, unknown> | null;
}

/** A call as OpenAI words it. */
export interface FunctionCall {
  id?: string | null;
  type?: "function" | null;
  function: CalledFunction;
}

/** A call as Workers AI words it. */
export interface FlatCall extends CalledFunction {
  id?: string | null;
  type?: "function" | null;
  function?: null;
}

/** One turn of a scoped prompt. */
export interface Message {
  role: Role;
  /** null, or absent, only beside tool_calls. An array has one part or more. */
  content?: string | TextPart[] | null;
  /** Who speaks; of a tool's result, the tool. Not empty. */
  name?: string | null;
  /** What the assistant called; with role "assistant" only. */
  tool_calls?: (FunctionCall | FlatCall)[] | null;
  /** The call whose result this is. */
  tool_call_id?: string | null;
}

/** A JSON Schema. */
export type JsonSchema = Record<string, unknown>;

/** What a tool does and takes. */
export interface ToolFunction {
  /** Not empty. */
  name: string;
  description?: string | null;
  /** Its type is "object". */
  parameters?: JsonSchema | null;
}

/** A tool as OpenAI words it. */
export interface FunctionTool {
  type?: "function" | null;
  function: ToolFunction;
}

/** A tool as Workers AI words it. */
export interface FlatTool extends ToolFunction {
  type?: "function" | null;
  function?: null;
}

/** Which tools may be called, or the one that is to be. */
export type ToolChoice =
  | "auto"
  | "none"
  | "required"
  | "any"
  | { type: "function"; function: { name: string } };

/** A function given as code: Workers AI's older form of tools. */
export interface CodeFunction {
  name: string;
  code: string;
}

/** What the text has to look like. */
export interface ResponseFormat {
  type: "text" | "json_object" | "json_schema";
  /** The schema itself, or OpenAI's `{ name, schema }` around it. */
  json_schema?: JsonSchema | null;
}

/** What a prompt of either kind can be sent with; null stands for absent. */
export interface CommonInputs {
  /** Whether the answer comes as a stream of events; of `run` only. */
  stream?: boolean | null;
  /** Tokens, 1 or more, up to the deployment's ceiling; the deployment's default when absent. */
  max_tokens?: number | null;
  /** 0 to 5. */
  temperature?: number | null;
  /** 0 to 2. */
  top_p?: number | null;
  /** 1 to 50, an integer. */
  top_k?: number | null;
  /** 1 to 9,999,999,999, an integer. */
  seed?: number | null;
  /** 0 to 2. */
  repetition_penalty?: number | null;
  /** 0 to 2. */
  frequency_penalty?: number | null;
  /** 0 to 2. */
  presence_penalty?: number | null;
  /** A finetune. Not empty. */
  lora?: string | null;
  response_format?: ResponseFormat | null;
  /** At most 128. */
  tools?: (FunctionTool | FlatTool)[] | null;
  tool_choice?: ToolChoice | null;
  /** At most 128. */
  functions?: CodeFunction[] | null;
}

/** A scoped prompt: turns of a conversation. */
export interface Scoped {
  /** 1 or more. */
  messages: Message[];
  prompt?: null;
  raw?: false | null;
}

/** An unscoped prompt. */
export interface Unscoped {
  /** Not empty. */
  prompt: string | [string];
  messages?: null;
  /** Whether the prompt holds the model's own template and goes to the model as it is. */
  raw?: boolean | null;
}

/** The inputs of `run`: exactly one of `messages` and `prompt`. */
export type RunInputs = (Scoped | Unscoped) & CommonInputs;

/** The inputs of `generate`, which never streams. */
export type GenerateInputs = RunInputs & {
  /** One of `models()`; the deployment's first when absent. */
  model?: string | null;
  stream?: false | null;
  options?: Options | null;
};

/** What is not an input of the model. */
export interface Options {
  /** Whether to be refused (3040) instead of waiting for capacity. */
  rejectIfBusy?: boolean | null;
}

/**
 * The options of `run`. Those of env.AI that are typed as absent are refused when set, and others
 * are ignored. `signal` is not among them: an AbortSignal cannot cross a service binding. Cancel
 * the stream instead.
 */
export interface RunOptions extends Options {
  /** Whether to get the answer as a Response, whatever its status; then nothing is thrown. */
  returnRawResponse?: boolean | null;
  gateway?: null;
  prefix?: null;
  websocket?: null;
  queueRequest?: null;
}

/** What JSON can say. (Service<> cannot follow a type that holds itself.) */
export type Json = string | number | boolean | null | object;

/** Tokens, as Workers AI counted them. */
export interface Usage {
  prompt_tokens?: number | null;
  completion_tokens?: number | null;
  total_tokens?: number | null;
}

/** A call that the model wants made, in the form in which the model's answer has it. */
export interface AnsweredCall {
  id?: string;
  type?: "function";
  name?: string;
  arguments?: Json;
  function?: { name: string; arguments: Json };
}

/** Workers AI's own answer. */
export interface Answer {
  /** The text; in JSON mode what it says, parsed; null beside tool calls. */
  response: Json;
  usage?: Usage;
  tool_calls?: AnsweredCall[];
}

/** Why an answer ended: "length" is that it was cut at max_tokens. */
export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter";

/** What `generate` answers. */
export interface Generated {
  /** The id that Workers AI ran. */
  model: string;
  /** The text; in JSON mode it is JSON; null beside tool calls. */
  response: string | null;
  /** null when Workers AI did not count. */
  usage: Usage | null;
  /** null when it cannot be determined. */
  finish_reason: FinishReason | null;
  /** Whether the text was cut at max_tokens; null when it cannot be determined. */
  truncated: boolean | null;
  /** What the model thought before it spoke; only when it tells. */
  reasoning?: string;
  /** Only when there are any. */
  tool_calls?: AnsweredCall[];
  /** Names of fields that were sent and do nothing; only when there are any. */
  ignored_fields?: string[];
}

/** Which models to list. */
export interface Search {
  search?: string | null;
  task?: string | null;
  author?: string | null;
  source?: number | null;
  hide_experimental?: boolean | null;
  /** 1 or more; 1 when absent. */
  page?: number | null;
  /** 1 to 1,000; 50 when absent. */
  per_page?: number | null;
}

/** A model that the deployment serves. */
export interface Model {
  id: string;
  source: number;
  /** What `run` takes. */
  name: string;
  description: string;
  task: { id: string; name: string; description: string };
  tags: string[];
  properties: { property_id: string; value: string }[];
}

/** The `name` of an error. */
export type ErrorName =
  | "BadRequest"
  | "UnknownModel"
  | "ContextLengthExceeded"
  | "BodyTooLarge"
  | "RateLimited"
  | "RateLimitUnavailable"
  | "UpstreamError"
  | "Misconfigured"
  | "InternalError";

/** The `code` of an error, over HTTP too. */
export type ErrorCode =
  | "invalid_request"
  | "context_length_exceeded"
  | "model_not_found"
  | "body_too_large"
  | "rate_limited"
  | "rate_limit_unavailable"
  | "misconfigured"
  | "internal_error"
  // Workers AI failed or refused; the message says with which of its codes.
  | "no_capacity"
  | "allocation_used_up"
  | "model_retired"
  | "upstream_error"
  | "upstream_timeout"
  | "upstream_aborted"
  | "upstream_refused_input"
  | "upstream_too_large"
  | "upstream_forbidden"
  | "upstream_paid_plan_required"
  | "upstream_lora_unsupported"
  | "upstream_finetune_incomplete"
  | "upstream_json_mode_failed"
  | "upstream_json_schema_unsupported"
  | "upstream_sdk_deprecated"
  // Over HTTP only.
  | "unauthorized"
  | "closed"
  | "origin_not_allowed"
  | "host_not_allowed"
  | "not_found"
  | "method_not_allowed"
  | "access_unavailable";

/**
 * What the methods reject with. `code` is for programs; the message is `code: message`, of Workers
 * AI's own failures `code: 3040: message`. A caller whose compatibility date is of 2024 finds
 * neither `name` nor `code`, and a message that begins with `Name: `.
 */
export interface EdgewiseError extends Error {
  name: ErrorName;
  code: ErrorCode;
}

/** Edgewise's methods, for Service<Edgewise>. Their errors are EdgewiseError. */
export interface Edgewise extends Rpc.WorkerEntrypointBranded {
  /**
   * Run a model as env.AI.run does.
   *
   * @param model One of `models()`, such as "@cf/meta/llama-3.1-8b-instruct".
   * @returns Workers AI's answer; bytes of server-sent events when `inputs.stream` is true; a
   *   Response when `options.returnRawResponse` is true. EdgewiseBinding tells them apart.
   */
  run(
    model: string,
    inputs: RunInputs,
    options?: RunOptions,
  ): Promise<Answer | ReadableStream<Uint8Array> | Response>;

  /** Generate a text, and tell whether it is whole. */
  generate(inputs: GenerateInputs): Promise<Generated>;

  /** List the models that the deployment serves, as env.AI.models does. */
  models(search?: Search): Promise<Model[]>;
}

type Whole = RunOptions & { returnRawResponse?: false | null };

interface Methods extends Pick<Edgewise, "generate" | "models"> {
  /** Run a model; the answer is a Response, whatever its status. */
  run(
    model: string,
    inputs: RunInputs,
    options: RunOptions & { returnRawResponse: true },
  ): Promise<Response>;
  /** Run a model; the answer is bytes of server-sent events. To cancel them ends the run. */
  run(
    model: string,
    inputs: RunInputs & { stream: true },
    options?: Whole,
  ): Promise<ReadableStream<Uint8Array>>;
  /** Run a model; the answer is Workers AI's own object. */
  run(
    model: string,
    inputs: RunInputs & { stream?: false | null },
    options?: Whole,
  ): Promise<Answer>;
  /** Run a model in a way that is known only when it runs. */
  run(
    model: string,
    inputs: RunInputs,
    options?: RunOptions,
  ): Promise<Answer | ReadableStream<Uint8Array> | Response>;
}

/** Service<Edgewise>, whose `run` answers with what its arguments ask for. */
export type EdgewiseBinding = Methods & Fetcher;
