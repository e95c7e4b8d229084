package webhooks_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The receiving end as the README shows it and as the JavaScript library of
// Standard Webhooks has it. The library takes the time from the system, which is
// set to the test's.
const nodeReceiver = `
const { createHmac, timingSafeEqual } = require("node:crypto");
const { Webhook } = require("standardwebhooks");
const input = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
Date.now = () => Number(input.headers["webhook-timestamp"]) * 1000;
const byBody = (secret, rawBody) => {
  const good = "sha256=" + createHmac("sha256", secret).update(rawBody).digest("hex");
  const given = input.headers["x-pylon-signature"] ?? "";
  return given.length === good.length && timingSafeEqual(Buffer.from(good), Buffer.from(given));
};
const byLibrary = (secret, rawBody, format) => {
  try {
    return new Webhook(secret, { format }).verify(rawBody, input.headers).delivery_id === input.headers["webhook-id"];
  } catch (e) {
    return String(e.message);
  }
};
const body = Buffer.from(input.body);
const changed = Buffer.from(input.body + " ");
process.stdout.write(JSON.stringify({
  body: byBody(input.secrets[0], body), changed: byBody(input.secrets[0], changed), other: byBody("another", body),
  library: input.secrets.map(s => byLibrary(s, body, s.startsWith("whsec_") ? undefined : "raw")),
  libraryChanged: byLibrary(input.secrets[0], changed, input.secrets[0].startsWith("whsec_") ? undefined : "raw"),
  libraryOther: byLibrary("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", body),
}));
`

// A real delivery is verified by the programs that receivers in JavaScript use.
func TestDeliveriesVerifyInNode(t *testing.T) {
	modules, err := filepath.Abs("../../.cache/node/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIPPED: node is not here, so signatures are not verified with the JavaScript library")
	}
	if _, err := os.Stat(filepath.Join(modules, "standardwebhooks")); err != nil {
		t.Skip("SKIPPED: the JavaScript library of Standard Webhooks is not in .cache/node; `make services` fetches it")
	}
	script := filepath.Join(t.TempDir(), "receiver.js")
	if err := os.WriteFile(script, []byte(nodeReceiver), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, secrets := range map[string][]string{
		"whsec_ keys in rotation": {newSecret, oldSecret},
		"a literal secret":        {"It's a Secret to Everybody"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, `{ "entity": "Item", "url": "URL", "secret_env": ["A", "B"] }`, "", map[string]string{"A": secrets[0], "B": secrets[len(secrets)-1]})
			r.insert("Item", `{"name":"Ünïcödé \u2028 \u2029 \ud83d\ude00 \"quotes\" \\ <b>&amp;</b>"}`)
			got := r.receive()
			headers := map[string]string{}
			for k := range got.header {
				headers[strings.ToLower(k)] = got.header.Get(k)
			}
			input, err := json.Marshal(map[string]any{"secrets": secrets, "headers": headers, "body": got.body})
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), node, script)
			cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
			cmd.Stdin = bytes.NewReader(input)
			var wrong bytes.Buffer
			cmd.Stderr = &wrong
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err, wrong.String())
			}
			verified := strings.TrimSuffix(strings.Repeat("true,", len(secrets)), ",")
			want := `{"body":true,"changed":false,"other":false,"library":[` + verified + `],"libraryChanged":"No matching signature found","libraryOther":"No matching signature found"}`
			if string(out) != want {
				t.Errorf("node says\n%s\nwant\n%s", out, want)
			}
			if got.header.Get("Content-Type") != "application/json" || got.header.Get("Webhook-Id") == "" {
				t.Errorf("%v", http.Header(got.header))
			}
		})
	}
}
