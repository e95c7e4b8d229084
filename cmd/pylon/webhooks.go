package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/plugins/webhooks"
)

func webhooksCommand() *cobra.Command {
	c := &cobra.Command{Use: "webhooks", Short: "Work with webhooks"}
	c.AddCommand(webhooksListenCommand())
	return c
}

func webhooksListenCommand() *cobra.Command {
	at := address{}
	var secretEnv string
	var status int
	c := &cobra.Command{
		Use:   "listen",
		Short: "Receive webhooks on this machine, verify and print them",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l := &webhooks.Listener{Status: status, Out: c.OutOrStdout()}
			if secretEnv != "" {
				if l.Secret = os.Getenv(secretEnv); l.Secret == "" {
					return fmt.Errorf("the environment variable %s is not set or empty", secretEnv)
				}
			}
			if status != 0 && (status < 200 || status > 599) {
				return fmt.Errorf("%d is not a status to answer with: 200 to 599", status)
			}
			log, err := newLogger(false)
			if err != nil {
				return err
			}
			listener, err := at.listenOnly()
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "listening for webhooks at %s\n", shownURL(listener))
			return pylon.Serve(c.Context(), listener, l, log)
		},
	}
	c.Flags().IntVar(&at.port, "port", 4400, "port to listen on")
	c.Flags().StringVar(&at.host, "host", "127.0.0.1", "address to listen on")
	c.Flags().StringVar(&secretEnv, "secret-env", "", "environment variable that holds the secret to verify with")
	c.Flags().IntVar(&status, "status", 0, "status to answer verified deliveries with, to see retries")
	return c
}
