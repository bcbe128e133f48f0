package console

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

//go:embed look.js
var look string

var screenshots = flag.String("screenshots", "", "directory in which to write pictures")

// patience is how long a page may take on a loaded machine.
const patience = 2 * time.Minute

// browser is a headless Chromium, which ends with the test.
func browser(t testing.TB) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	require.NotEmpty(t, path, "there is no Chromium: `make chromium` installs Debian's")
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-dev-shm-usage", true)}
	allocated, free := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		cancel()
		free()
	})
	require.NoError(t, chromedp.Do(ctx))
	return ctx
}

// tab is a page of a console in a browser.
type tab struct {
	ctx   context.Context
	admin string // host:port

	mu       sync.Mutex
	problems []string // guarded by mu: the browser's error messages
}

// open opens a tab with the key, if it is not empty, on the console at the address.
func open(t testing.TB, browser context.Context, admin, key string) *tab {
	t.Helper()
	p := &tab{admin: admin}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithListener(p.heard))
	t.Cleanup(cancel)
	p.ctx = ctx
	require.NoError(t, chromedp.Do(ctx)) // the first one must not be bounded
	headers := network.Headers{}
	if key != "" {
		headers["X-API-Key"] = key
	}
	p.run(t, command(network.Enable, network.EnableParams{}), command(cdplog.Enable, cdp.Empty{}), command(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: headers}))
	return p
}

// command is a command of the protocol whose answer says nothing.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, params)
		return err
	})
}

// heard records the browser's error messages, and requests that leave the console's origin.
func (p *tab) heard(event any) {
	problem := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = "exception: " + e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			problem += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			for _, a := range e.Args {
				problem += string(a.Value) + a.Description
			}
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
			problem = fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "http://"+p.admin+"/") {
			problem = "a request to " + e.Request.URL
		}
	}
	if problem == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

// complaints returns the browser's error messages since the last call.
func (p *tab) complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.problems
	p.problems = nil
	return all
}

func (p *tab) run(t testing.TB, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	require.NoError(t, chromedp.Do(ctx, actions...))
}

// eval returns the value of an expression in the page.
func eval[T any](t testing.TB, p *tab, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(t, err, expression)
	return v
}

// as makes the window so wide, and the colours light or dark.
func (p *tab) as(t testing.TB, width int64, scheme string) {
	t.Helper()
	p.run(t, command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
}

// view shows a view by its address, and waits until its data are there.
func (p *tab) view(t testing.TB, address string) {
	t.Helper()
	if eval[bool](t, p, `location.pathname === "/console/"`) {
		eval[string](t, p, fmt.Sprintf(`location.hash = %q`, "#/"+address))
	} else {
		p.run(t, chromedp.Navigate("http://"+p.admin+"/console/#/"+address))
	}
	p.await(t, `document.getElementById("main")?.dataset.shown === "#/`+strings.ReplaceAll(address, `"`, `\"`)+`"`)
}

// await waits until an expression is true in the page.
func (p *tab) await(t testing.TB, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body?.innerText"))
			require.Failf(t, "not in time", "%s: %v\n%v\n%s", expression, err, p.complaints(), text)
		}
	}
}

func (p *tab) text(t testing.TB, selector string) string {
	t.Helper()
	return eval[string](t, p, fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector))
}

// press clicks the button with the text.
func (p *tab) press(t testing.TB, text string) {
	t.Helper()
	eval[bool](t, p, fmt.Sprintf(`([...document.querySelectorAll("button")].find((b) => b.innerText === %q).click(), true)`, text))
}

// check checks the shown view, and reports its address if something is wrong.
func (p *tab) check(t testing.TB, where string) {
	t.Helper()
	assert.Empty(t, eval[[]string](t, p, look), where)
	assert.Empty(t, p.complaints(), where)
}

// views returns the ids of the menu.
func (p *tab) views(t testing.TB) []string {
	t.Helper()
	ids := eval[[]string](t, p, `[...document.querySelectorAll(".side a")].map((a) => a.dataset.view)`)
	require.True(t, slices.Contains(ids, "overview"))
	return ids
}

// picture writes a screenshot, if pictures are requested.
func (p *tab) picture(t testing.TB, name string) {
	t.Helper()
	if *screenshots == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(*screenshots, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644))
}
