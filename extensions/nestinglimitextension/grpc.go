package nestinglimitextension

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that is wrapped here, unless another package replaces it
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	_ "github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/compressor" // bounds grpc's decompression
	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/cost"
	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/otlp"
	"github.com/penstockhq/penstock/internal/inflight"
	"github.com/penstockhq/penstock/internal/partial"
)

// GetGRPCServerOptions returns options that bound a server's requests. grpc decodes a request before it calls interceptors, and answers INTERNAL if
// that fails. So the codec only records its verdict; the stats handler, which sees every end of a call, assigns it to the call and releases the
// call's memory; and the interceptor answers.
func (l *nestingLimit) GetGRPCServerOptions(context.Context) ([]grpc.ServerOption, error) {
	c := &codec{CodecV2: encoding.GetCodecV2("proto"), limit: l}
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(c),
		grpc.StatsHandler(&callHandler{codec: c}),
		grpc.ChainUnaryInterceptor(intercept),
		grpc.InTapHandle(l.tap),
		grpc.ConnectionTimeout(l.cfg.ReadTimeout),
		experimental.BufferPool(l.messages),
	}, nil
}

// call is the state of a call, from its first header to its end.
type call struct {
	limit  *nestingLimit
	reader *inflight.Reader
	timer  *time.Timer
	cancel context.CancelFunc
	forget func() bool // stops the context from reporting the call's end
	whole  atomic.Bool // the request is complete, or never will be
	scout  bool        // see door.Shut
	verdict
}

type callKey struct{}

// tap sees a call when its headers have arrived. It runs in the connection's reader, so it must not block.
func (l *nestingLimit) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	if l.messages.full() {
		l.messages.makeRoom()
		return nil, l.refuse(l.crowded()).status.Err()
	}
	var of []inflight.Party
	if 2*l.inFlight.Used() > l.inFlight.Capacity() { // below that no party holds more than its share
		of = accountOf(ctx, info.Header)
	}
	scout, refused := l.atTheDoor(l.inFlight.Open(of...), -1)
	if refused != nil {
		return nil, l.refuse(refused).status.Err()
	}
	c := &call{limit: l, scout: scout}
	ctx, c.cancel = context.WithCancel(context.WithValue(ctx, callKey{}, c))
	c.timer = time.AfterFunc(l.cfg.ReadTimeout, c.abort)
	c.reader = l.reading.Begin(time.Now(), c.abort)
	// For a stream that ends before it becomes a call, only the context reports the end.
	c.forget = context.AfterFunc(ctx, c.arrived)
	return ctx, nil
}

// abort ends a call whose request takes too long to arrive. The client gets CANCELLED, which OTLP allows it to retry.
func (c *call) abort() {
	if !c.whole.Swap(true) {
		c.limit.refuse(later("slow", ""))
		c.cancel()
	}
}

// arrived is called when the request is complete, or never will be.
func (c *call) arrived() {
	c.whole.Store(true)
	c.timer.Stop()
	c.reader.Done()
}

// ended releases the call's memory.
func (c *call) ended() {
	c.forget()
	c.arrived()
	c.cancel()
	if c.held != nil {
		c.held.Release()
	}
}

// callHandler assigns the codec's verdicts to calls.
type callHandler struct {
	codec *codec
}

func (h *callHandler) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (h *callHandler) HandleRPC(ctx context.Context, event stats.RPCStats) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	switch e := event.(type) {
	case *stats.InPayload:
		c.arrived()
		if v, ok := h.codec.verdicts.LoadAndDelete(e.Payload); ok {
			c.verdict = v.(verdict)
		}
	case *stats.End:
		c.ended()
	}
}

