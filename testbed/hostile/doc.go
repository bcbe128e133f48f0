// Package hostile sends what ends a server that trusts its clients to one in a container of 1 GiB, while an honest client is served.
package hostile
