package consoleextension

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/confmap"
)

const (
	// maxPage bounds the page of metrics that is read, in bytes.
	maxPage = 16 << 20
	// pageTimeout bounds how long that takes.
	pageTimeout = 5 * time.Second
)

var (
	errNoAdmin  = errors.New("the console needs the extension admin, which has its listener: add admin to service::extensions")
	errNoReader = errors.New("service::telemetry::metrics has no Prometheus reader: rates and sparklines need one")
)

// client never waits for a proxy: the page is on this machine.
var client = &http.Client{Transport: &http.Transport{Proxy: nil, MaxIdleConns: 1, IdleConnTimeout: time.Minute}, Timeout: pageTimeout}

// readOnce reads the page of the collector's own metrics.
func (c *console) readOnce(ctx context.Context) error {
	url, err := ownMetrics(c.conf.Load())
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("read %s: %s", url, answer.Status)
	}
	page, err := io.ReadAll(io.LimitReader(answer.Body, maxPage))
	if err != nil {
		return fmt.Errorf("read %s: %w", url, err)
	}
	return c.ring.Add(time.Now(), page)
}

// ownMetrics returns where the collector shows its own metrics.
func ownMetrics(conf *confmap.Conf) (url string, err error) {
	if conf == nil {
		return "", errNoReader
	}
	list, set := conf.Get("service::telemetry::metrics::readers").([]any)
	if !set {
		return "http://127.0.0.1:8888/metrics", nil // the collector's default
	}
	for _, one := range list {
		reader, ok := one.(map[string]any)
		if !ok {
			continue
		}
		exporter := confmap.NewFromStringMap(reader)
		if !exporter.IsSet("pull::exporter::prometheus") {
			continue
		}
		host, port := fmt.Sprint(exporter.Get("pull::exporter::prometheus::host")), fmt.Sprint(exporter.Get("pull::exporter::prometheus::port"))
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() || host == "" {
			host = "127.0.0.1"
		}
		return "http://" + net.JoinHostPort(host, port) + "/metrics", nil
	}
	return "", errNoReader
}
