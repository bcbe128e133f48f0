package broker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Configuration keys of topics. The broker stores and returns keys without effect on one machine, because clients check them.
const (
	configPolicy     = "cleanup.policy"
	configMaxMessage = "max.message.bytes"
	configRetention  = "retention.ms"
	configSegment    = "segment.bytes"
	configMinISR     = "min.insync.replicas"
	configUnclean    = "unclean.leader.election.enable"
	configSize       = "retention.bytes"
	configTimeType   = "message.timestamp.type"
	configCodec      = "compression.type"
)

// configDefaults are Kafka's; segment.bytes is the broker's own.
var configDefaults = map[string]string{
	configPolicy: "delete", configMaxMessage: "1048588", configRetention: "604800000", configSegment: "", configMinISR: "1", configUnclean: "false",
	configSize: "-1", configTimeType: "CreateTime", configCodec: "producer",
}

// checkConfig returns the value to store for a key, or why the value is refused.
func (b *Broker) checkConfig(name, value string) (string, error) {
	number := func() (int64, error) {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %q is not a number", name, value)
		}
		return n, nil
	}
	switch name {
	case configPolicy:
		if strings.Contains(value, "compact") {
			return "", fmt.Errorf("embedded_kafka does not compact: use %s=delete", configPolicy)
		}
		if value != "delete" {
			return "", fmt.Errorf("%s: %q is not delete", name, value)
		}
	case configSegment:
		n, err := number()
		if err != nil || n > b.set.SegmentBytes { // A segment larger than the broker's is lowered to it.
			return strconv.FormatInt(b.set.SegmentBytes, 10), nil
		}
		return strconv.FormatInt(max(n, 1024), 10), nil
	case configMaxMessage:
		n, err := number()
		if err != nil {
			return "", err
		}
		if n < 1 || n > maxProduceBytes {
			return "", fmt.Errorf("%s: %d is not between 1 and %d", name, n, maxProduceBytes)
		}
	case configRetention, configMinISR:
		if _, err := number(); err != nil {
			return "", err
		}
	case configSize:
		if value != "-1" {
			return "", fmt.Errorf("embedded_kafka does not support %s: max_size bounds the log", name)
		}
	case configTimeType:
		if value != "CreateTime" {
			return "", fmt.Errorf("%s: %q is not CreateTime", name, value)
		}
	case configCodec:
		if value != "producer" {
			return "", fmt.Errorf("%s: %q is not producer", name, value)
		}
	case configUnclean:
		if _, err := strconv.ParseBool(value); err != nil {
			return "", fmt.Errorf("%s: %q is not true or false", name, value)
		}
	default:
		return "", fmt.Errorf("embedded_kafka does not know the setting %s", name)
	}
	return value, nil
}

func (b *Broker) describeConfigs(q *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for _, r := range q.Resources {
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = r.ResourceType, r.ResourceName
		var set map[string]string
		switch r.ResourceType {
		case kmsg.ConfigResourceTypeTopic:
			t := b.topic(r.ResourceName)
			if t == nil {
				out.ErrorCode = kerr.UnknownTopicOrPartition.Code
				resp.Resources = append(resp.Resources, out)
				continue
			}
			set = t.Configs
		case kmsg.ConfigResourceTypeBroker:
		default:
			out.ErrorCode = kerr.InvalidRequest.Code
			resp.Resources = append(resp.Resources, out)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(configDefaults)) {
			if len(r.ConfigNames) > 0 && !slices.Contains(r.ConfigNames, name) {
				continue
			}
			c := kmsg.NewDescribeConfigsResponseResourceConfig()
			c.Name, c.Source, c.IsDefault = name, kmsg.ConfigSourceDefaultConfig, true
			value := configDefaults[name]
			if name == configSegment {
				value = strconv.FormatInt(b.set.SegmentBytes, 10)
			}
			if own, ok := set[name]; ok {
				value, c.IsDefault, c.Source = own, false, kmsg.ConfigSourceDynamicTopicConfig
			}
			c.Value = &value
			out.Configs = append(out.Configs, c)
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func (b *Broker) alterConfigs(q *kmsg.AlterConfigsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.AlterConfigsResponse)
	for _, r := range q.Resources {
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = r.ResourceType, r.ResourceName
		out.ErrorCode, out.ErrorMessage = b.alter(r.ResourceType, r.ResourceName, q.ValidateOnly, func(map[string]string) (map[string]string, error) {
			next := map[string]string{}
			for _, c := range r.Configs {
				if c.Value != nil {
					next[c.Name] = *c.Value
				}
			}
			return next, nil
		})
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func (b *Broker) incrementalAlterConfigs(q *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for _, r := range q.Resources {
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = r.ResourceType, r.ResourceName
		out.ErrorCode, out.ErrorMessage = b.alter(r.ResourceType, r.ResourceName, q.ValidateOnly, func(have map[string]string) (map[string]string, error) {
			for _, c := range r.Configs {
				switch {
				case c.Op == kmsg.IncrementalAlterConfigOpSet && c.Value != nil:
					have[c.Name] = *c.Value
				case c.Op == kmsg.IncrementalAlterConfigOpDelete:
					delete(have, c.Name)
				case c.Op == kmsg.IncrementalAlterConfigOpAppend && c.Value != nil && c.Name == configPolicy:
					have[c.Name] = *c.Value
				default:
					return nil, fmt.Errorf("%s: unknown operation %d", c.Name, c.Op)
				}
			}
			return have, nil
		})
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// alter changes a topic's configuration; how gets a copy of it.
func (b *Broker) alter(kind kmsg.ConfigResourceType, name string, validateOnly bool, how func(map[string]string) (map[string]string, error)) (code int16, message *string) {
	t := b.topic(name)
	if kind != kmsg.ConfigResourceTypeTopic {
		return kerr.InvalidRequest.Code, kmsg.StringPtr("embedded_kafka has configurations of topics only")
	}
	if t == nil {
		return kerr.UnknownTopicOrPartition.Code, nil
	}
	have := maps.Clone(t.Configs)
	if have == nil {
		have = map[string]string{}
	}
	next, err := how(have)
	for name, value := range next {
		if err == nil {
			next[name], err = b.checkConfig(name, value)
		}
	}
	if err != nil {
		return kerr.InvalidConfig.Code, kmsg.StringPtr(err.Error())
	}
	if validateOnly {
		return 0, nil
	}
	if err := b.change(t, next); err != nil {
		b.problem(err)
		return kerr.KafkaStorageError.Code, kmsg.StringPtr(err.Error())
	}
	return 0, nil
}
