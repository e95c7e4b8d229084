package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
)

func migrateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to what the manifest declares",
	}
	var destructive bool
	c.PersistentFlags().BoolVar(&destructive, "allow-destructive", false, "also drop tables and columns that are not declared any more, with their data")
	c.AddCommand(
		&cobra.Command{
			Use: "plan [DIR]", Short: "Show what would be done", Args: cobra.MaximumNArgs(1),
			RunE: func(c *cobra.Command, args []string) error { return migrate(c, appDir(args), false, destructive) },
		},
		&cobra.Command{
			Use: "apply [DIR]", Short: "Do it", Args: cobra.MaximumNArgs(1),
			RunE: func(c *cobra.Command, args []string) error { return migrate(c, appDir(args), true, destructive) },
		})
	return c
}

func migrate(c *cobra.Command, dir string, apply, destructive bool) error {
	m, err := pylon.Migrate(c.Context(), pylon.Options{Dir: dir}, apply, destructive)
	out := c.OutOrStdout()
	if m != nil {
		for _, b := range m.Blocked {
			fmt.Fprintf(out, "cannot: %s\n", b)
		}
		for _, l := range m.Losses {
			fmt.Fprintf(out, "loses data: %s\n", l)
		}
		for _, t := range m.Undeclared {
			fmt.Fprintf(out, "kept, not declared any more: table %s\n", t)
		}
		for _, s := range m.Steps {
			fmt.Fprintf(out, "%s;\n", s.SQL)
		}
	}
	switch {
	case errors.Is(err, pylon.ErrDestructive):
		return errors.New("nothing was done: run it again with --allow-destructive to lose that data")
	case err != nil:
		return err
	case len(m.Blocked) > 0:
		return errors.New("the database cannot follow the manifest as it is")
	case len(m.Steps) == 0:
		fmt.Fprintln(out, "the database is up to date")
	case apply:
		fmt.Fprintf(out, "%d %s done\n", len(m.Steps), plural(len(m.Steps), "step"))
	}
	return nil
}
