package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
)

func backupCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database into FILE, also while the app runs",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			err := pylon.Backup(c.Context(), pylon.Options{Dir: dir}, args[0], func(done, total int) {
				fmt.Fprintf(c.ErrOrStderr(), "\r%d of %d MiB", done>>20, total>>20)
			})
			fmt.Fprintln(c.ErrOrStderr())
			if err != nil {
				return err
			}
			fi, err := os.Stat(args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %d bytes, checked\n", args[0], fi.Size())
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "folder of the app")
	return c
}
