package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// client talks to a running server as its administrator.
type client struct {
	server string
}

func (c *client) flags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&c.server, "server", "", "address of the running server (default http://127.0.0.1:PYLON_PORT, port 4321)")
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// call makes a request and decodes its answer.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	answer, err := c.ask(ctx, method, path, in)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the server's answer is not understood: %w", err)
	}
	return nil
}

// ask makes a request and gives its answer as it is.
func (c *client) ask(ctx context.Context, method, path string, in any) ([]byte, error) {
	token := os.Getenv("PYLON_ADMIN_TOKEN")
	if token == "" {
		return nil, errors.New("PYLON_ADMIN_TOKEN is not set: the server's administrator token is needed (`pylon dev` prints the one it made)")
	}
	server := strings.TrimSuffix(c.server, "/")
	if server == "" {
		port := os.Getenv("PYLON_PORT")
		if port == "" {
			port = "4321"
		}
		server = "http://127.0.0.1:" + port
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, server+path, body)
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no server answers at %s: %w", server, errors.Unwrap(err))
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	if res.StatusCode >= 300 {
		var wrong struct {
			Error struct{ Code, Message, Hint string }
		}
		if json.Unmarshal(answer, &wrong) != nil || wrong.Error.Code == "" {
			return nil, fmt.Errorf("the server answered %s", res.Status)
		}
		if wrong.Error.Hint != "" {
			return nil, fmt.Errorf("%s (%s): %s", wrong.Error.Message, wrong.Error.Code, wrong.Error.Hint)
		}
		return nil, fmt.Errorf("%s (%s)", wrong.Error.Message, wrong.Error.Code)
	}
	return answer, nil
}
