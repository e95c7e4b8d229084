package plugin

// Waiting is how many wait for the load of a key.
func Waiting(fs *CacheFlights, key string) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.byKey[key]; f != nil {
		return f.waiting
	}
	return 0
}
