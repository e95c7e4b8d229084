package plugin

import (
	"fmt"
	"slices"
)

var registry = map[string]func() Plugin{}

// Register makes a plugin known under its name in manifests. It is called from
// package plugins or, for a plugin of one's own, before the app is built.
// Registering a name twice panics.
func Register(name string, construct func() Plugin) {
	if _, ok := registry[name]; ok {
		panic(fmt.Sprintf("plugin %q is registered twice", name))
	}
	registry[name] = construct
}

// New makes the plugin of that name; ok is false when there is none.
func New(name string) (p Plugin, ok bool) {
	construct, ok := registry[name]
	if !ok {
		return nil, false
	}
	return construct(), true
}

// Names are the registered plugins, sorted.
func Names() []string {
	var names []string
	for name := range registry {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
