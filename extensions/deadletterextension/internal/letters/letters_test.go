package letters_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/letters"
)

var now = time.Date(2026, 11, 29, 6, 0, 0, 0, time.UTC)

func Example() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	box, _ := letters.Open(dir, 1<<20)
	name, _, _ := box.Put(now, letters.DeadLetter{Signal: "logs", Items: 2, Reason: "refused"}, []byte("an export request"))
	fmt.Println(name)
	// Output: 20261129T060000.000000000Z-logs-2-refused.pb
}

func TestTheOldestGoWhereTheBoundIsReached(t *testing.T) {
	dir := t.TempDir()
	box, err := letters.Open(dir, 10)
	require.NoError(t, err)
	put := func(items int, body string) []letters.DeadLetter {
		_, removed, err := box.Put(now, letters.DeadLetter{Signal: "logs", Items: items, Reason: "refused"}, []byte(body))
		require.NoError(t, err)
		return removed
	}
	assert.Empty(t, put(1, "1234"))
	assert.Empty(t, put(2, "1234"))
	assert.Equal(t, int64(8), box.Size())
	assert.Equal(t, []letters.DeadLetter{{"logs", 1, "refused"}}, put(3, "123"))
	assert.Equal(t, int64(7), box.Size())
	_, _, err = box.Put(now, letters.DeadLetter{Signal: "logs"}, make([]byte, 11))
	assert.ErrorIs(t, err, letters.ErrTooLarge)
	assert.Len(t, box.Names(), 2, "nothing else goes for one that never fits")

	again, err := letters.Open(dir, 10)
	require.NoError(t, err)
	assert.Equal(t, box.Names(), again.Names())
	body, err := again.Read(again.Names()[0])
	require.NoError(t, err)
	assert.Equal(t, "1234", string(body))
	require.NoError(t, again.Remove(again.Names()[0]))
	assert.Equal(t, int64(3), again.Size())
	require.NoError(t, os.Remove(filepath.Join(dir, again.Names()[0])))
	_, removed, err := again.Put(now, letters.DeadLetter{Signal: "logs", Items: 4, Reason: "refused"}, make([]byte, 10))
	require.NoError(t, err)
	assert.Empty(t, removed, "what somebody has taken away was not removed here")
}

// A clock that stops or steps back changes no order and replaces no dead letter.
func TestNamesAreUniqueAndInOrder(t *testing.T) {
	box, err := letters.Open(t.TempDir(), 1<<20)
	require.NoError(t, err)
	var want []string
	for i := range 20 {
		name, _, err := box.Put(now.Add(-time.Duration(i%3)*time.Hour), letters.DeadLetter{Signal: "traces", Items: i, Reason: "too_large"}, nil)
		require.NoError(t, err)
		if len(want) > 0 {
			assert.Greater(t, name, want[len(want)-1])
		}
		l, err := letters.Parse(name)
		require.NoError(t, err)
		assert.Equal(t, letters.DeadLetter{Signal: "traces", Items: i, Reason: "too_large"}, l)
		want = append(want, name)
	}
	assert.Equal(t, want, box.Names())
}

func TestOtherFilesStay(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.pb"), []byte("mine"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "20261129T060000.000000000Z-logs-2-refused.pb"), 0o700))
	box, err := letters.Open(dir, 4)
	require.NoError(t, err)
	assert.Empty(t, box.Names())
	_, removed, err := box.Put(now, letters.DeadLetter{Signal: "logs", Reason: "refused"}, []byte("1234"))
	require.NoError(t, err)
	assert.Empty(t, removed)
	for _, name := range []string{"", "a-b-c-d.pb", "20261129T060000.000000000Z-logs-x-refused.pb", "20261129T060000.000000000Z-logs-2-refused"} {
		_, err := letters.Parse(name)
		assert.Error(t, err, name)
	}
}
