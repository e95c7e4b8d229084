package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/pylon-go/pylon/function"
	"github.com/pylon-go/pylon/store"
)

// documents are what the API says about itself, made once at start.
type documents struct {
	manifest, adminManifest, openAPI []byte
}

func newDocuments(c Config, schema *store.Schema) (d documents, err error) {
	if d.manifest, err = json.Marshal(publicManifest(c, schema)); err != nil {
		return d, err
	}
	if d.adminManifest = c.Manifest.Root.Raw(); len(d.adminManifest) == 0 {
		d.adminManifest = d.manifest
	}
	d.openAPI, err = json.Marshal(openAPI(c, schema))
	return d, err
}

// manifest answers the app's manifest: whole for the administrator, and for
// others the entities and fields they may meet, without policies, plugins and
// serverOnly fields.
func (s *Server) manifest(w http.ResponseWriter, r *http.Request) error {
	if store.ActorFrom(r.Context()).Admin {
		writeJSON(w, http.StatusOK, s.docs.adminManifest)
	} else {
		writeJSON(w, http.StatusOK, s.docs.manifest)
	}
	return nil
}

func (s *Server) openAPI(w http.ResponseWriter, r *http.Request) error {
	if !s.cfg.Dev && !s.cfg.OpenAPIPublic && !store.ActorFrom(r.Context()).Admin {
		return store.Errorf(store.Unauthentic, "AUTH_REQUIRED", "the API description is for the administrator").
			WithHint("set PYLON_OPENAPI_PUBLIC=true to open it")
	}
	writeJSON(w, http.StatusOK, s.docs.openAPI)
	return nil
}

type obj = map[string]any

func publicManifest(c Config, schema *store.Schema) obj {
	entities := []any{}
	for _, e := range schema.Entities {
		if e.Owner != "" {
			continue
		}
		fields := []any{}
		for _, f := range e.Fields {
			if f.ServerOnly {
				continue
			}
			field := obj{"name": f.Name, "type": fieldType(&f)}
			if f.Optional {
				field["optional"] = true
			}
			if f.Unique {
				field["unique"] = true
			}
			if f.Readonly {
				field["readonly"] = true
			}
			if f.Enum != nil {
				field["enumValues"] = f.Enum
			}
			fields = append(fields, field)
		}
		entities = append(entities, obj{"name": e.Name, "fields": fields})
	}
	return obj{"manifest_version": 1, "name": c.Manifest.Name, "version": c.Manifest.Version, "entities": entities}
}

func fieldType(f *store.Field) string {
	if f.Type == store.TypeID {
		return "id(" + f.Ref + ")"
	}
	return f.Type.String()
}

// openAPI is the app's HTTP API as an OpenAPI 3.1 document.
func openAPI(c Config, schema *store.Schema) obj {
	paths := obj{}
	add := func(pattern, summary, tag string, extra obj) {
		method, path, _ := strings.Cut(pattern, " ")
		op := obj{"summary": summary, "tags": []string{tag}, "responses": obj{
			"200": obj{"description": "Done."}, "default": obj{"$ref": "#/components/responses/Error"}}}
		for k, v := range extra {
			op[k] = v
		}
		if params := pathParameters(path); params != nil {
			op["parameters"] = append(params, anySlice(extra["parameters"])...)
		}
		if paths[path] == nil {
			paths[path] = obj{}
		}
		paths[path].(obj)[strings.ToLower(method)] = op
	}
	schemas := obj{"Error": obj{"type": "object", "required": []string{"error"}, "properties": obj{"error": obj{
		"type": "object", "required": []string{"code", "message"}, "properties": obj{
			"code": obj{"type": "string"}, "message": obj{"type": "string"}, "hint": obj{"type": "string"}, "field": obj{"type": "string"}}}}}}
	for _, e := range schema.Entities {
		describeEntity(e, schemas, add)
	}
	for _, r := range hostRoutes {
		add(r[0], r[1], r[2], nil)
	}
	for _, r := range c.Routes {
		add(r.Pattern, r.Summary, "plugins", nil)
	}
	if c.Functions != nil {
		describeFunctions(c.Functions, add)
	}
	return obj{
		"openapi": "3.1.0",
		"info":    obj{"title": c.Manifest.Name, "version": orElse(c.Manifest.Version, "0")},
		"paths":   paths,
		"components": obj{
			"schemas":         schemas,
			"responses":       obj{"Error": obj{"description": "What was wrong.", "content": jsonContent(ref("Error"))}},
			"securitySchemes": obj{"bearer": obj{"type": "http", "scheme": "bearer"}},
		},
		"security": []any{obj{}, obj{"bearer": []string{}}},
	}
}

