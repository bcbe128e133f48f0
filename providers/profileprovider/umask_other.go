//go:build !unix

package profileprovider

// closeToOthers does nothing where files have no modes: there the permissions of the data directory count.
func closeToOthers() {}
