// Package variables lists the environment variables that Penstock's profiles read, with the form of each value. The profile provider and the
// command line share it: a name that is not listed is a typo, and a value of another form is reported with the variable's name.
package variables

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/internal/sockets"
)

// Prefix is the prefix of every variable.
const Prefix = "PENSTOCK_"

// Form is the form of a value.
type Form int

const (
	// Text is any text.
	Text Form = iota
	// Listen is the host:port of a listener; the host may be empty.
	Listen
	// Port is a number from 0 to 65535.
	Port
	// Number is a whole number, 0 or more.
	Number
	// HTTP is a URL with http or https and a host.
	HTTP
	// GRPC is host:port, or a URL with http or https and a host.
	GRPC
	// Addresses is a list of host:port, separated by commas.
	Addresses
	// Sockets is a list of host:port, optionally after udp://, tcp:// or tls://, or of paths after unixgram://, separated by commas.
	Sockets
	// Origins is a list of web origins, separated by commas: RFC 6454.
	Origins
)

// Variable is one environment variable.
type Variable struct {
	Name    string
	Form    Form
	Example string // a value that passes Check; empty for Text
}

// All lists the variables by name.
var All = []Variable{
	{"PENSTOCK_ADMIN_ENDPOINT", Listen, "127.0.0.1:13134"},
	{"PENSTOCK_CORS_ORIGINS", Origins, "https://app.example.com"},
	{"PENSTOCK_DATA_DIR", Text, ""},
	{"PENSTOCK_ENVIRONMENT", Text, ""},
	{"PENSTOCK_GATEWAY_CA", Text, ""},
	{"PENSTOCK_GATEWAY_ENDPOINT", GRPC, "penstock-gateway:4317"},
	{"PENSTOCK_GATEWAY_KEY", Text, ""},
	{"PENSTOCK_HEALTH_ENDPOINT", Listen, "127.0.0.1:13133"},
	{"PENSTOCK_INGEST_ENDPOINT", Listen, "127.0.0.1:4319"},
	{"PENSTOCK_INSTANCE_ID", Text, ""},
	{"PENSTOCK_JOURNALD_DIRECTORY", Text, ""},
	{"PENSTOCK_JOURNAL_SIZE", Text, ""},
	{"PENSTOCK_KAFKA_BROKERS", Addresses, "kafka-0:9092,kafka-1:9092"},
	{"PENSTOCK_KAFKA_ENDPOINT", Listen, "127.0.0.1:9092"},
	{"PENSTOCK_KAFKA_TOPIC_PREFIX", Text, ""},
	{"PENSTOCK_KEYS_FILE", Text, ""},
	{"PENSTOCK_LAKE_RETENTION", Text, ""},
	{"PENSTOCK_LAKE_URL", Text, ""},
	{"PENSTOCK_LOG_FILES", Text, ""},
	{"PENSTOCK_LOKI_URL", HTTP, "http://127.0.0.1:3100"},
	{"PENSTOCK_OIDC_AUDIENCE", Text, ""},
	{"PENSTOCK_OIDC_ISSUER", HTTP, "https://sso.example.com"},
	{"PENSTOCK_OTLP_EXPORT_ENDPOINT", GRPC, "tempo:4317"},
	{"PENSTOCK_OTLP_GRPC_ENDPOINT", Listen, "127.0.0.1:4317"},
	{"PENSTOCK_OTLP_HTTP_ENDPOINT", Listen, "127.0.0.1:4318"},
	{"PENSTOCK_PII_KEY", Text, ""},
	{"PENSTOCK_QUERY_ENDPOINT", Listen, "127.0.0.1:9428"},
	{"PENSTOCK_REMOTE_WRITE_URL", HTTP, "http://127.0.0.1:9090/api/v1/write"},
	{"PENSTOCK_SCRAPE_CONFIG", Text, ""},
	{"PENSTOCK_SERVICE_NAME", Text, ""},
	{"PENSTOCK_STATSD_ENDPOINT", Sockets, "127.0.0.1:8125"},
	{"PENSTOCK_SYSLOG_ENDPOINT", Sockets, "0.0.0.0:514"},
	{"PENSTOCK_SYSLOG_TLS_CERT", Text, ""},
	{"PENSTOCK_SYSLOG_TLS_CLIENT_CA", Text, ""},
	{"PENSTOCK_SYSLOG_TLS_KEY", Text, ""},
	{"PENSTOCK_TELEMETRY_PORT", Port, "8888"},
	{"PENSTOCK_TENANT_BYTES_PER_SECOND", Number, "1000000"},
	{"PENSTOCK_TLS_CERT", Text, ""},
	{"PENSTOCK_TLS_CLIENT_CA", Text, ""},
	{"PENSTOCK_TLS_KEY", Text, ""},
	{"PENSTOCK_TSDB_ENDPOINT", Listen, "127.0.0.1:9090"},
}

