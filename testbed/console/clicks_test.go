package console

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
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

	// The guard sends folded points some seconds later, and the rollups follow: a replay that deletes while they still come would find
	// samples that it did not delete, and refuse.
	perMinute := 0.0
	for user := range demo.Users {
		perMinute += float64(1 + user%7)
	}
	at := to.Add(-30 * time.Second) // between a minute's folded points and the next minute
	increase := fmt.Sprintf("sum(shop_requests_total @ %d) - sum(shop_requests_total @ %d)", at.Unix(), at.Add(-10*time.Minute).Unix())
	right := func() {
		t.Helper()
		ask.Eventually(t, func() error {
			n, err := ask.PromValue(p.TSDB(), increase)
			if err == nil && n != 10*perMinute {
				err = fmt.Errorf("%v requests, want %v", n, 10*perMinute)
			}
			return err
		})
	}
	right()
	ask.Eventually(t, func() error {
		_, err := ask.PromValue(p.TSDB(), fmt.Sprintf(`sum(shop_requests_increase{rollup_window="1h"} @ %d)`, to.Truncate(time.Hour).Add(time.Hour).Unix()))
		return err
	})

	page := open(t, chrome, p.Admin(), "")
	page.as(t, 1280, "light")
	page.view(t, "overview")
	click := func(selector, starts, has string) {
		t.Helper()
		found := fmt.Sprintf(`[...document.querySelectorAll(%q)].find((b) => b.innerText.startsWith(%q) && b.innerText.includes(%q))`, selector, starts, has)
		page.await(t, found)
		eval[bool](t, page, found+`.click() ?? true`)
	}
	click("main a", "guard", "")
	page.await(t, `document.querySelector(".note.warn")?.innerText.includes("shop.requests of checkout is past its budget of 100 series: user.id is folded away")`)
	page.check(t, "the exploding label")
	click("main button", "Widen its budget to", "")
	page.await(t, `document.querySelector("dialog[open] input")`)
	page.complaints() // that it was refused
	page.run(t, chromedp.SendKeys(chromedp.CSS(`dialog input`), p.AdminToken(t)+kb.Enter))
	click("main a", "Replay ", from.Local().Truncate(time.Hour).Format(" 15:04 to ")) // with the date if that was yesterday
	page.await(t, `document.getElementById("main")?.dataset.shown.startsWith("#/replay")`)
	click("main button", "Preview", "")
	page.await(t, `document.querySelector("main").innerText.includes("The preview found no problems")`)
	page.check(t, "the preview of the replay")
	click("main button", "Replay", "")
	page.await(t, `document.querySelector("[data-job]")?.innerText.includes("done")`)
	page.check(t, "the replay")

	series(demo.Users)
	right()
}
