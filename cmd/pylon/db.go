package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
)

func dbCommand() *cobra.Command {
	c := &cobra.Command{Use: "db", Short: "Work with databases"}
	c.AddCommand(dbCopyCommand())
	return c
}

func dbCopyCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "copy SRC DST",
		Short: "Move the app's data into another database",
		Long: `Move the app's data from SRC into DST, each the file of a SQLite database or the
URL of a PostgreSQL one. Stop the app's servers first.

DST must hold no rows of the app. Every table is read back and compared before
anything counts: after an error DST is as empty as it was.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			tables, left, err := pylon.CopyDatabase(c.Context(), pylon.Options{Dir: dir}, args[0], args[1], func(table string, done, total int) {
				fmt.Fprintf(c.ErrOrStderr(), "\r\x1b[K%s: %d of %d rows", table, done, total)
			})
			fmt.Fprint(c.ErrOrStderr(), "\r\x1b[K")
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			rows := 0
			for _, t := range tables {
				fmt.Fprintf(out, "%-32s %10d rows  sha256 %.16s\n", t.Name, t.Rows, t.Checksum)
				rows += t.Rows
			}
			for _, t := range left {
				fmt.Fprintf(out, "left behind, not declared any more: table %s\n", t)
			}
			fmt.Fprintf(out, "%d tables with %d rows copied and compared\n", len(tables), rows)
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "folder of the app")
	return c
}
