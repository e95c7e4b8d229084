package function

import (
	"context"
	"log/slog"
	"strings"

	"github.com/pylon-go/pylon/internal/quickjs"
)

// maxConsoleLine bounds a line in bytes; runtime/web/console.ts counts characters.
const maxConsoleLine = 8 << 10

func consoleLine(c *call, args quickjs.Args) (any, error) {
	level := slog.LevelInfo
	switch args.String(1) {
	case "debug":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	}
	text := strings.ToValidUTF8(args.String(2), "\uFFFD")
	if len(text) > maxConsoleLine {
		text = strings.ToValidUTF8(text[:maxConsoleLine], "") + "..."
	}
	c.console(level, text)
	return nil, nil
}

// console writes what a handler says into the log.
func (c *call) console(level slog.Level, text string) {
	c.host.log.LogAttrs(context.Background(), level, text,
		slog.String("function", c.name), slog.String("request_id", c.requestID))
	if c.trace != nil {
		c.trace.log(level, text)
	}
}
