package queue_test

import (
	"testing"

	"github.com/pylon-go/pylon/store/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }
