package queue
// Queue is durable work.
type Queue struct{}
