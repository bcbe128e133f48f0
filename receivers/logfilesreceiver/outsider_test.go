package logfilesreceiver_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver"
)

// Lines of all lengths, with both line endings and characters of all sizes, are read as they were written, wherever the borders of reads
// are and however the file is encoded; the last one has no end.
func TestLinesAtTheBordersOfReads(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	lengths := []int{1, 2, 16<<10 - 1, 16 << 10, 16<<10 + 1, 256<<10 - 2, 256<<10 - 1, 256 << 10, 256<<10 + 1}
	var want []string
	var text strings.Builder
	const lines = 30
	for i := range lines {
		line := fmt.Sprintf("%d %s", i, strings.Repeat("x", random.IntN(4)))
		if length := lengths[i%len(lengths)]; length > len(line) {
			part := []string{"a", "äb", "€", "𝄞", "x\x00y", "\u2028z"}[random.IntN(6)]
			line += strings.Repeat(part, (length-len(line))/len(part)) + strings.Repeat("e", (length-len(line))%len(part))
		}
		want = append(want, line)
		text.WriteString(line)
		if i < lines-1 {
			text.WriteString([]string{"\n", "\r\n"}[random.IntN(2)])
		}
	}
	units := utf16.Encode([]rune("\ufeff" + text.String()))
	for name, raw := range map[string][]byte{"UTF-8": []byte(text.String()), "UTF-8 with a mark": []byte("\ufeff" + text.String()),
		"UTF-16LE": wide(binary.LittleEndian, units), "UTF-16BE": wide(binary.BigEndian, units)} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			require.NoError(t, os.WriteFile(b.path("app.log"), raw, 0o600))
			b.start()
			got := b.awaitLines(len(want))
			b.stop()
			require.Len(t, got, len(want))
			for i := range want {
				if want[i] != got[i] {
					t.Fatalf("line %d of %d bytes differs: %d bytes", i, len(want[i]), len(got[i]))
				}
			}
		})
	}
}

func wide(order binary.AppendByteOrder, units []uint16) (raw []byte) {
	for _, unit := range units {
		raw = order.AppendUint16(raw, unit)
	}
	return raw
}

// Lines of several programs in one file belong each to its own resource, in any order.
func TestAFileOfSeveralPrograms(t *testing.T) {
	b := newBench(t)
	random := rand.New(rand.NewPCG(3, 4))
	var text strings.Builder
	want := map[string]string{}
	for i := range 3000 {
		service := []string{"sshd", "cron", "sudo", "app"}[min(3, random.IntN(40))]
		if service == "app" {
			fmt.Fprintf(&text, "plain line %d\n", i)
			want[fmt.Sprintf("plain line %d", i)] = service
			continue
		}
		line := fmt.Sprintf("Nov 24 05:00:00 web-1 %s[%d]: message", service, i)
		want[line] = service
		text.WriteString(line + "\n")
	}
	b.write("app.log", text.String())
	b.start()
	b.awaitLines(len(want))
	b.stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Len(t, b.got, len(want))
	for i, record := range b.got {
		assert.Equal(t, want[record.Body().Str()], b.where[i]["service.name"], record.Body().Str())
		_, named := record.Attributes().Get("log.file.path")
		assert.True(t, named)
	}
}

