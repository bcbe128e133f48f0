package searchapi

import (
	"context"
	"net/url"
	"time"
)

// target is what a series and the target_info of its resource share.
type target struct{ job, instance string }

// hosts are those of targets; an empty one where there are several.
type hosts map[target]string

// hostsOf asks for the hosts of resources that sent metrics. OTLP's attributes of a resource are labels of target_info alone: see Prometheus and
// OpenMetrics compatibility of OpenTelemetry's specification.
func (a *API) hostsOf(ctx context.Context, r *request, start, end time.Time) (hosts, error) {
	var infos []map[string]string
	form := url.Values{"match[]": {`target_info{host_name!=""}`}, "start": {seconds(start)}, "end": {seconds(end)}}
	if err := a.ask(ctx, r, "/api/v1/series", form, &infos); err != nil {
		return nil, err
	}
	all := hosts{}
	for _, l := range infos {
		of := target{l["job"], l["instance"]}
		host, known := all[of]
		if l["host_name"] == "" || known && host != l["host_name"] {
			all[of] = ""
			continue
		}
		all[of] = l["host_name"]
	}
	return all, nil
}

// name adds its host to the labels of a series that has none.
func (h hosts) name(labels map[string]string) {
	if host := h[target{labels["job"], labels["instance"]}]; host != "" && labels["host_name"] == "" && labels["host"] == "" {
		labels["host_name"] = host
	}
}
