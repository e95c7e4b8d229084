package netguard

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
)

// check reads a manifest whose only plugin is net_guard, as the host does, and
// returns the problems, each with its place.
func check(t *testing.T, p *Plugin, config string) (problems []string) {
	t.Helper()
	text := fmt.Sprintf(`{"manifest_version": 1, "name": "x", "version": "1", "plugins": [{"name": "net_guard", "config": %s}]}`, config)
	m, err := manifest.Parse("pylon.manifest.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var found manifest.Problems
	node := m.Plugins[0].Config
	node.Decode(p.Config(), &found)
	p.Validate(&plugin.Check{Manifest: m, Config: node, Problems: &found})
	for _, problem := range found.List() {
		problems = append(problems, fmt.Sprintf("%d: %s", problem.Line, problem.String()))
	}
	return problems
}

func TestValidate(t *testing.T) {
	p := new(Plugin)
	if problems := check(t, p, `{"allow_hosts": ["ok.internal", "10.0.0.1", "FD.io.", "::1"]}`); len(problems) != 0 {
		t.Errorf("%q", problems)
	}
	if err := p.Provision(t.Context(), newHost()); err != nil {
		t.Error(err)
	}

	// Every bad entry is named, where it stands.
	p = new(Plugin)
	problems := check(t, p, "{\"allow_hosts\": [\n\"ok.internal\",\n\"*.bad\",\n\"10.0.0.1\",\n\"bad:80\"]}")
	for i, want := range []string{"3: |allow_hosts[1]|wildcards", "5: |allow_hosts[3]|without port"} {
		for part := range strings.SplitSeq(want, "|") {
			if len(problems) != 2 || !strings.Contains(problems[i], part) {
				t.Errorf("problems %q, want %q", problems, want)
			}
		}
	}
	if err := p.Provision(t.Context(), newHost()); err == nil {
		t.Error("provisioned with bad entries")
	}

	if problems := check(t, new(Plugin), `{"allow_host": ["x"]}`); len(problems) != 1 || !strings.Contains(problems[0], "allow_hosts") {
		t.Errorf("an unknown key: %q", problems)
	}
	if problems := check(t, new(Plugin), `{}`); len(problems) != 0 {
		t.Errorf("an empty config: %q", problems)
	}
}

func TestRegistered(t *testing.T) {
	p, ok := plugin.New("net_guard")
	if !ok {
		t.Fatal("not registered")
	}
	if _, guards := p.(plugin.DialGuard); !guards || p.Info().Summary == "" {
		t.Errorf("%T guards nothing or says nothing", p)
	}
	reference := manifest.ConfigReference(p.(plugin.Configurable).Config(), p.Info().ConfigSource)
	if len(reference) != 1 || !strings.Contains(fmt.Sprint(reference), "exact") {
		t.Errorf("the reference of the configuration: %+v", reference)
	}
}
