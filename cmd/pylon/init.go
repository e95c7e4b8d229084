package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
)

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init NAME",
		Short: "Make a small working app in the new folder NAME",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			files, err := pylon.Init(args[0])
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			for _, f := range files {
				fmt.Fprintln(out, "wrote", f)
			}
			fmt.Fprintf(out, "\nstart it:  pylon dev %s\n", args[0])
			return nil
		},
	}
}
