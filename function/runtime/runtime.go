// Package runtime holds the JavaScript side of functions: the modules that an app's
// functions import, and those under them.
package runtime

import "embed"

// Files are the sources, by their path below this folder.
//
//go:embed *.ts plugins types web
var Files embed.FS
