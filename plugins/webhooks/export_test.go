package webhooks

import "time"

// HeaderTimeout is how long the client waits for the beginning of an answer; 0 is as
// long as the attempt lasts.
func (p *Plugin) HeaderTimeout() time.Duration {
	return p.transport.ResponseHeaderTimeout
}

// What the fuzz tests ask.
var (
	RetryAfter = retryAfter
	DecodeNote = func(b []byte) (encoded []byte, idOnly bool, err error) {
		n, err := decodeNote(b)
		return n.encode(), n.IDOnly, err
	}
)
