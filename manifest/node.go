package manifest

// Node is a value of the document with its place in the file.
type Node struct{}
// Problems collects problems.
type Problems struct{}
