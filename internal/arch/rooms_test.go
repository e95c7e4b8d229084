package arch

// A room is a package, or a folder of packages, with one purpose.
type room struct {
	// path is relative to the module: "" is its root, and a last element * stands
	// for any one folder, each a room of its own.
	path string
	// may lists the paths of the rooms it imports, beside itself.
	may []string
	// deep rooms own the packages below them; below other rooms, every package
	// needs a line of its own.
	deep bool
}

var (
	// The layers, each with what is below it.
	belowPlugin = []string{"manifest", "store", "queue"}
	belowHost   = append([]string{"plugin", "policy", "auth", "internal/*"}, belowPlugin...)
	everything  = append([]string{"", "api", "studio", "function", "plugins", "plugins/*", "store/sqlite", "store/postgres", "store/storetest"}, belowHost...)
)

// rooms is the whole table. To add a room, add a line here and in
// ARCHITECTURE.md; to add an arrow, first ask whether an interface in the room
// below would do.
var rooms = []room{
	{path: "cmd", may: everything, deep: true},
	{path: "", may: without(everything, "", "store/storetest")},

	{path: "manifest"},
	{path: "store", may: []string{"manifest"}},
	{path: "store/plan", may: []string{"store"}},
	{path: "store/sqlite", may: []string{"store", "store/plan"}},
	{path: "store/postgres", may: []string{"store", "store/plan"}},
	{path: "store/storetest", may: []string{"store"}},
	{path: "store/enginetest", may: []string{"store", "store/sqlite", "store/postgres", "internal/*"}},
	{path: "queue", may: []string{"store"}},
	{path: "policy", may: []string{"manifest", "store"}},
	{path: "plugin", may: belowPlugin},
	{path: "auth", may: append([]string{"plugin"}, belowPlugin...)},

	// A plugin sees the contract and what the contract speaks of, never another
	// plugin: what one offers to others is an interface in package plugin. The
	// room above them imports all, and is the one line to delete with a plugin.
	{path: "plugins/*", may: append([]string{"plugin", "policy", "internal/*"}, belowPlugin...), deep: true},
	{path: "plugins", may: []string{"plugin", "plugins/*"}},

	{path: "function", may: belowHost, deep: true},
	// The HTTP layer knows plugins by the contract; only the root package and cmd know it.
	{path: "api", may: append([]string{"function"}, belowHost...), deep: true},
	{path: "studio", may: append([]string{"function"}, belowHost...), deep: true},

	// Help without a subject of the app: knows nothing of it.
	{path: "internal/*", may: []string{"internal/*"}, deep: true},
	{path: "bench", may: without(everything, "api", "studio"), deep: true},
	// What a program that embeds Pylon may use.
	{path: "examples", may: append([]string{"", "plugin", "plugins", "plugins/*"}, belowPlugin...), deep: true},
}

func without(paths []string, drop ...string) (kept []string) {
next:
	for _, p := range paths {
		for _, d := range drop {
			if p == d {
				continue next
			}
		}
		kept = append(kept, p)
	}
	return kept
}
