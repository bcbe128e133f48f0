// Budgets of series: who uses them, what drives growth, what was folded, and what another budget would do.
import {el, put} from "../lib/dom.js";
import {get, send} from "../lib/api.js";
import {clock, duration, num, percent, whole} from "../lib/format.js";
import {bar, code, empty, facts, failed, field, note, panel, pill, table} from "../lib/ui.js";

// merged adds up the partitions of a guard, by tenant, service and metric.
function merged(partitions) {
  const metrics = new Map(), attributes = new Map(), tenants = new Map();
  for (const p of partitions) for (const t of p.tenants) {
    const tenant = tenants.get(t.tenant) || {tenant: t.tenant, series: 0, limit: 0};
    tenant.series += t.series; tenant.limit += t.limit;
    tenants.set(t.tenant, tenant);
    for (const m of t.metrics || []) {
      const key = JSON.stringify([t.tenant, m.service, m.metric]);
      const row = metrics.get(key) || {tenant: t.tenant, service: m.service, metric: m.metric, series: 0, limit: 0, folded: new Set(), attributes: []};
      row.series += m.series; row.limit = Math.max(row.limit, m.limit);
      for (const f of m.folded || []) row.folded.add(f);
      metrics.set(key, row);
    }
    for (const a of t.attributes || []) {
      const key = JSON.stringify([t.tenant, a.service, a.metric, a.attribute]);
      const row = attributes.get(key) || {...a, tenant: t.tenant, values: 0};
      row.values = Math.max(row.values, a.values);
      attributes.set(key, row);
    }
  }
  for (const a of attributes.values()) metrics.get(JSON.stringify([a.tenant, a.service, a.metric]))?.attributes.push(a);
  for (const m of metrics.values()) m.attributes.sort((a, b) => b.values - a.values);
  return {metrics: [...metrics.values()], attributes: [...attributes.values()], tenants: [...tenants.values()]};
}

const driver = (m) => [...m.folded][0] || m.attributes[0]?.attribute;

// whatIf says what a budget of n series a metric would do to the metrics as they are now.
function whatIf(root, all, id) {
  const input = el("input", {type: "number", min: 1, value: 1000, inputmode: "numeric"});
  const out = el("div", {});
  const show = () => {
    const n = Number(input.value);
    if (!(n >= 1)) { put(out, note("warn", "A budget is a number, 1 or more.")); return; }
    const over = all.metrics.filter((m) => m.series > n || m.folded.size > 0 && m.limit && n <= m.limit);
    const freed = all.metrics.filter((m) => m.folded.size > 0 && n > m.limit);
    put(out,
      el("p", {}, over.length === 0 ? "Every metric that is shown fits." : [el("strong", {}, over.length + (over.length === 1 ? " metric" : " metrics")), " would be folded; their sums stay right, single series of them are gone."]),
      over.length > 0 && table([{key: "metric", title: "Metric", class: "mono"}, {key: "service", title: "Service"}, {key: "series", title: "Series now", num: true, cell: (m) => whole(m.series) + (m.folded.size ? " + folded" : "")}, {key: "over", title: "Over by", num: true, sort: (m) => m.series - n, cell: (m) => m.series > n ? whole(m.series - n) : "folded already"}, {key: "driver", title: "Would fold first", cell: (m) => driver(m) ? el("code", {}, driver(m)) : "the newest series"}], over, {sort: "series"}),
      freed.length > 0 && el("p", {}, el("strong", {}, freed.length + (freed.length === 1 ? " metric" : " metrics")), " that are folded today have a smaller budget: new series of them would be kept. How many there are is not known while they are folded."),
      el("p", {}, "To use it for every metric, set this and start again; a ", el("a", {href: "#/replay"}, "replay"), " brings the range that was folded back, series by series:"),
      code(`processors:\n  ${id}:\n    limits: {series_per_metric: ${n}}`));
  };
  input.addEventListener("input", show);
  put(root, el("div", {class: "row"}, field("Series a metric", input)), out);
  show();
}

const hour = 3600e3, evenHours = 2 * hour;

