package quota

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// DefaultBurst is the burst of a quota without one.
const DefaultBurst = time.Second

// maxBurst bounds a burst; for longer times use a quota per day.
const maxBurst = time.Hour

// maxRate bounds every number, so that products of a rate and a time are exact enough in a float64.
const maxRate = 1 << 50

// Limits are the limits of an account. 0: no limit.
type Limits struct {
	// BytesPerSecond are the bytes of request bodies as they arrive: compressed, if the client compresses.
	BytesPerSecond int64
	// ItemsPerSecond are log records, data points and spans.
	ItemsPerSecond int64
	// Burst is how much unused quota a sender may save up, as a time: a bucket holds the rate times the burst. 0: DefaultBurst.
	Burst time.Duration
	// BytesPerDay are bytes from midnight to midnight UTC.
	BytesPerDay int64
	// Series is a tenant's budget of active series before a TSDB, which cardinality_guard enforces: see the type Series.
	Series int64
	// Streams is a tenant's budget of active log streams: different resources within an hour.
	Streams int64
}

// Limited says whether a request can be refused because of l.
func (l Limits) Limited() bool {
	return l.BytesPerSecond > 0 || l.ItemsPerSecond > 0 || l.BytesPerDay > 0
}

func (l Limits) burst() float64 {
	if l.Burst <= 0 {
		return DefaultBurst.Seconds()
	}
	return l.Burst.Seconds()
}

// Override changes some limits: nil keeps a limit, 0 removes it.
type Override struct {
	BytesPerSecond *int64         `yaml:"bytes_per_second,omitempty" mapstructure:"bytes_per_second"`
	ItemsPerSecond *int64         `yaml:"items_per_second,omitempty" mapstructure:"items_per_second"`
	Burst          *time.Duration `yaml:"burst,omitempty" mapstructure:"burst"`
	BytesPerDay    *int64         `yaml:"bytes_per_day,omitempty" mapstructure:"bytes_per_day"`
	Series         *int64         `yaml:"series,omitempty" mapstructure:"series"`
	Streams        *int64         `yaml:"streams,omitempty" mapstructure:"streams"`
}

// Empty says whether the override changes nothing. It may be nil.
func (o *Override) Empty() bool { return o == nil || *o == Override{} }

// String lists what the override sets. It may be nil.
func (o *Override) String() string {
	if o == nil {
		return ""
	}
	var all []string
	for _, key := range o.numbers() {
		if key.value != nil {
			all = append(all, fmt.Sprintf("%s=%d", key.name, *key.value))
		}
	}
	if o.Burst != nil {
		all = append(all, "burst="+o.Burst.String())
	}
	return strings.Join(all, ",")
}

// number is a limit with its key.
type number struct {
	name  string
	value *int64
}

func (o *Override) numbers() []number {
	return []number{{"bytes_per_second", o.BytesPerSecond}, {"items_per_second", o.ItemsPerSecond}, {"bytes_per_day", o.BytesPerDay},
		{"series", o.Series}, {"streams", o.Streams}}
}

// Apply returns l with the override's changes. The override may be nil.
func (o *Override) Apply(l Limits) Limits {
	if o == nil {
		return l
	}
	set(&l.BytesPerSecond, o.BytesPerSecond)
	set(&l.ItemsPerSecond, o.ItemsPerSecond)
	set(&l.Burst, o.Burst)
	set(&l.BytesPerDay, o.BytesPerDay)
	set(&l.Series, o.Series)
	set(&l.Streams, o.Streams)
	return l
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// Check returns all mistakes of the override; each text begins with the key. It may be nil.
func (o *Override) Check() error {
	if o == nil {
		return nil
	}
	var errs error
	for _, key := range o.numbers() {
		if v := key.value; v != nil && (*v < 0 || *v > maxRate) {
			errs = errors.Join(errs, fmt.Errorf("%s: %d is not between 0 (no limit) and %d", key.name, *v, int64(maxRate)))
		}
	}
	if b := o.Burst; b != nil && (*b < 0 || *b > maxBurst) {
		errs = errors.Join(errs, fmt.Errorf("burst: %s is not between 0s (the default, %s) and %s", *b, DefaultBurst, maxBurst))
	}
	return errs
}
