// Validators as JSON Schema, for GET /api/fn and the OpenAPI description.
import type { Validator } from "./validators";

type Schema = Record<string, unknown>;

// given leaves out what is undefined.
const given = (s: Schema): Schema => Object.fromEntries(Object.entries(s).filter(([, value]) => value !== undefined));

export function describe(x: Validator): Schema {
  switch (x.kind) {
    case "string":
      return given({ type: "string", minLength: x.min, maxLength: x.max, pattern: x.pattern?.source });
    case "richtext":
      return { type: "string" };
    case "number":
      return given({ type: "number", minimum: x.min, maximum: x.max });
    case "int":
      return given({ type: "integer", minimum: x.min, maximum: x.max });
    case "bool":
      return { type: "boolean" };
    case "datetime":
      return { type: "string", format: "date-time" };
    case "id":
      return { type: "string", pattern: "^[A-Za-z0-9_-]{1,64}$", "x-entity": x.entity };
    case "null":
      return { type: "null" };
    case "any":
      return {};
    case "literal":
      return { const: x.value };
    case "array":
      return given({ type: "array", items: describe(x.items), minItems: x.min, maxItems: x.max });
    case "record":
      return { type: "object", additionalProperties: describe(x.values) };
    case "union":
      if (x.members.every((m) => m.kind === "literal")) return { enum: x.members.map((m: any) => m.value) };
      return { anyOf: x.members.map(describe) };
    case "optional":
      return describe(x.inner);
    case "object": {
      const fields = [...x.fields];
      const required = fields.filter(([, f]) => f.kind !== "optional").map(([name]) => name);
      return {
        type: "object",
        properties: Object.fromEntries(fields.map(([name, f]) => [name, describe(f)])),
        ...(required.length > 0 ? { required } : {}),
        additionalProperties: false,
      };
    }
  }
}
