package profileprovider

import (
	"errors"
	"maps"
	"strings"
)

// reloadInterval is the largest age of a certificate when a connection is made: then it is read again.
const reloadInterval = "1s"

// served are the listeners for which PENSTOCK_TLS_CERT is: those that receive or show data. The health check stays unencrypted, and so do the
// collector's own metrics and the embedded Kafka, which are on loopback.
func served(profile string, certificate map[string]any) map[string]any {
	listener := func() map[string]any { return map[string]any{"tls": maps.Clone(certificate)} }
	receivers := map[string]any{"otlp": map[string]any{"protocols": map[string]any{"grpc": listener(), "http": listener()}}}
	extensions := map[string]any{"admin": listener()}
	if profile != "agent" {
		receivers["ingest"] = listener()
	}
	if profile == "standalone" {
		extensions["embedded_tsdb"] = listener()
		extensions["embedded_logs"] = listener()
	}
	return map[string]any{"receivers": receivers, "extensions": extensions}
}

// certificates sets the listeners' certificate, and the clients that they admit.
func certificates(s surroundings) map[string]any {
	if !s.isSet("PENSTOCK_TLS_CERT") {
		return map[string]any{}
	}
	tls := s.ownCertificate()
	if s.isSet("PENSTOCK_TLS_CLIENT_CA") {
		tls["client_ca_file"], tls["client_ca_file_reload"] = "${env:PENSTOCK_TLS_CLIENT_CA}", true
	}
	return served(s.profile, tls)
}

func (s surroundings) ownCertificate() map[string]any {
	return map[string]any{
		"cert_file": "${env:PENSTOCK_TLS_CERT}", "key_file": "${env:PENSTOCK_TLS_KEY}", "reload_interval": reloadInterval, "min_version": "1.2",
	}
}

// gatewayCertificates sets the gateways that the agent trusts, and the certificate that it presents if the gateway requires one.
func gatewayCertificates(s surroundings) map[string]any {
	tls := map[string]any{}
	endpoint, _ := s.env("PENSTOCK_GATEWAY_ENDPOINT")
	encrypted := strings.HasPrefix(strings.TrimSpace(endpoint), "https://")
	if s.isSet("PENSTOCK_GATEWAY_CA") {
		tls["ca_file"], encrypted = "${env:PENSTOCK_GATEWAY_CA}", true
	}
	if encrypted {
		tls["insecure"], tls["min_version"] = false, "1.2"
		if s.isSet("PENSTOCK_TLS_CERT") {
			merge(tls, s.ownCertificate())
		}
	}
	if len(tls) == 0 {
		return tls
	}
	exporters := map[string]any{"otlp_grpc/gateway": map[string]any{"tls": tls}}
	if readsFiles(s) {
		exporters["otlp_grpc/files"] = map[string]any{"tls": maps.Clone(tls)}
	}
	return map[string]any{"exporters": exporters}
}

// checkPairs reports variables without their counterpart.
func checkPairs(s surroundings) error {
	var errs error
	for _, pair := range [][2]string{
		{"PENSTOCK_TLS_CERT", "PENSTOCK_TLS_KEY"}, {"PENSTOCK_TLS_KEY", "PENSTOCK_TLS_CERT"}, {"PENSTOCK_TLS_CLIENT_CA", "PENSTOCK_TLS_CERT"},
		{"PENSTOCK_OIDC_ISSUER", "PENSTOCK_KEYS_FILE"}, {"PENSTOCK_OIDC_AUDIENCE", "PENSTOCK_OIDC_ISSUER"},
	} {
		if s.isSet(pair[0]) && !s.isSet(pair[1]) {
			errs = errors.Join(errs, errors.New(pair[0]+": needs "+pair[1]))
		}
	}
	return errs
}
