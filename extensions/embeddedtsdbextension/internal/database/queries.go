package database

import (
	"errors"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/querylimit"
)

// engineOptions are the common options of the API's engine and the rules' engine.
func (s Settings) engineOptions() promql.EngineOpts {
	return promql.EngineOpts{
		Logger:                   s.Logger,
		MaxSamples:               s.QueryMaxSamples,
		Timeout:                  s.QueryTimeout,
		LookbackDelta:            s.Lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return s.EvaluationInterval.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   parser.NewParser(parser.Options{}),
	}
}

// rulesEngine runs the rules. They are the operator's own, so the bounds on the text of queries and the queue of HTTP queries do not apply to them.
func (s Settings) rulesEngine() *promql.Engine { return promql.NewEngine(s.engineOptions()) }

// boundedParser parses HTTP queries: it measures each query first, whatever route it takes to the parser.
type boundedParser struct {
	parser.Parser
	text    querylimit.Text
	refused func(querylimit.Reason)
}

func (s Settings) boundedParser() parser.Parser {
	return &boundedParser{Parser: parser.NewParser(parser.Options{}), text: s.QueryText, refused: s.RefusedQuery}
}

func (p *boundedParser) admit(err error) error {
	var limit *querylimit.Error
	if errors.As(err, &limit) {
		p.refused(limit.Reason)
	}
	return err
}

func (p *boundedParser) ParseExpr(input string) (parser.Expr, error) {
	if err := p.admit(p.text.Check(input)); err != nil {
		return nil, err
	}
	return p.Parser.ParseExpr(input)
}

func (p *boundedParser) ParseMetric(input string) (labels.Labels, error) {
	if err := p.admit(p.text.Check(input)); err != nil {
		return labels.EmptyLabels(), err
	}
	return p.Parser.ParseMetric(input)
}

func (p *boundedParser) ParseMetricSelector(input string) ([]*labels.Matcher, error) {
	if err := p.admit(p.text.Check(input)); err != nil {
		return nil, err
	}
	return p.Parser.ParseMetricSelector(input)
}

func (p *boundedParser) ParseMetricSelectors(inputs []string) ([][]*labels.Matcher, error) {
	if err := p.admit(p.text.CheckAll(inputs)); err != nil {
		return nil, err
	}
	return p.Parser.ParseMetricSelectors(inputs)
}

func (p *boundedParser) ParseSeriesDesc(input string) (labels.Labels, []parser.SequenceValue, error) {
	if err := p.admit(p.text.Check(input)); err != nil {
		return labels.EmptyLabels(), nil, err
	}
	return p.Parser.ParseSeriesDesc(input)
}
