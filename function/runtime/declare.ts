// The end of the script that evaluates app.ts for its declaration.
import { sync } from "./host";
import { printed } from "./printed";
import { declaration } from "./sdk";

export function finish(app?: { default?: unknown }): void {
  (globalThis as any).__guest = {
    declare: () => sync("declared", JSON.stringify(declaration(app?.default, printed))),
  };
}