// foldedRange asks the TSDB in this process when the metric had an overflow stream in the last day. It returns the whole hours around
// that which a replay can replace: not those of the block that the TSDB is still writing, nor the hour before, whose rollup is stamped with
// the begin of that block. It returns null if nothing was folded.
async function foldedRange(m, signal) {
  const labels = ["otel_metric_overflow=\"true\"", m.service && "job=~" + JSON.stringify("(.+/)?" + m.service.replace(/[^\w-]/g, "\\$&"))].filter(Boolean);
  const end = Date.now(), step = 60;
  const query = new URLSearchParams({query: "count(" + promName(m).replace("}", "," + labels.join(",") + "}") + ")", start: end / 1000 - 86400, end: end / 1000, step});
  const {data} = await get("console/metrics/api/v1/query_range?" + query, signal);
  const times = data.result.flatMap((s) => s.values.map(([t]) => t * 1000));
  if (times.length === 0) return null;
  const lookback = 5 * 60e3; // PromQL shows a sample for so long
  const from = Math.floor(Math.min(...times) / hour) * hour, head = Math.floor(end / evenHours) * evenHours;
  const to = Math.min(Math.ceil((Math.max(...times) - lookback) / hour) * hour, head - hour);
  return {from, to, replaceable: to > from, next: head + evenHours};
}

// replayLink leads to the form of a replay of what was folded.
async function replayLink(m, ctx) {
  const base = {signal: "metrics", keys: "*/*/" + (m.service || "*"), by: "event", replace: "1", why: "guard"};
  const link = (params, text) => ctx.link("replay", params, text);
  if (!ctx.about.stores.includes("metrics")) return link(base, "Replay what was folded");
  const range = await foldedRange(m, ctx.signal);
  if (range === null) return "The TSDB has no folded samples of the last day, so there is nothing to replay.";
  const iso = (t) => new Date(t).toISOString().slice(0, 19) + "Z";
  if (!range.replaceable) return "The TSDB is still writing the block of the folded samples: from " + clock(range.next) + " on, a replay can replace them.";
  return link({...base, from: iso(range.from), to: iso(range.to), late: Math.ceil((Date.now() - range.from) / hour) + "h"}, "Replay " + clock(range.from).slice(0, -3) + " to " + clock(range.to).slice(0, -3) + " with the wider budget");
}

// roomier proposes a budget: ten times the one that is used up, or twice the values of the attribute that drives growth.
const roomier = (m) => Math.max(10 * m.limit, 2 * Math.ceil(m.attributes[0]?.values || 0));

// pastBudget is a metric that is folded, with the button that widens its budget.
function pastBudget(m, id, changeable, changed) {
  const errors = el("div", {});
  const widen = (n) => el("button", {class: "first", on: {click: async (event) => {
    event.target.disabled = true;
    try {
      await send("PUT", id + "/overrides", {...(m.tenant ? {tenant: m.tenant} : {}), service: m.service || undefined, metric: m.metric, limits: {series_per_metric: n}});
    } catch (error) { put(errors, failed(error)); event.target.disabled = false; return; }
    changed();
  }}}, "Widen its budget to " + whole(n));
  return note("warn", el("strong", {class: "break"}, m.metric), " of ", el("strong", {}, m.service || "a service without a name"), " is past its budget of " + whole(m.limit) + " series: ", [...m.folded].map((f) => [el("code", {}, f), " "]), m.folded.size === 1 ? "is" : "are", " folded away. Sums are right; single values are not kept. ",
    changeable && widen(roomier(m)), errors);
}

// widened lists the budgets of the overrides file, each with the replay of what was folded before.
function widened(overrides, id, ctx, changed) {
  if (overrides.length === 0) return null;
  return panel("Budgets that were changed here", overrides.map((o) => {
    const place = el("span", {}, "…"), errors = el("div", {});
    if (o.metric && !o.metric.includes("*")) replayLink(o, ctx).then((link) => put(place, link), (error) => { if (error.name !== "AbortError") put(place, failed(error)); });
    else put(place, "");
    return note("info", el("strong", {class: "break"}, [o.tenant, o.service, o.metric].filter(Boolean).join(" · ")), " ", Object.entries(o.limits).map(([k, n]) => [el("code", {}, k), " " + whole(n) + " "]), "from the next checkpoint on. ", place, " ",
      el("button", {class: "quiet", on: {click: async () => {
        try { await send("DELETE", id + "/overrides?" + new URLSearchParams({tenant: o.tenant || "", service: o.service || "", metric: o.metric || ""})); } catch (error) { put(errors, failed(error)); return; }
        changed();
      }}}, "Take it back"), errors);
  }));
}

