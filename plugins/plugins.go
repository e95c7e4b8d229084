// Package plugins registers the plugins that come with Pylon. One line each:
// without its line and its folder a plugin is gone.
package plugins

import (
	_ "github.com/pylon-go/pylon/plugins/auditlog"
	_ "github.com/pylon-go/pylon/plugins/cache"
	_ "github.com/pylon-go/pylon/plugins/netguard"
	_ "github.com/pylon-go/pylon/plugins/webhooks"
)
