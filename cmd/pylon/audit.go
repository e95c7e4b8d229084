package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon/plugins/auditlog"
)

func auditCommand() *cobra.Command {
	server := &client{}
	c := &cobra.Command{Use: "audit", Short: "Work with the audit log"}
	c.AddCommand(auditListCommand(server), auditShowCommand(server), auditProveCommand(server), auditPubkeyCommand(server),
		auditExportCommand(server), auditEraseCommand(server), auditPruneCommand(server), auditHoldCommand(server), auditVerifyCommand(server))
	for _, sub := range c.Commands() {
		server.flags(sub)
	}
	return c
}

// listed are the columns of an entry that a list shows.
type listed struct {
	ID        string `json:"id"`
	CreatedAt string `json:"createdAt"`
	ActorType string `json:"actorType"`
	ActorID   string `json:"actorId"`
	Operation string `json:"operation"`
	Entity    string `json:"entity"`
	RowID     string `json:"rowId"`
	Outcome   string `json:"outcome"`
	Changed   string `json:"changed"`
}

func auditListCommand(server *client) *cobra.Command {
	q := url.Values{}
	filters := map[string]*string{}
	var format string
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "Show entries, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for name, value := range filters {
				if *value != "" {
					q.Set(name, *value)
				}
			}
			q.Set("limit", strconv.Itoa(limit))
			if asJSON && format == "" {
				format = "json"
			}
			q.Set("format", format)
			path := "/api/audit/entries?" + q.Encode()
			if format != "" {
				answer, err := server.ask(c.Context(), http.MethodGet, path, nil)
				if err != nil {
					return err
				}
				_, err = c.OutOrStdout().Write(append(answer, '\n'))
				return err
			}
			var answer struct {
				Entries []listed `json:"entries"`
			}
			if err := server.call(c.Context(), http.MethodGet, path, nil, &answer); err != nil {
				return err
			}
			table := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "ID\tTIME\tACTOR\tOPERATION\tROW\tOUTCOME\tCHANGED")
			for _, e := range answer.Entries {
				fmt.Fprintf(table, "%s\t%s\t%s:%s\t%s\t%s/%s\t%s\t%s\n", e.ID, e.CreatedAt, e.ActorType, e.ActorID, e.Operation, e.Entity, e.RowID, e.Outcome, e.Changed)
			}
			return table.Flush()
		},
	}
	f := c.Flags()
	for name, help := range map[string]string{"entity": "those about this entity", "row": "those about this row (with --entity: through an index)", "actor": "those of this actor",
		"operation": "those of this operation: insert, update, delete, view, erase, ...", "outcome": "those with this outcome: ok or denied",
		"request": "those of this request", "tenant": "those of this tenant", "after": "those older than this entry, to go on"} {
		filters[name] = f.String(name, "", help)
	}
	f.IntVar(&limit, "limit", 100, "how many, 1 to 1000")
	f.StringVar(&format, "format", "", "print json, ndjson, csv, ocsf or ecs instead of a table")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func auditShowCommand(server *client) *cobra.Command {
	return &cobra.Command{
		Use:   "show ENTRY",
		Short: "Show one entry",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var entry map[string]any
			if err := server.call(c.Context(), http.MethodGet, "/api/audit/entries/"+url.PathEscape(args[0]), nil, &entry); err != nil {
				return err
			}
			return printJSON(c.OutOrStdout(), entry)
		},
	}
}

func auditProveCommand(server *client) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "prove ENTRY",
		Short: "Print the proof that an entry is in the log (C2SP tlog-proof)",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var proof auditlog.Proof
			if err := server.call(c.Context(), http.MethodGet, "/api/audit/entries/"+url.PathEscape(args[0])+"/proof", nil, &proof); err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), proof)
			}
			_, err := fmt.Fprint(c.OutOrStdout(), proof.Proof)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the leaf itself")
	return c
}

func auditPubkeyCommand(server *client) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "pubkey",
		Short: "Print the public key of the log, for auditors",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var k auditlog.PublicKey
			if err := server.call(c.Context(), http.MethodGet, "/api/audit/key", nil, &k); err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), k)
			}
			if k.Key == "" {
				return errors.New("the log has no signing key: set signing_key_env in the config of audit_log")
			}
			fmt.Fprintln(c.OutOrStdout(), k.Key)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func auditExportCommand(server *client) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Export what is new now, to where the config says",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var did auditlog.Exported
			if err := server.call(c.Context(), http.MethodPost, "/api/audit/export", nil, &did); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%d leaves exported (from %d to %d), %d objects written\n", did.Size-did.From, did.From, did.Size, did.Objects)
			return nil
		},
	}
}

