package frames_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/syslogserverreceiver/internal/frames"
)

// read returns the messages of a stream, parts joined with a bar.
func read(t *testing.T, in io.Reader, max int, budget *frames.Budget) (messages []string, short int) {
	t.Helper()
	r := frames.New(in, max, budget)
	defer r.Close()
	for {
		f, err := r.Next()
		if f.Short {
			short++
		}
		switch {
		case len(f.Text) == 0:
		case f.Part > 0:
			messages[len(messages)-1] += "|" + string(f.Text)
		default:
			messages = append(messages, string(f.Text))
		}
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			return messages, short
		}
	}
}

func TestFraming(t *testing.T) {
	for in, want := range map[string][]string{
		"<1>a\n<2>b\n":              {"<1>a", "<2>b"},
		"<1>a\r\n<2>b":              {"<1>a\r", "<2>b"},
		"<1>a\x00<2>b\x00":          {"<1>a", "<2>b"},
		"4 <1>a4 <2>b":              {"<1>a", "<2>b"},
		"6 <1>\na\n4 <2>b":          {"<1>\na\n", "<2>b"},
		"4 <1>a\n4 <2>b\n":          {"<1>a", "<2>b"},
		"4 <1>a<2>b\n4 <3>c":        {"<1>a", "<2>b", "<3>c"},
		"<1>a\n4 <2>b<3>c\n":        {"<1>a", "<2>b", "<3>c"},
		"4 <1>a11 hello world3 abc": {"<1>a", "hello world", "abc"},
		"12 monkeys\n<1>a\n":        {"12 monkeys", "<1>a"},
		"007 <1>a\n":                {"007 <1>a"},
		"123456789 <1>a\n":          {"123456789 <1>a"},
		"9":                         {"9"},
		"9 ":                        {"9 "},
		"\n\n\x00":                  nil,
		"":                          nil,
		"4 <1>a" + "10 <2>b":        {"<1>a", "<2>b"},
	} {
		for name, reader := range map[string]io.Reader{"at once": strings.NewReader(in), "byte by byte": iotest.OneByteReader(strings.NewReader(in))} {
			got, _ := read(t, reader, 4096, frames.NewBudget(0))
			assert.Equal(t, want, got, "%q, %s", in, name)
		}
	}
	_, short := read(t, strings.NewReader("4 <1>a10 <2>b"), 4096, frames.NewBudget(0))
	assert.Equal(t, 1, short)
}

// A message that is too long is returned in parts, cut between characters; the next one is complete.
func TestLongMessages(t *testing.T) {
	const max = 4096
	long := "<1>" + strings.Repeat("ä€", 4000)
	exact := "<2>" + strings.Repeat("x", max-3)
	for _, in := range []string{
		long + "\n" + exact + "\n<3>c\n",
		fmt.Sprintf("%d %s%d %s4 <3>c", len(long), long, len(exact), exact),
	} {
		for name, reader := range map[string]io.Reader{"at once": strings.NewReader(in), "halves": iotest.HalfReader(strings.NewReader(in))} {
			got, _ := read(t, reader, max, frames.NewBudget(1<<20))
			require.Len(t, got, 3, name)
			assert.Equal(t, long, strings.ReplaceAll(got[0], "|", ""))
			for part := range strings.SplitSeq(got[0], "|") {
				assert.LessOrEqual(t, len(part), max)
				assert.Equal(t, part, strings.ToValidUTF8(part, "?"))
			}
			assert.Equal(t, exact, got[1])
			assert.Equal(t, "<3>c", got[2])
		}
	}
}

// If the budget is used up a message is returned in smaller parts, and its share is released.
func TestBudget(t *testing.T) {
	const max = 1 << 20
	long := "<1>" + strings.Repeat("x", max-3)
	budget := frames.NewBudget(max)
	whole, _ := read(t, strings.NewReader(long+"\n<2>b\n"), max, budget)
	assert.Equal(t, []string{long, "<2>b"}, whole)

	waiting, more := io.Pipe()
	first := frames.New(waiting, max, budget)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f, err := first.Next()
		assert.NoError(t, err)
		assert.Len(t, f.Text, max)
	}()
	_, err := more.Write([]byte(long))
	require.NoError(t, err)
	second, _ := read(t, strings.NewReader(long+"\n"), max, budget)
	assert.Contains(t, second[0], "|", "the first stream has the budget")
	assert.Equal(t, long, strings.ReplaceAll(second[0], "|", ""))
	_, err = more.Write([]byte("\n"))
	require.NoError(t, err)
	<-done
	first.Close()
	whole, _ = read(t, strings.NewReader(long+"\n"), max, budget)
	assert.Equal(t, []string{long}, whole)
}

// However a stream is divided into reads, the messages are the same.
func TestReadsDoNotMatter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var in bytes.Buffer
		var want []string
		for range random.IntN(20) {
			text := "<1>" + strings.Repeat(string(rune('a'+random.IntN(26))), random.IntN(20_000))
			want = append(want, text)
			if random.IntN(2) == 0 {
				in.WriteString(text + "\n")
			} else {
				fmt.Fprintf(&in, "%d %s", len(text), text)
			}
		}
		got, _ := read(t, &dribble{in.Bytes(), random}, 1<<20, frames.NewBudget(1<<20))
		require.Equal(t, want, got)
	}
}

// dribble gives a random number of bytes at once.
type dribble struct {
	left   []byte
	random *rand.Rand
}

func (d *dribble) Read(p []byte) (int, error) {
	if len(d.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, d.left[:1+d.random.IntN(min(len(d.left), 5000))])
	d.left = d.left[n:]
	return n, nil
}

// No bytes of a stream are lost except those of its framing.
func FuzzNext(f *testing.F) {
	f.Add([]byte("4 <1>a<2>b\n\x0012 <3>c"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := frames.New(bytes.NewReader(in), 4096, frames.NewBudget(0))
		rest := in
		for {
			f, err := r.Next()
			at := bytes.Index(rest, f.Text)
			if at < 0 || at > 12+bytes.IndexFunc(append(bytes.Clone(rest), 'x'), func(c rune) bool { return c != '\n' && c != '\r' && c != 0 }) {
				t.Fatalf("%q: %q is not next in %q", in, f.Text, rest)
			}
			rest = rest[at+len(f.Text):]
			if errors.Is(err, io.EOF) {
				return
			}
		}
	})
}
