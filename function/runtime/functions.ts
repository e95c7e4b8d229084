// @pylonsync/functions: what an app's functions are made with. Its types, as editors
// see them, are in types/functions.d.ts.
import { meant } from "./nearest";
import { isValidator, objectOf, v, type Validator } from "./validators";

export { describe } from "./schema";
export { validate } from "./validate";
export { v };

// KIND marks what query, mutation and action answer.
export const KIND = Symbol.for("pylon.function");

type Kind = "query" | "mutation" | "action";
type Handler = (ctx: any, args: any) => unknown;

interface Definition {
  [KIND]: Kind;
  args?: Validator;
  auth: "public" | "user" | "admin" | "internal";
  handler: Handler;
}

const keys = ["args", "auth", "internal", "handler"];
const auths = ["public", "user", "admin", "internal"];

// argsOf takes a plain object of validators, or a validator.
function argsOf(kind: Kind, args: unknown): Validator | undefined {
  if (args === undefined) return undefined;
  if (!isValidator(args)) return objectOf(args, "args");
  if (!["object", "record", "union", "any"].includes(args.kind)) throw new TypeError(`${kind}: args must be v.object, or an object of validators`);
  return args;
}

function define(kind: Kind, given: any): Definition {
  if (typeof given === "function") given = { handler: given };
  if (typeof given !== "object" || given === null) throw new TypeError(`${kind} needs an object with a handler, or a handler`);
  for (const key of Object.keys(given)) {
    if (!keys.includes(key)) throw new TypeError(`${kind}: unknown key ${JSON.stringify(key)}${meant(key, keys) || "; there are args, auth and handler"}`);
  }
  if (typeof given.handler !== "function") throw new TypeError(`${kind}: handler must be a function`);
  const auth = given.internal === true ? "internal" : (given.auth ?? "user");
  if (!auths.includes(auth)) throw new TypeError(`${kind}: auth must be one of ${auths.join(", ")}${meant(String(auth), auths)}`);
  return Object.freeze({ [KIND]: kind, args: argsOf(kind, given.args), auth, handler: given.handler });
}

// A query reads, from one snapshot of the database.
export const query = (given: unknown): Definition => define("query", given);
// A mutation is one transaction.
export const mutation = (given: unknown): Definition => define("mutation", given);
// An action has no transaction; it calls queries and mutations, and the outside.
export const action = (given: unknown): Definition => define("action", given);