// Parts of lines are interleaved by stream and by file, and a part's rest is in the next file: no text is lost, and lines of different
// streams and files never mix.
func TestPartsOverFilesAndRotations(t *testing.T) {
	b := newBench(t)
	const stamp = "2026-11-24T05:00:00.000000000Z "
	pods := []string{"pods/ns_a_1/c/0.log", "pods/ns_b_2/c/0.log"}
	b.start()
	for round := range 3 {
		for i := range 50 {
			for p, pod := range pods {
				id := fmt.Sprintf("%d.%d.%d", p, round, i)
				b.write(pod, stamp+"stderr P <e"+id+"|"+"\n")
				b.write(pod, stamp+"stdout P <o"+id+"|"+"\n"+stamp+"stderr P "+strings.Repeat("x", 50)+"\n")
				b.write(pod, stamp+"stdout F o"+id+">\n"+stamp+"stderr F e"+id+">\n")
			}
		}
		b.awaitLines((round + 1) * 200)
		for _, pod := range pods {
			require.NoError(t, os.Rename(b.path(pod), b.path(pod+fmt.Sprintf(".2026112%d-000000", round))))
		}
	}
	b.stop()
	bodies := b.bodies()
	require.Len(t, bodies, 600)
	for _, body := range bodies {
		inner := strings.Trim(strings.ReplaceAll(body, strings.Repeat("x", 50), ""), "<>")
		begin, end, ok := strings.Cut(inner, "|")
		assert.True(t, ok && begin == end, body)
	}
}

