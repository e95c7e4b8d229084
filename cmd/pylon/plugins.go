package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
)

func pluginsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plugins [NAME]",
		Short: "List the plugins, or the configuration of one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
			defer w.Flush()
			if len(args) == 0 {
				for _, name := range plugin.Names() {
					p, _ := plugin.New(name)
					fmt.Fprintf(w, "%s\t%s%s\n", name, p.Info().Summary, byDefault(p))
				}
				return nil
			}
			p, ok := plugin.New(args[0])
			if !ok {
				err := fmt.Errorf("no plugin %q", args[0])
				if near := manifest.Nearest(args[0], plugin.Names()); near != "" {
					err = fmt.Errorf("%w (did you mean %q?)", err, near)
				}
				return err
			}
			fmt.Fprintf(w, "%s: %s%s\n", args[0], p.Info().Summary, byDefault(p))
			if conf, ok := p.(plugin.Configurable); ok {
				fmt.Fprint(w, "\nKEY\tTYPE\tDEFAULT\tMEANING\n")
				for _, k := range manifest.ConfigReference(conf.Config(), p.Info().ConfigSource) {
					must := k.Default
					if k.Required {
						must = "(required)"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Key, k.Type, must, k.Doc)
				}
			}
			return nil
		},
	}
}

// byDefault says that the plugin runs here and now without an entry in the manifest.
func byDefault(p plugin.Plugin) string {
	if d, ok := p.(plugin.Defaulter); ok && d.RunsByDefault(os.Getenv) {
		return " Runs by default."
	}
	return ""
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of manifests, for editors",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(append(pylon.ManifestSchema(), '\n'))
			return err
		},
	}
}
