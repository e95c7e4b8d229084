package plugin

import "strings"

// cacheTx is what a transaction has changed in a cache so far.
type cacheTx struct {
	prefixes map[string]bool // invalidated
	keys     map[string]cacheChange
}

// cacheChange is the last change of one key: a value, or a miss for a deletion.
type cacheChange struct {
	value CacheValue
	life  CacheLife
}

func newCacheTx() *cacheTx {
	return &cacheTx{prefixes: map[string]bool{}, keys: map[string]cacheChange{}}
}

func (tx *cacheTx) set(key, value string, life CacheLife) {
	tx.keys[key] = cacheChange{CacheValue{Bytes: value, Found: true}, life}
}

func (tx *cacheTx) drop(key string) { tx.keys[key] = cacheChange{} }

func (tx *cacheTx) invalidate(prefix string) {
	tx.prefixes[prefix] = true
	for key := range tx.keys {
		if strings.HasPrefix(key, prefix) {
			delete(tx.keys, key) // covered from now on
		}
	}
}

// get is what the transaction knows about a key: a value it set, or a miss.
func (tx *cacheTx) get(key string) (c CacheValue, known bool) {
	if change, ok := tx.keys[key]; ok {
		return change.value, true
	}
	return CacheValue{}, tx.covers(key)
}

// covers reports whether the transaction invalidated a prefix of the key.
func (tx *cacheTx) covers(key string) bool {
	for prefix := range tx.prefixes {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}
