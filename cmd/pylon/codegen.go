package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
)

func codegenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "codegen [DIR]",
		Short: "Write the type declarations of the app in DIR",
		Long: `Write what editors and the TypeScript compiler need to know of the app in DIR
(default: this folder) into .pylon/types: the modules of Pylon, the globals that exist, the
rows of the app's entities and the configs of its plugins. A tsconfig.json is added where
there is none. "pylon dev" does the same at start and whenever the manifest changes.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			written, err := pylon.Codegen(appDir(args))
			for _, f := range written {
				fmt.Fprintln(c.OutOrStdout(), "wrote", f)
			}
			return err
		},
	}
}
