package console

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	demo "github.com/penstockhq/penstock/testbed/internal/shop"
)

// The story that `make demo` tells: a label explodes, and five clicks after the overview the hour in which it was folded has every series.
func TestFiveClicksFromTheLabelToItsReplay(t *testing.T) {
	chrome := browser(t)
	p := process.Start(t, process.Settings{Args: []string{"--set=processors::cardinality_guard/tsdb::limits::series_per_metric=100"}})
	now := time.Now()
	require.NoError(t, demo.SendIncident(t.Context(), p.HTTP(), now))
	s, err := demo.Open(t.Context(), p.HTTP())
	require.NoError(t, err)
	s.Order(now)
	require.NoError(t, s.Close(t.Context()))
	from, to := demo.Incident(now)
	series := func(want float64) {
		t.Helper()
		ask.Eventually(t, func() error {
			n, err := ask.PromValue(p.TSDB(), fmt.Sprintf("count(shop_requests_total @ %d)", to.Add(-time.Minute).Unix()))
			if err == nil && n != want {
				err = fmt.Errorf("%v series, want %v", n, want)
			}
			return err
		})
	}
	series(101) // the budget, and the overflow
	increase := fmt.Sprintf("sum(shop_requests_total @ %d) - sum(shop_requests_total @ %d)", to.Add(-time.Minute).Unix(), to.Add(-11*time.Minute).Unix())
	before, err := ask.PromValue(p.TSDB(), increase)
	require.NoError(t, err)

	page := open(t, chrome, p.Admin(), "")
	page.as(t, 1280, "light")
	page.view(t, "overview")
	click := func(selector, text string) {
		t.Helper()
		found := fmt.Sprintf(`[...document.querySelectorAll(%q)].find((b) => b.innerText.startsWith(%q))`, selector, text)
		page.await(t, found)
		eval[bool](t, page, found+`.click() ?? true`)
	}
	click("main a", "guard")
	page.await(t, `document.querySelector(".note.warn")?.innerText.includes("shop.requests of checkout is past its budget of 100 series: user.id is folded away")`)
	page.check(t, "the exploding label")
	click("main button", "Widen its budget to")
	page.await(t, `document.querySelector("dialog[open] input")`)
	page.complaints() // that it was refused
	page.run(t, chromedp.SendKeys(chromedp.CSS(`dialog input`), p.AdminToken(t)+kb.Enter))
	click("main a", "Replay "+from.Local().Truncate(time.Hour).Format("15:04"))
	page.await(t, `document.getElementById("main")?.dataset.shown.startsWith("#/replay")`)
	click("main button", "Preview")
	page.await(t, `document.querySelector("main").innerText.includes("Nothing speaks against it")`)
	page.check(t, "the preview of the replay")
	click("main button", "Replay")
	page.await(t, `document.querySelector("[data-job]")?.innerText.includes("done")`)
	page.check(t, "the replay")

	series(demo.Users)
	after, err := ask.PromValue(p.TSDB(), increase)
	require.NoError(t, err)
	assert.InDelta(t, before, after, 0, "the increase over ten minutes was right before, and is right")
}