function draw(root, id, partitions, {overrides, changeable}, ctx, changed) {
  const all = merged(partitions);
  const sum = (key) => partitions.reduce((n, p) => n + p[key], 0);
  const limit = sum("limit");
  const folded = all.metrics.filter((m) => m.folded.size > 0);
  const what = el("div", {});
  put(root,
    panel(id, facts(["Active series", whole(sum("series")) + (limit ? " of " + whole(limit) : "")], ["Metrics folded", folded.length ? el("span", {class: "text-warn"}, whole(folded.length)) : "none"], ["Overflow streams", whole(sum("overflow_streams"))], ["Folded points leave after", duration(Math.max(...partitions.map((p) => p.folded_delay_seconds)))], ["Late points", whole(sum("late_points"))]),
      limit > 0 && bar(sum("series") / limit, "Series of the total budget: " + percent(sum("series") / limit))),
    widened(overrides, id, ctx, changed),
    folded.map((m) => pastBudget(m, id, changeable && !overrides.some((o) => o.metric === m.metric && (o.service || "") === (m.service || "") && (o.tenant || m.tenant) === m.tenant), changed)),
    panel("Metrics by series", table([
      ctx.about.tenant ? null : {key: "tenant", title: "Tenant"}, {key: "service", title: "Service", class: "break"},
      {key: "metric", title: "Metric", class: "mono break", cell: (m) => ctx.link("metrics", {q: promName(m)}, m.metric)},
      {key: "series", title: "Series", num: true, cell: (m) => whole(m.series)}, {key: "limit", title: "Budget", num: true, cell: (m) => m.limit ? whole(m.limit) : "none"},
      {key: "share", title: "Used", sort: (m) => m.limit ? m.series / m.limit : 0, cell: (m) => m.limit ? el("div", {class: "meter"}, bar(m.series / m.limit, percent(m.series / m.limit) + " of the budget"), el("small", {}, percent(m.series / m.limit))) : ""},
      {key: "driver", title: "Driven by", sort: driver, cell: (m) => m.attributes.length ? [el("code", {}, m.attributes[0].attribute), el("small", {}, " " + num(m.attributes[0].values) + " values")] : ""},
      {key: "folded", title: "Folded away", sort: (m) => [...m.folded].join(), cell: (m) => [...m.folded].map((f) => [pill("warn", f), " "])},
    ].filter(Boolean), all.metrics, {sort: "series", row: (m) => ({class: m.folded.size ? "warn" : ""}), empty: "No series yet: no metric came through this guard."}),
      el("p", {class: "muted"}, "The 50 metrics of each tenant that have most. Distinct values are estimates; they are counted from a thousand series on, or a tenth of the metric's budget.")),
    panel("What would happen with a budget of", what));
  whatIf(what, all, id);
}

// promName asks for the metric under the names that it can have in Prometheus: with units and suffixes.
function promName(m) { return "{__name__=~" + JSON.stringify(m.metric.replace(/[^a-zA-Z0-9_:]/g, "_") + "(_[a-z]+)*") + "}"; }

export async function show(root, ctx) {
  const ids = ctx.about.components.cardinality_guard || [];
  if (ids.length === 0) { put(root, empty("No pipeline has a cardinality_guard", "cardinality_guard keeps the number of series within budgets, and sums right. The profiles standalone and gateway have one in front of the metrics store.")); return; }
  const places = ids.map((id) => [id, el("div", {class: "view"})]);
  put(root, places.map(([, place]) => place));
  let last = "";
  const refresh = async (force) => {
    const answers = await Promise.all(ids.map(async (id) => {
      const report = get(id + "/report.json", ctx.signal);
      const budgets = ctx.about.operator ? get(id + "/overrides", ctx.signal) : {overrides: [], changeable: false};
      return [await report, await budgets];
    }));
    const text = JSON.stringify(answers);
    if (!force && (text === last || root.contains(document.activeElement) && last !== "")) return;
    last = text;
    answers.forEach(([report, budgets], i) => report.partitions.length ? draw(places[i][1], ids[i], report.partitions, budgets, ctx, () => refresh(true)) : put(places[i][1], panel(ids[i], empty("No partition is at work here", "Another gateway has the journal's partitions, or nothing was received yet."))));
  };
  await ctx.every(10, () => refresh(false));
}
