package function

import "github.com/pylon-go/pylon/plugin"

type fetcher struct{}

func newFetcher(*plugin.Outbound) *fetcher { return &fetcher{} }
func (*fetcher) close()                    {}

var webSyncs = map[string]syncFunc{}
var webOperations = map[string]operation{}
var worksAtLoad = map[string]bool{}