// hostRoutes are the routes that are the same in every app.
var hostRoutes = [][3]string{
	{"GET /health", "Whether the process runs.", "operation"},
	{"GET /ready", "Whether requests can be served.", "operation"},
	{"GET /metrics", "Metrics in the Prometheus text format.", "operation"},
	{"GET /api/manifest", "The app's entities; the whole manifest for the administrator.", "operation"},
	{"GET /api/openapi.json", "This document.", "operation"},
	{"POST /api/query", "Rows of several entities, read from one snapshot.", "query"},
	{"POST /api/batch", "Several writes, each for itself (administrator).", "write"},
	{"POST /api/transact", "Several writes, all or none (administrator).", "write"},
	{"POST /api/auth/password/register", "Register with e-mail and password.", "auth"},
	{"POST /api/auth/password/login", "Sign in with e-mail and password.", "auth"},
	{"POST /api/auth/guest", "Sign in as a guest.", "auth"},
	{"GET /api/auth/me", "Who the caller is.", "auth"},
	{"POST /api/auth/refresh", "A new token for the old one.", "auth"},
	{"POST /api/auth/session", "A session for a user (administrator).", "auth"},
	{"GET /api/auth/session", "The session and its user's row.", "auth"},
	{"DELETE /api/auth/session", "Sign out.", "auth"},
	{"GET /api/auth/sessions", "The caller's sessions.", "auth"},
	{"DELETE /api/auth/sessions", "Sign out everywhere.", "auth"},
	{"GET /api/auth/api-keys", "The caller's API keys.", "auth"},
	{"POST /api/auth/api-keys", "Make an API key.", "auth"},
	{"DELETE /api/auth/api-keys/{id}", "Revoke an API key.", "auth"},
}

// describeFunctions describes those functions that can be called from outside, as they
// are at start: `pylon dev` may take in others later.
func describeFunctions(host *function.Host, add func(pattern, summary, tag string, extra obj)) {
	add("GET /api/fn", "The app's functions (administrator).", "functions", nil)
	add("GET /api/fn/traces", "The last calls of functions (administrator).", "functions", nil)
	for _, f := range host.List() {
		if f.Auth == function.AuthInternal {
			continue
		}
		schema := obj{} // of arguments of any kind
		if err := json.Unmarshal(f.Args, &schema); err != nil || schema == nil {
			schema = obj{}
		}
		add("POST /api/fn/"+f.Name, "Call the "+string(f.Type)+" "+f.Name+".", "functions", obj{
			"requestBody": obj{"content": jsonContent(schema)}, "responses": ok(obj{})})
	}
}

