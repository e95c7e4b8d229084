package function

// call is one run of a function.
type call struct {
	host      *Host
	name      string
	requestID string
}
