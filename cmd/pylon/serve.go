package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
)

func serveCommand() *cobra.Command {
	var at address
	var noMigrate bool
	c := &cobra.Command{
		Use:   "serve [DIR]",
		Short: "Serve the app in DIR for production",
		Long: `Serve the app in DIR (default: this folder).

PYLON_ADMIN_TOKEN must hold the administrator's token. Missing tables, columns and
indexes are added at start; changes that would lose data are refused.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			log, err := newLogger(true)
			if err != nil {
				return err
			}
			app, err := pylon.New(c.Context(), pylon.Options{Dir: appDir(args), Version: version, NoMigrate: noMigrate, Logger: log})
			if err != nil {
				return err
			}
			l, err := at.listen(c)
			if err != nil {
				return errors.Join(err, stopApp(app))
			}
			return run(c, app, l)
		},
	}
	at.flags(c, "")
	c.Flags().BoolVar(&noMigrate, "no-migrate", false, "refuse to start when the database is not up to date")
	return c
}

// run serves until the process is told to stop, then ends in order.
func run(c *cobra.Command, app *pylon.App, l net.Listener) error {
	fmt.Fprintf(c.OutOrStdout(), "%s ready at %s\n", app.AppName(), shownURL(l))
	err := pylon.Serve(c.Context(), l, app, app.Logger())
	return errors.Join(err, stopApp(app))
}

// stopApp gives the app its time to end.
func stopApp(app *pylon.App) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return app.Stop(ctx)
}
