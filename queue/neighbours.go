package queue

import (
	"strings"
	"sync"
	"time"

	"github.com/pylon-go/pylon/store"
)

// Other processes on the same database are told of lanes that got work, so that
// they share it at once. What is not heard, because a process died between a
// commit and the word of it or a connection broke, is found by the next scan.
//
// The word is not part of the transaction. PostgreSQL lets transactions that
// notify commit one at a time, which would end their sharing of a flush to disk;
// and one word is enough for many commits.

const (
	// channel carries "process queue lane", a line each.
	channel = "pylon_queue"
	// hush is the least time between two words.
	hush = 20 * time.Millisecond
	// maxWord is less than what a notification may carry.
	maxWord = 7000
)

// news are lanes with work, not told yet.
type news struct {
	mu    sync.Mutex
	lanes map[[2]string]struct{}
	poke  chan struct{}
}

// announce tells other processes of a lane, soon.
func (q *Queue) announce(queue, lane string) {
	n := &q.news
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lanes == nil { // nobody listens
		return
	}
	n.lanes[[2]string{queue, lane}] = struct{}{}
	select {
	case n.poke <- struct{}{}:
	default:
	}
}

// listen begins to tell and to hear, where there are others to hear.
func (q *Queue) listen() {
	engine, ok := q.db.Engine().(store.Notifier)
	if !ok {
		return
	}
	q.news.mu.Lock()
	q.news.lanes, q.news.poke = map[[2]string]struct{}{}, make(chan struct{}, 1)
	q.news.mu.Unlock()
	q.neighbours.Go(func() { q.tell(engine) })
	q.neighbours.Go(func() { engine.Listen(q.ctx, channel, q.hear) })
}

func (q *Queue) tell(engine store.Notifier) {
	for {
		select {
		case <-q.ctx.Done():
			return
		case <-q.news.poke:
		}
		for _, word := range q.words() {
			if err := engine.Notify(q.ctx, channel, word); err != nil && q.ctx.Err() == nil {
				q.log.Warn("other processes could not be told of work", "error", err)
			}
		}
		pause := time.NewTimer(hush) // of real time: it is no part of what a queue promises
		select {
		case <-q.ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// words takes the news, packed into as few notifications as they fit.
func (q *Queue) words() (words []string) {
	q.news.mu.Lock()
	lanes := q.news.lanes
	q.news.lanes = map[[2]string]struct{}{}
	q.news.mu.Unlock()
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			words = append(words, b.String())
			b.Reset()
		}
	}
	for l := range lanes {
		line := q.owner + "\t" + l[0] + "\t" + l[1]
		if len(line) > maxWord || strings.ContainsAny(l[0]+l[1], "\t\n") {
			line = q.owner + "\t" + l[0] // of any lane: look at all
		}
		if b.Len()+1+len(line) > maxWord {
			flush()
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
	}
	flush()
	return words
}

// hear wakes the lanes of a word. An empty one says that some may have been missed.
func (q *Queue) hear(word string) {
	now := q.clock.Now().UnixMicro()
	if word == "" {
		for _, p := range q.pools {
			p.look()
		}
		return
	}
	for line := range strings.SplitSeq(word, "\n") {
		from, rest, _ := strings.Cut(line, "\t")
		name, lane, known := strings.Cut(rest, "\t")
		p := q.pools[name]
		switch {
		case from == q.owner || p == nil:
		case known:
			p.wake(lane, now)
		default:
			p.look()
		}
	}
}
