package auditlog

// Forget drops what this process knows of its entries, as its death would, and
// seals no more.
func (p *Plugin) Forget() {
	p.stop()
	p.running.Wait()
	p.stop = nil
}
