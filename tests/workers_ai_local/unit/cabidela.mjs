// The validator of Workers AI: a schema on the first line, then a value a line; answers each value
// with a line, null or the complaint.
import { createInterface } from "node:readline";

import { Cabidela } from "@cloudflare/cabidela";

let validator;
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const value = JSON.parse(line);
  if (!validator) {
    validator = new Cabidela(value, { applyDefaults: true });
    continue;
  }
  let complaint = null;
  try {
    validator.validate(value);
  } catch (error) {
    complaint = error.message;
  }
  console.log(JSON.stringify(complaint));
}
