package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [DIR]",
		Short: "Check the app in DIR without starting it",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			notices, err := pylon.Check(appDir(args), os.Getenv)
			if err != nil {
				return err
			}
			for _, n := range notices {
				fmt.Fprintf(c.OutOrStdout(), "%s:%d:%d: note: %s: %s\n", n.File, n.Line, n.Col, n.Path, n.Message)
			}
			fmt.Fprintln(c.OutOrStdout(), "ok")
			return nil
		},
	}
}
