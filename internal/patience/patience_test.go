package patience_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/patience"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// refuse notes a refusal of an attempt that began just before.
func refuse(t *testing.T, p *patience.Tenants, r patience.Refusal, now time.Time) (aside, gaveUp bool) {
	t.Helper()
	r.Began = now.Add(-time.Second)
	return p.Refused(t.Context(), r, now)
}

// nobody says that no tenant waits; the sink refuses every tenant that is tried.
func alone(tenant string) patience.Refusal {
	return patience.Refusal{Tenant: tenant, Ask: func(context.Context, string) bool { return false }}
}

func TestATenantIsGivenUpAfterThePatienceWhileOthersPass(t *testing.T) {
	p := patience.New(15 * time.Minute)
	for _, m := range []int{0, 1, 14, 15} {
		p.Taken("good", at(m))
		aside, _ := refuse(t, p, alone("bad"), at(m))
		assert.False(t, aside, m)
		assert.False(t, p.Aside("bad", at(m)), m)
	}
	aside, gaveUp := refuse(t, p, alone("bad"), at(16))
	assert.True(t, aside)
	assert.True(t, gaveUp)
	assert.False(t, p.Aside("good", at(16)))
	assert.True(t, p.Aside("bad", at(16)))

	assert.False(t, p.Aside("bad", at(17)), "one try a minute")
	assert.True(t, p.Aside("bad", at(17)))
	aside, gaveUp = refuse(t, p, alone("bad"), at(17))
	assert.True(t, aside, "the try has failed")
	assert.False(t, gaveUp, "it is given up once")

	assert.False(t, p.Aside("bad", at(18)))
	assert.True(t, p.Taken("bad", at(18)), "it is back")
	assert.False(t, p.Aside("bad", at(18)))
	assert.False(t, p.Taken("bad", at(19)))
	aside, _ = refuse(t, p, alone("bad"), at(20))
	assert.False(t, aside, "the patience begins anew")
}

func TestProgressEndsTheImpatience(t *testing.T) {
	p := patience.New(15 * time.Minute)
	refuse(t, p, alone("slow"), at(0))
	p.Taken("slow", at(10)) // A tenant at its rate limit gets on, now and then.
	p.Taken("good", at(16))
	aside, _ := refuse(t, p, alone("slow"), at(17))
	assert.False(t, aside)
}

// An expired token stops every tenant: none is set aside, however long it takes.
func TestNobodyIsGivenUpWhereTheSinkTakesNobody(t *testing.T) {
	p := patience.New(15 * time.Minute)
	p.Taken("good", at(0))
	for _, tenant := range []string{"a", "b", "good"} {
		for m := 1; m < 1000; m += 60 {
			aside, _ := refuse(t, p, alone(tenant), at(m))
			assert.False(t, aside, "%s %d", tenant, m)
		}
	}
}

func TestTheOnlyTenantIsNotGivenUp(t *testing.T) {
	p := patience.New(time.Minute)
	asked := 0
	r := patience.Refusal{Tenant: "only", Waiting: func(context.Context) []string { return []string{"only"} },
		Ask: func(context.Context, string) bool { asked++; return true }}
	for m := range 100 {
		aside, _ := refuse(t, p, r, at(m))
		assert.False(t, aside)
	}
	assert.Zero(t, asked)
}

// The tenant comes before all others, so none was tried since: the sink is tried with them.
func TestTheSinkIsAskedAboutThoseWhoWait(t *testing.T) {
	for name, c := range map[string]struct {
		before string // taken before the first refusal
		wait   []string
		passes map[string]bool
		asked  []string
		aside  bool
	}{
		"one that waits passes":      {"", []string{"bad", "b"}, map[string]bool{"b": true}, []string{"b"}, true},
		"one that was taken passes":  {"a", nil, map[string]bool{"a": true}, []string{"a"}, true},
		"none passes, three at most": {"a", []string{"b", "c", "d", "e"}, nil, []string{"b", "c", "d"}, false},
		"one is asked about once":    {"a", []string{"a", "a"}, nil, []string{"a"}, false},
	} {
		p := patience.New(time.Minute)
		if c.before != "" {
			p.Taken(c.before, at(0))
		}
		var asked []string
		r := patience.Refusal{Tenant: "bad", Waiting: func(context.Context) []string { return c.wait },
			Ask: func(_ context.Context, tenant string) bool { asked = append(asked, tenant); return c.passes[tenant] }}
		refuse(t, p, r, at(1))
		assert.Empty(t, asked, name)
		refuse(t, p, r, at(3))
		assert.Equal(t, c.asked, asked, name)
		asked = nil
		aside, gaveUp := refuse(t, p, r, at(4))
		assert.Equal(t, c.aside, aside, name)
		assert.Equal(t, c.aside, gaveUp, name)
		if c.aside {
			assert.Empty(t, asked, name)
		}
	}
}

func TestPatienceWithoutEnd(t *testing.T) {
	p := patience.New(0)
	p.Taken("good", at(5000))
	refuse(t, p, alone("bad"), at(0))
	aside, _ := refuse(t, p, alone("bad"), at(10_000))
	assert.False(t, aside)
}

// A client that can name tenants can't make it remember them for ever: the one that was refused longest ago starts again.
func TestTheTenantsAreBounded(t *testing.T) {
	p := patience.New(time.Hour)
	refuse(t, p, alone("first"), at(0))
	for i := range 1000 {
		refuse(t, p, alone(fmt.Sprint(i)), at(1))
	}
	p.Taken("good", at(100))
	refuse(t, p, alone("999"), at(100))
	aside, _ := refuse(t, p, alone("999"), at(101))
	assert.True(t, aside)
	refuse(t, p, alone("first"), at(102))
	aside, _ = refuse(t, p, alone("first"), at(103))
	assert.False(t, aside)
}

// The sink was away and is back: an attempt that began before it was back says nothing about the tenant.
func TestASinkThatHasJustComeBackRefusesNobody(t *testing.T) {
	p := patience.New(time.Minute)
	refuse(t, p, alone("a"), at(0))
	p.Taken("b", at(10))
	refuse(t, p, alone("a"), at(10))
	before := alone("a")
	before.Began = at(9)
	aside, _ := p.Refused(t.Context(), before, at(11))
	assert.False(t, aside)
}
