// Command pocketbase is PocketBase as its own documentation builds it, the
// comparison in bench/writes. It is a module of its own so that its
// dependencies stay out of Pylon's.
package main

import (
	"log"

	"github.com/pocketbase/pocketbase"
)

func main() {
	if err := pocketbase.New().Start(); err != nil {
		log.Fatal(err)
	}
}
