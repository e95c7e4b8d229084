// process.env, for packages that look at NODE_ENV and the like. It reads what ctx.env
// reads and does not say what there is; what is assigned lasts as long as the call.

import { sync } from "../host.ts";
import { create, getOwnPropertyDescriptor } from "./builtin.ts";

const assigned: Record<string, string> = create(null);

function read(name: string | symbol): string | undefined {
  if (typeof name === "symbol") return undefined;
  return name in assigned ? assigned[name] : sync("env", name);
}

export const process = {
  env: new Proxy(assigned, {
    get: (_, name) => read(name),
    has: (_, name) => read(name) !== undefined,
    set: (_, name, value) => {
      if (typeof name === "symbol") throw new TypeError("The name of a variable must be a string");
      assigned[name] = `${value}`;
      return true;
    },
    getOwnPropertyDescriptor: (target, name) => {
      const own = getOwnPropertyDescriptor(target, name);
      const value = own ? own.value : read(name);
      return value === undefined ? undefined : { value, writable: true, enumerable: true, configurable: true };
    },
  }) as Record<string, string | undefined>,
};