func auditEraseCommand(server *client) *cobra.Command {
	var req auditlog.EraseRequest
	c := &cobra.Command{
		Use:   "erase [ENTRY...]",
		Short: "Delete the values of entries, on the record",
		Long: "Deletes before, after, ip and user agent of entries: of those given, of all of a\n" +
			"row (--entity, --row) or of all that somebody made (--actor). The entries stay,\n" +
			"and the log says who erased what and why.",
		RunE: func(c *cobra.Command, args []string) error {
			req.IDs = args
			var did auditlog.Erased
			if err := server.call(c.Context(), http.MethodPost, "/api/audit/erase", req, &did); err != nil {
				return err
			}
			verb := "erased"
			if req.DryRun {
				verb = "would be erased"
			}
			fmt.Fprintf(c.OutOrStdout(), "%d %s %s\n", did.Erased, entriesOf(did.Erased), verb)
			if len(did.Held) > 0 {
				return fmt.Errorf("%d %s under a legal hold and kept", len(did.Held), entriesOf(len(did.Held)))
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&req.Entity, "entity", "", "entity of the row whose entries are meant")
	f.StringVar(&req.RowID, "row", "", "id of the row whose entries are meant")
	f.StringVar(&req.ActorID, "actor", "", "id of the actor whose entries are meant")
	f.StringVar(&req.Reason, "reason", "", "why; it stays in the log")
	f.BoolVar(&req.DryRun, "dry-run", false, "only count them")
	return c
}

func entriesOf(n int) string {
	if n == 1 {
		return "entry"
	}
	return "entries"
}

func auditPruneCommand(server *client) *cobra.Command {
	var req auditlog.PruneRequest
	c := &cobra.Command{
		Use:   "prune --days N",
		Short: "Delete entries older than N days, on the record",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var did auditlog.Pruned
			if err := server.call(c.Context(), http.MethodPost, "/api/audit/prune", req, &did); err != nil {
				return err
			}
			verb := "pruned"
			if req.DryRun {
				verb = "would be pruned"
			}
			fmt.Fprintf(c.OutOrStdout(), "%d %s %s, %d held\n", did.Pruned, entriesOf(did.Pruned), verb, did.Held)
			return nil
		},
	}
	c.Flags().IntVar(&req.Days, "days", 0, "how many days of entries stay")
	c.Flags().BoolVar(&req.DryRun, "dry-run", false, "only count them")
	return c
}

func auditHoldCommand(server *client) *cobra.Command {
	c := &cobra.Command{Use: "hold", Short: "Keep entries from being erased and pruned (legal hold)"}
	var h auditlog.Hold
	add := &cobra.Command{
		Use:   "add KIND VALUE",
		Short: "Hold the entries of an entry, row (Entity/ID), tenant or actor",
		Args:  cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			in := map[string]string{"kind": args[0], "value": args[1], "reason": h.Reason}
			if err := server.call(c.Context(), http.MethodPost, "/api/audit/holds", in, &h); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), h.ID)
			return nil
		},
	}
	add.Flags().StringVar(&h.Reason, "reason", "", "why; it stays in the log")
	release := &cobra.Command{
		Use: "release HOLD", Short: "End a hold", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var did struct{ Released bool }
			return server.call(c.Context(), http.MethodDelete, "/api/audit/holds/"+url.PathEscape(args[0]), nil, &did)
		},
	}
	list := &cobra.Command{
		Use: "list", Short: "Show the holds there are", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var answer struct{ Holds []auditlog.Hold }
			if err := server.call(c.Context(), http.MethodGet, "/api/audit/holds", nil, &answer); err != nil {
				return err
			}
			table := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "HOLD\tKIND\tVALUE\tBY\tSINCE\tREASON")
			for _, h := range answer.Holds {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, h.Kind, h.Value, h.By, h.At.Format("2006-01-02 15:04"), h.Reason)
			}
			return table.Flush()
		},
	}
	c.AddCommand(add, release, list)
	return c
}

// secretOf reads a signing key from the environment.
func secretOf(env string) ([]byte, error) {
	value := os.Getenv(env)
	if value == "" {
		return nil, fmt.Errorf("the environment variable %s is not set or empty", env)
	}
	return []byte(value), nil
}
