// Every call starts from the same memory, so the engine's own generator would give
// every call the same numbers. The host's does not.

import { sync } from "../host.ts";

export function random(): number {
  return sync("random");
}