// Known reports whether All has a variable of that name.
func Known(name string) bool {
	for _, v := range All {
		if v.Name == name {
			return true
		}
	}
	return false
}

// Check returns the error of a value that is not empty, with an example of a valid one.
func (v Variable) Check(value string) error {
	var err error
	switch v.Form {
	case Listen:
		err = checkAddress(value, true)
	case Addresses:
		for address := range strings.SplitSeq(value, ",") {
			if err = checkAddress(strings.TrimSpace(address), false); err != nil {
				break
			}
		}
	case Origins:
		for origin := range strings.SplitSeq(value, ",") {
			if err = checkOrigin(strings.TrimSpace(origin)); err != nil {
				break
			}
		}
	case Sockets:
		for address := range strings.SplitSeq(value, ",") {
			if _, err = sockets.Parse(strings.TrimSpace(address), true); err != nil {
				break
			}
		}
	case Port:
		if n, e := strconv.Atoi(value); e != nil || n < 0 || n > 65535 {
			err = fmt.Errorf("%q is not a port number", value)
		}
	case Number:
		if n, e := strconv.ParseInt(value, 10, 64); e != nil || n < 0 {
			err = fmt.Errorf("%q is not a whole number, 0 or more", value)
		}
	case HTTP:
		err = checkURL(value)
	case GRPC:
		if strings.Contains(value, "://") {
			err = checkURL(value)
		} else {
			err = checkAddress(value, false)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: want %s, as in %s", err, wants[v.Form], v.Example)
	}
	return nil
}

var wants = map[Form]string{
	Listen: "host:port", Sockets: "host:port, udp://host:port, tcp://host:port, tls://host:port or unixgram:///path, separated by commas", Addresses: "host:port, separated by commas", Port: "a number up to 65535", Number: "a whole number",
	Origins: "scheme://host or scheme://host:port, separated by commas",
	HTTP:    "a URL that begins with http:// or https://", GRPC: "host:port or a URL that begins with https://",
}

// CheckListener returns the error of an address to listen on.
func CheckListener(address string) error {
	if err := checkAddress(address, true); err != nil {
		return fmt.Errorf("%w: want %s, as in 127.0.0.1:4317", err, wants[Listen])
	}
	return nil
}

// checkAddress requires host:port with a numeric port. A listener's host may be empty.
func checkAddress(address string, listener bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not host:port", address)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 0 {
		return fmt.Errorf("%q has no port number", address)
	}
	if n > 65535 {
		return fmt.Errorf("%q has a port above 65535", address)
	}
	if host == "" && !listener {
		return fmt.Errorf("%q has no host", address)
	}
	return nil
}

// checkOrigin requires scheme://host[:port] without a path; * is for all origins, or the first label of a host.
func checkOrigin(origin string) error {
	u, err := url.Parse(strings.ReplaceAll(origin, "*", "x"))
	if origin == "*" || err == nil && u.Scheme != "" && u.Host != "" && u.Path == "" && u.RawQuery == "" && u.User == nil {
		return nil
	}
	return fmt.Errorf("%q is not an origin", origin)
}

// checkURL never quotes credentials that the URL may contain.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil && strings.Contains(text, "@"):
		return fmt.Errorf("the value (not shown, it may hold a password) is not a URL")
	case err != nil:
		return fmt.Errorf("%q is not a URL", text)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("%q is not an http or https URL", u.Redacted())
	}
	return nil
}
