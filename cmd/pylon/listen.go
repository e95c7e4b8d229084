package main

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/spf13/cobra"
)

// address is where a server listens, from flags and environment.
type address struct {
	host string
	port int
}

func (a *address) flags(c *cobra.Command, host string) {
	c.Flags().IntVar(&a.port, "port", 4321, "port to listen on (PYLON_PORT); 0 takes a free one")
	c.Flags().StringVar(&a.host, "host", host, "address to listen on (PYLON_HOST); empty is all interfaces")
}

// listen opens the port. Flags win over the environment.
func (a *address) listen(c *cobra.Command) (net.Listener, error) {
	if env := os.Getenv("PYLON_PORT"); env != "" && !c.Flags().Changed("port") {
		n, err := strconv.Atoi(env)
		if err != nil {
			return nil, fmt.Errorf("PYLON_PORT: %q is not a port", env)
		}
		a.port = n
	}
	if env, ok := os.LookupEnv("PYLON_HOST"); ok && !c.Flags().Changed("host") {
		a.host = env
	}
	return a.listenOnly()
}

// listenOnly opens the port without asking the environment.
func (a *address) listenOnly() (net.Listener, error) {
	if a.port < 0 || a.port > 65535 {
		return nil, fmt.Errorf("%d is not a port: 0 to 65535", a.port)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(a.host, strconv.Itoa(a.port)))
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// shownURL is an address a person can open.
func shownURL(l net.Listener) string {
	addr := l.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}