func describeEntity(e *store.Entity, schemas obj, add func(pattern, summary, tag string, extra obj)) {
	row, input := obj{"id": obj{"type": "string"}}, obj{}
	var required []string
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.ServerOnly {
			continue
		}
		t := fieldSchema(f)
		row[f.Name] = t
		input[f.Name] = t
		if f.Required() {
			required = append(required, f.Name)
		}
	}
	schemas[e.Name] = obj{"type": "object", "properties": row, "required": []string{"id"}}
	rows := obj{"type": "array", "items": ref(e.Name)}
	base := "/api/entities/" + e.Name
	limitOffset := []any{
		obj{"name": "limit", "in": "query", "schema": obj{"type": "integer", "minimum": 1, "maximum": store.MaxLimit}},
		obj{"name": "offset", "in": "query", "schema": obj{"type": "integer", "minimum": 0}},
	}
	add("GET "+base, "List rows.", e.Name, obj{"parameters": limitOffset, "responses": ok(obj{"type": "object", "properties": obj{
		"data": rows, "count": obj{"type": "integer"}, "offset": obj{"type": "integer"}, "limit": obj{"type": []string{"integer", "null"}}, "has_more": obj{"type": "boolean"}}})})
	add("GET "+base+"/cursor", "List rows page by page, in the order of their ids.", e.Name, obj{"parameters": []any{
		obj{"name": "after", "in": "query", "schema": obj{"type": "string"}},
		obj{"name": "limit", "in": "query", "schema": obj{"type": "integer", "minimum": 1, "maximum": cursorMax, "default": cursorDefault}}},
		"responses": ok(obj{"type": "object", "properties": obj{"data": rows, "next_cursor": obj{"type": []string{"string", "null"}}, "has_more": obj{"type": "boolean"}}})})
	add("GET "+base+"/{id}", "Read a row.", e.Name, obj{"responses": ok(ref(e.Name))})
	add("POST /api/query/"+e.Name, "Rows that match a filter.", e.Name, obj{"requestBody": obj{"content": jsonContent(obj{"type": "object"})}, "responses": ok(rows)})
	add("GET /api/lookup/"+e.Name+"/{field}/{value}", "The row whose field has a value.", e.Name, obj{"responses": ok(ref(e.Name))})
	if e.Owner != "" {
		return // written by its plugin only
	}
	schemas[e.Name+"Input"] = obj{"type": "object", "properties": input, "required": orEmpty(required), "additionalProperties": false}
	schemas[e.Name+"Patch"] = obj{"type": "object", "properties": input, "additionalProperties": false}
	add("POST "+base, "Create a row.", e.Name, obj{"requestBody": obj{"required": true, "content": jsonContent(ref(e.Name + "Input"))},
		"responses": obj{"201": obj{"description": "Created.", "content": jsonContent(obj{"type": "object", "properties": obj{"id": obj{"type": "string"}}})}, "default": obj{"$ref": "#/components/responses/Error"}}})
	add("PATCH "+base+"/{id}", "Change fields of a row.", e.Name, obj{"requestBody": obj{"required": true, "content": jsonContent(ref(e.Name + "Patch"))}})
	add("DELETE "+base+"/{id}", "Delete a row.", e.Name, nil)
}

func fieldSchema(f *store.Field) obj {
	s := obj{}
	switch f.Type {
	case store.TypeInt:
		s = obj{"type": "integer", "format": "int64"}
	case store.TypeFloat:
		s = obj{"type": "number"}
	case store.TypeBool:
		s = obj{"type": "boolean"}
	case store.TypeDatetime:
		s = obj{"type": "string", "format": "date-time"}
	case store.TypeJSON:
	case store.TypeID:
		s = obj{"type": "string", "description": "id of a " + f.Ref}
	default:
		s = obj{"type": "string"}
	}
	if f.Enum != nil {
		s["enum"] = f.Enum
	}
	if t, ok := s["type"]; ok && f.Optional {
		s["type"] = []any{t, "null"}
	}
	if f.Readonly {
		s["description"] = "Set at creation."
	}
	return s
}

func ref(name string) obj      { return obj{"$ref": "#/components/schemas/" + name} }
func jsonContent(s obj) obj    { return obj{"application/json": obj{"schema": s}} }
func anySlice(v any) []any     { s, _ := v.([]any); return s }
func orEmpty(s []string) []any { return toAny(s) }
func ok(s obj) obj {
	return obj{"200": obj{"description": "Done.", "content": jsonContent(s)}, "default": obj{"$ref": "#/components/responses/Error"}}
}

func toAny(s []string) []any {
	out := []any{}
	for _, x := range s {
		out = append(out, x)
	}
	return out
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// pathParameters are the {names} of a path.
func pathParameters(path string) []any {
	var params []any
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params = append(params, obj{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": obj{"type": "string"}})
		}
	}
	return params
}