// logrotate copies and truncates a file while it is written, again and again: each line is read once. (Between the copy and the truncation
// nothing is written; what is written then is always lost.)
func TestCopyTruncateUnderLoad(t *testing.T) {
	b := newBench(t)
	b.start()
	const lines, rounds = 20_000, 12
	var mu sync.Mutex
	file, err := os.OpenFile(b.path("app.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	var writer sync.WaitGroup
	rotate := make(chan struct{}, rounds)
	writer.Go(func() {
		defer close(rotate)
		for i := range lines {
			mu.Lock()
			_, err := fmt.Fprintf(file, "2026-11-24 05:00:00,000 INFO id %d of a program that writes without a pause\n", i)
			mu.Unlock()
			assert.NoError(t, err)
			if i == 0 {
				b.awaitLines(1) // two equal files that appear at once are two files
			}
			if i%(lines/rounds) == lines/rounds-1 {
				b.awaitLines(i * 19 / 20) // rotation is slower than reading
				rotate <- struct{}{}
			}
		}
	})
	n := 0
	for range rotate {
		mu.Lock()
		for i := n; i > 0; i-- {
			require.NoError(t, os.Rename(b.path(fmt.Sprintf("app.log.%d", i)), b.path(fmt.Sprintf("app.log.%d", i+1))))
		}
		text, err := os.ReadFile(b.path("app.log"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(b.path("app.log.1"), text, 0o600))
		require.NoError(t, os.Truncate(b.path("app.log"), 0))
		mu.Unlock()
		n++
	}
	writer.Wait()
	require.NoError(t, file.Close())
	b.awaitLines(lines)
	b.stop()
	seen := map[string]int{}
	for _, body := range b.bodies() {
		seen[body]++
	}
	assert.Len(t, seen, lines)
	b.mu.Lock()
	told := 0
	for body, count := range seen {
		if count == 1 || told > 3 {
			continue
		}
		told++
		for i, r := range b.got {
			if r.Body().Str() == body {
				path, _ := r.Attributes().Get("log.file.path")
				offset, _ := r.Attributes().Get("log.file.record_offset")
				t.Errorf("%.40s at %d: %s %d", body, i, path.Str(), offset.Int())
			}
		}
	}
	b.mu.Unlock()
	if told > 0 {
		t.Log(len(b.got)-lines, "doubles")
	}
}

// Files that were renamed or deleted while nothing read, and new ones that got their inodes and begin with the same text.
func TestNewFilesUnderOldInodes(t *testing.T) {
	b := newBench(t)
	banner := strings.Repeat("a banner that each start of the program writes, to the letter\n", 40)
	b.write("app.log", banner+"first\n")
	b.start()
	b.awaitLines(41)
	b.stop()
	require.NoError(t, os.Remove(b.path("app.log")))
	b.write("app.log", banner+"second\nthird\n") // mostly under the same inode
	b.start()
	b.await(func(bodies []string) bool { return len(bodies) > 41 && bodies[len(bodies)-1] == "third" })
	b.stop()
	seen := map[string]int{}
	for _, body := range b.bodies() {
		seen[body]++
	}
	assert.Equal(t, 1, seen["second"])
	assert.Equal(t, 1, seen["third"])
	assert.Equal(t, 1, seen["first"])
}

// A stack trace and a line in parts continue in the file that replaces a rotated one, whether the old one keeps a matching name or not. A
// stop before the end loses nothing of it, and what was delivered is not delivered again.
func TestRecordsGoOnBehindARotation(t *testing.T) {
	const stamp, info = "2026-11-24T05:00:00.000000000Z stderr ", "2026-11-24 05:00:00,000 INFO "
	for name, c := range map[string]struct{ line, first, second, want string }{
		"trace": {info, "2026-11-24 05:00:00,000 ERROR failed\njava.lang.IllegalStateException: boom\n\tat A.a(A.java:1)\n", "\tat B.b(B.java:2)\n",
			"2026-11-24 05:00:00,000 ERROR failed\njava.lang.IllegalStateException: boom\n\tat A.a(A.java:1)\n\tat B.b(B.java:2)"},
		"parts": {stamp + "F " + info, stamp + "P begin, \n" + stamp + "P middle, \n", stamp + "F end\n", "begin, middle, end"},
	} {
		for _, to := range []string{"app.log.1", "away"} {
			t.Run(name+" "+to, func(t *testing.T) {
				b := newBench(t)
				b.adjust = func(c *logfilesreceiver.Config) { c.FlushTimeout = time.Hour }
				b.write("app.log", c.line+"one\n"+c.line+"two\n"+c.first)
				b.start()
				b.awaitLines(1)
				require.NoError(t, os.Rename(b.path("app.log"), b.path(to)))
				b.write("app.log", c.second+c.line+"three\n"+c.line+"four\n")
				b.await(func(bodies []string) bool { return slices.Contains(bodies, info+"three") })
				b.stop()
				assert.Equal(t, []string{info + "one", info + "two", c.want, info + "three", info + "four"}, b.bodies())
				b.write("app.log", c.line+"five\n"+c.line+"six\n")
				b.start()
				b.awaitLines(6)
				b.stop()
				assert.Equal(t, []string{info + "five", info + "six"}, b.bodies()[5:], "nothing comes again")
			})
		}
	}
}

// A process that is killed while the beginning of a record is in one file and its end in the next delivers all of its lines.
func TestAKillBetweenTwoFilesLosesNothing(t *testing.T) {
	b := newBench(t)
	b.adjust = func(c *logfilesreceiver.Config) { c.FlushTimeout = time.Hour }
	b.write("app.log", "2026-11-24 05:00:00,000 INFO one\n2026-11-24 05:00:00,000 ERROR failed\njava.lang.IllegalStateException: boom\n\tat A.a(A.java:1)\n")
	b.start()
	b.awaitLines(1)
	require.NoError(t, os.Rename(b.path("app.log"), b.path("app.log.1")))
	b.write("app.log", "\tat B.b(B.java:2)\n")
	b.write("other.log", "2026-11-24 05:00:00,000 INFO other\n2026-11-24 05:00:00,000 INFO held\n")
	b.await(func(bodies []string) bool { return slices.Contains(bodies, "2026-11-24 05:00:00,000 INFO other") })
	b.memory.mu.Lock()
	saved := &memory{values: maps.Clone(b.memory.values)}
	b.memory.mu.Unlock()
	b.stop()
	b.memory = saved // as a kill leaves it
	before := len(b.bodies())
	b.start()
	b.write("app.log", "2026-11-24 05:00:01,000 INFO two\n2026-11-24 05:00:01,000 INFO three\n")
	b.await(func(bodies []string) bool {
		return slices.Contains(bodies[before:], "2026-11-24 05:00:01,000 INFO two")
	})
	b.stop()
	again := strings.Join(b.bodies()[before:], "\n")
	for _, line := range []string{"ERROR failed", "IllegalStateException: boom", "at A.a(A.java:1)", "at B.b(B.java:2)", "INFO two"} {
		assert.Contains(t, again, line)
	}
}