func (h *callHandler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (h *callHandler) HandleConn(context.Context, stats.ConnStats) {}

// intercept answers a refused call, and writes the answer of an accepted one.
func intercept(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	c, ok := ctx.Value(callKey{}).(*call)
	if ok && c.refused == nil && c.held != nil {
		c.refused = c.limit.judge(c.held.Name(parties(ctx)...)) // decoding came before authentication
	}
	if ok && c.refused != nil {
		return nil, c.limit.refuse(c.refused).status.Err()
	}
	var left partial.Answer
	resp, err := handler(partial.With(ctx, &left), req)
	if ok {
		c.limit.memory.Learn(time.Now(), status.Code(err) == codes.Unavailable && strings.Contains(err.Error(), highMemory), c.scout)
	}
	if err != nil || !ok || c.schema == 0 {
		return resp, err
	}
	return &exported{response: resp, partial: c.partial.Add(leftOutDownstream(&left))}, nil
}

// exported is an answer with this extension's additions: the codec writes it.
type exported struct {
	response any
	partial  otlp.PartialSuccess
}

// verdict is the result of the codec.
type verdict struct {
	held    *inflight.Hold
	refused *refusal
	schema  otlp.Signal
	partial otlp.PartialSuccess
}

// codec is the registered codec, wrapped with a check of the messages that it decodes.
type codec struct {
	encoding.CodecV2
	limit    *nestingLimit
	verdicts sync.Map // by message; each is removed again before the codec's caller continues
}

// Unmarshal decodes admitted requests. For OTLP requests it returns no error but records a verdict; for others grpc answers INTERNAL, which is not
// retryable.
func (c *codec) Unmarshal(data mem.BufferSlice, v any) error {
	whole := data.MaterializeToBuffer(c.limit.messages)
	defer whole.Free()
	signal, known := signalOf(v)
	in := &request{signal: signal, body: whole.ReadOnlyData()}
	found := verdict{schema: in.schema(), held: c.limit.inFlight.Open()}
	found.refused = c.decode(in, v, found.held)
	found.partial = in.partial
	if known {
		c.verdicts.Store(v, found)
		return nil
	}
	found.held.Release() // the call of this message is unknown
	if found.refused != nil {
		return errors.New(c.limit.refuse(found.refused).status.Message())
	}
	return nil
}

// decode decodes a request into v, without the items that can't be decoded.
func (c *codec) decode(in *request, v any, held *inflight.Hold) *refusal {
	usage, refused := c.limit.measure(in)
	if refused != nil {
		return refused
	}
	if refused = c.limit.hold(held, usage, len(in.body)); refused != nil {
		return refused
	}
	unmarshal := func() error { return c.CodecV2.Unmarshal(mem.BufferSlice{mem.SliceBuffer(in.body)}, v) }
	err := unmarshal()
	if err != nil && in.schema() != 0 && !in.sieved {
		if refused := c.limit.sieve(in); refused != nil {
			return refused
		}
		reflect.ValueOf(v).Elem().SetZero() // the part that was decoded before the error
		err = unmarshal()
	}
	if err != nil {
		return never("malformed", "the request is not a valid message of OTLP")
	}
	return nil
}

// Marshal writes an answer. The receiver's own answer contains an empty partial success, which OTLP reserves for warnings.
func (c *codec) Marshal(v any) (mem.BufferSlice, error) {
	e, ok := v.(*exported)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	written, err := c.CodecV2.Marshal(e.response)
	if err != nil {
		return nil, err
	}
	defer written.Free()
	all := e.partial.Add(otlp.ParseResponse(written.Materialize()))
	return mem.BufferSlice{mem.SliceBuffer(all.Proto())}, nil
}

// requests are the messages of OTLP, by the names of pdata's types.
var requests = map[string]cost.Signal{
	"ExportLogsServiceRequest":     cost.Logs,
	"ExportMetricsServiceRequest":  cost.Metrics,
	"ExportTraceServiceRequest":    cost.Traces,
	"ExportProfilesServiceRequest": cost.Other,
}

func signalOf(v any) (signal cost.Signal, known bool) {
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Pointer {
		return cost.Other, false
	}
	signal, known = requests[t.Elem().Name()]
	return signal, known
}
