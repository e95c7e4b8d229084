// Command pylon runs application backends declared in a manifest.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "pylon",
		Short:         "An application backend in one binary",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	root.SetVersionTemplate("pylon {{.Version}}\n")
	root.AddCommand(devCommand(), serveCommand(), initCommand(), checkCommand(), codegenCommand(), schemaCommand(),
		pluginsCommand(), migrateCommand(), backupCommand(), dbCommand(), webhooksCommand(), auditCommand(), versionCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		code := 1
		var verdict *verdictError
		if errors.As(err, &verdict) {
			code = verdict.code
		}
		printError(err)
		stop()
		os.Exit(code)
	}
}

// printError shows an error as a person reads it: a manifest's problems one a line.
func printError(err error) {
	var problems *manifest.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(os.Stderr, problems.Error())
		fmt.Fprintf(os.Stderr, "pylon: %d %s in the manifest\n", problems.Len(), plural(problems.Len(), "problem"))
		return
	}
	fmt.Fprintln(os.Stderr, "pylon:", err)
	var known *store.Error
	if errors.As(err, &known) && known.Hint != "" {
		fmt.Fprintln(os.Stderr, "hint:", known.Hint)
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// newLogger writes text for people and JSON for machines, at PYLON_LOG_LEVEL
// (debug, info, warn, error).
func newLogger(json bool) (*slog.Logger, error) {
	level := slog.LevelInfo
	if name := os.Getenv("PYLON_LOG_LEVEL"); name != "" {
		if err := level.UnmarshalText([]byte(name)); err != nil {
			return nil, fmt.Errorf("PYLON_LOG_LEVEL: %q is not a level; use debug, info, warn or error", name)
		}
	}
	opts := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts)), nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts)), nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), "pylon", version) },
	}
}

// appDir is the optional folder argument.
func appDir(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	return "."
}
