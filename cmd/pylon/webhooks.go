package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/plugins/webhooks"
)

func webhooksCommand() *cobra.Command {
	server := &client{}
	c := &cobra.Command{Use: "webhooks", Short: "Work with webhooks of a running server"}
	c.AddCommand(webhooksListCommand(server), webhooksTestCommand(server), webhooksReplayCommand(server),
		webhooksDecideCommand(server, "pause", "Let a webhook's deliveries wait"),
		webhooksDecideCommand(server, "resume", "Take a paused or disabled webhook up again"))
	for _, sub := range c.Commands() {
		server.flags(sub)
	}
	c.AddCommand(webhooksListenCommand())
	return c
}

func webhooksListCommand(server *client) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "Show how every webhook does",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var answer struct {
				Hooks []webhooks.HookStatus `json:"hooks"`
			}
			if err := server.call(c.Context(), http.MethodGet, "/api/webhooks/hooks", nil, &answer); err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), answer.Hooks)
			}
			table := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "HOOK\tENTITY\tSTATE\tWAITING\tFAILED\tURL")
			for _, h := range answer.Hooks {
				fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\n", h.Name, h.Entity, h.State, h.Waiting, h.Failed, h.URL)
			}
			if err := table.Flush(); err != nil {
				return err
			}
			for _, h := range answer.Hooks {
				if h.Reason != "" {
					fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", h.Name, h.Reason)
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func webhooksTestCommand(server *client) *cobra.Command {
	return &cobra.Command{
		Use:   "test HOOK",
		Short: "Send a test delivery with a made-up row",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var r webhooks.TestResult
			if err := server.call(c.Context(), http.MethodPost, hookPath(args[0], "test"), nil, &r); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "sent      %s\n", r.Body)
			if r.Delivered {
				fmt.Fprintf(c.OutOrStdout(), "answered  %d after %d ms\n", r.Status, r.MS)
				return nil
			}
			if r.Response != "" {
				fmt.Fprintf(c.OutOrStdout(), "answer    %q\n", r.Response)
			}
			return fmt.Errorf("not delivered: %s", r.Error)
		},
	}
}

func webhooksDecideCommand(server *client, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " HOOK",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var h webhooks.HookStatus
			if err := server.call(c.Context(), http.MethodPost, hookPath(args[0], verb), nil, &h); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is %s\n", h.Name, h.State)
			return nil
		},
	}
}

func hookPath(hook, verb string) string {
	return "/api/webhooks/hooks/" + url.PathEscape(hook) + "/" + verb
}

func webhooksReplayCommand(server *client) *cobra.Command {
	var s webhooks.Selection
	var since, until string
	var all bool
	c := &cobra.Command{
		Use:   "replay [DELIVERY...]",
		Short: "Send deliveries again that failed for good",
		Long: "Sends deliveries again that failed for good, with their ids and bodies: those\n" +
			"given by id, or all that match the flags. --all without flags means every one.",
		RunE: func(c *cobra.Command, args []string) error {
			s.IDs = args
			for _, bound := range []struct {
				flag, value string
				to          **time.Time
			}{{"since", since, &s.Since}, {"until", until, &s.Until}} {
				if bound.value == "" {
					continue
				}
				at, err := momentOf(bound.value, time.Now())
				if err != nil {
					return fmt.Errorf("--%s: %w", bound.flag, err)
				}
				*bound.to = &at
			}
			if len(args) == 0 && s.Hook == "" && s.Entity == "" && s.Event == "" && s.Status == 0 && s.Since == nil && s.Until == nil && !all {
				return errors.New("say which: ids of deliveries, flags that select them, or --all")
			}
			var total webhooks.Replayed
			for {
				var did webhooks.Replayed
				if err := server.call(c.Context(), http.MethodPost, "/api/webhooks/replay", s, &did); err != nil {
					if total.Replayed > 0 {
						return fmt.Errorf("%d %s replayed, then: %w", total.Replayed, deliveries(total.Replayed), err)
					}
					return err
				}
				total.Replayed, total.Skipped, total.Matched = total.Replayed+did.Replayed, total.Skipped+did.Skipped, did.Matched
				if s.After = did.After; s.After == "" {
					break
				}
				fmt.Fprintf(c.ErrOrStderr(), "%d ...\n", total.Replayed)
			}
			if s.DryRun {
				fmt.Fprintf(c.OutOrStdout(), "%d %s would be replayed\n", total.Matched, deliveries(total.Matched))
				return nil
			}
			fmt.Fprintf(c.OutOrStdout(), "%d %s replayed\n", total.Replayed, deliveries(total.Replayed))
			switch {
			case total.Skipped > 0:
				return fmt.Errorf("%d %s skipped: the hook is not declared any more; --to sends them to another", total.Skipped, deliveries(total.Skipped))
			case total.Replayed < len(args):
				return fmt.Errorf("%d of the ids given did not fail for good, or are being replayed already", len(args)-total.Replayed)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&s.Hook, "hook", "", "those of this hook")
	f.StringVar(&s.Entity, "entity", "", "those about this entity")
	f.StringVar(&s.Event, "event", "", "those of this event: insert, update or delete")
	f.IntVar(&s.Status, "status", 0, "those whose receiver answered with this status last")
	f.StringVar(&since, "since", "", "those that failed since then: RFC 3339, or how long ago (90m, 36h)")
	f.StringVar(&until, "until", "", "those that failed before then")
	f.BoolVar(&s.Delivered, "delivered", false, "also those that arrived when they were replayed before")
	f.StringVar(&s.To, "to", "", "send them to this hook instead of their own")
	f.BoolVar(&s.DryRun, "dry-run", false, "only count them")
	f.BoolVar(&all, "all", false, "every one")
	return c
}

func deliveries(n int) string {
	if n == 1 {
		return "delivery"
	}
	return "deliveries"
}

// momentOf reads a time, or a duration before now.
func momentOf(s string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(s); err == nil {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return at, fmt.Errorf("%q is neither a time such as 2026-01-31T09:30:00Z nor a duration such as 36h", s)
	}
	return at, nil
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
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
				value := os.Getenv(secretEnv)
				if value == "" {
					return fmt.Errorf("the environment variable %s is not set or empty", secretEnv)
				}
				secret, err := webhooks.ParseSecret(value)
				if err != nil {
					return fmt.Errorf("the environment variable %s: %w", secretEnv, err)
				}
				l.Secret = secret
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
	c.Flags().StringVar(&secretEnv, "secret-env", "", "environment variable that holds the secret to verify with (or the public key, whpk_...)")
	c.Flags().IntVar(&status, "status", 0, "status to answer verified deliveries with, to see retries")
	return c
}
