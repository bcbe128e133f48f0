// PromQL: queries with completion, chart and table, a metric beside its rollups.
import {el, put} from "../lib/dom.js";
import {ApiError, get} from "../lib/api.js";
import {clock, duration, num} from "../lib/format.js";
import {choice, empty, failed, note, panel, table} from "../lib/ui.js";
import {aggregations, functions, place, ranked} from "../lib/promql.js";
import {editor} from "../lib/editor.js";
import {chart} from "../lib/chart.js";
import {bounds, picker} from "../lib/range.js";

const api = "console/metrics/api/v1/";
const stepsOf = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const aggregates = ["increase", "rate", "sum", "count", "avg", "min", "max", "last", "p50", "p90", "p95", "p99"];

async function ask(path, params, signal) {
  const query = new URLSearchParams(params);
  const answer = await get(api + path + "?" + query, signal);
  if (answer.status !== "success") throw new ApiError(answer.error || "The query failed.", 400);
  return answer;
}

// catalogue knows the names; it asks once.
function catalogue(signal) {
  const known = new Map();
  const once = (path, params) => {
    const key = path + "?" + new URLSearchParams(params);
    if (!known.has(key)) known.set(key, ask(path, params, signal).then((a) => a.data).catch((e) => { known.delete(key); throw e; }));
    return known.get(key);
  };
  const match = (metric) => metric ? {"match[]": metric} : {};
  return {
    metrics: () => once("label/__name__/values", {limit: 20000}),
    help: () => once("metadata", {limit: 20000}).catch(() => ({})),
    labels: (metric) => once("labels", {...match(metric), limit: 1000}),
    values: (label, metric) => once("label/" + encodeURIComponent(label) + "/values", {...match(metric), limit: 1000}),
  };
}

async function candidates(known, text, caret) {
  const at = place(text, caret);
  if (at.kind === "expr") {
    const metrics = (await known.metrics()).map((m) => /^[a-zA-Z_:][\w:]*$/.test(m) ? {text: m, kind: "metric"} : {text: m, kind: "metric", insert: "{" + JSON.stringify(m) + "}"});
    if (at.word === "" && text.trim() !== "") return {start: at.start, list: []};
    return {start: at.start, list: ranked([...metrics, ...functions.map((f) => ({text: f, kind: "function", insert: f + "()", back: 1, more: true})), ...aggregations.map((f) => ({text: f, kind: "aggregation", insert: f + "()", back: 1, more: true}))], at.word)};
  }
  if (at.kind === "label") return {start: at.start, list: ranked((await known.labels(at.metric)).filter((l) => l !== "__name__").map((l) => ({text: l, kind: "label", insert: /\{[^}]*$/.test(text.slice(0, caret)) ? l + '=""' : l, back: /\{[^}]*$/.test(text.slice(0, caret)) ? 1 : 0, more: true})), at.word)};
  if (at.kind === "value" && at.label) return {start: at.start, list: ranked((await known.values(at.label, at.metric)).map((v) => ({text: v, kind: "value", insert: JSON.stringify(v).slice(1, -1)})), at.word)};
  if (at.kind === "range") return {start: at.start, list: ranked(["1m", "5m", "15m", "1h", "6h", "1d", "7d"].map((v) => ({text: v, kind: "range"})), at.word)};
  return {start: caret, list: []};
}

// named gives each series of an answer a name: its labels, without those that all have.
function named(all) {
  const common = {};
  if (all.length > 1) for (const [k, v] of Object.entries(all[0].metric)) if (all.every((s) => s.metric[k] === v)) common[k] = v;
  const write = (labels) => {
    const {__name__: name = "", ...rest} = labels;
    const inner = Object.entries(rest).map(([k, v]) => k + "=" + JSON.stringify(v)).join(", ");
    return name + (inner ? (name ? " " : "") + "{" + inner + "}" : "") || "{}";
  };
  return {common: Object.keys(common).length ? write(common) : "", name: (labels) => write(Object.fromEntries(Object.entries(labels).filter(([k]) => !(k in common)))) };
}

const value = (v) => Number(v);

function points(s, from, to, step) {
  const have = new Map((s.values || []).map(([t, v]) => [Math.round(t * 1000), value(v)]));
  for (const [t, h] of s.histograms || []) have.set(Math.round(t * 1000), Number(h.count) ? Number(h.sum) / Number(h.count) : 0);
  const all = [];
  for (let t = from; t <= to; t += step) all.push([t, have.get(Math.round(t)) ?? null]);
  return all;
}

// rollupsOf are the rollups of a metric: names that continue its own with an aggregate, with or without the suffixes of a counter.
function rollupsOf(metric, names) {
  const base = metric.replace(/_total$|_bucket$|_count$|_sum$/, "");
  return names.filter((n) => n !== metric && n.startsWith(base + "_") && aggregates.some((a) => n.slice(base.length).replace(/_total$/, "").endsWith("_" + a) || n.includes("_" + a + "_")));
}

const metricOf = (query) => { for (const m of query.matchAll(/[a-zA-Z_:][\w:]*/g)) if (!functions.includes(m[0]) && !aggregations.includes(m[0]) && !["by", "without", "on", "ignoring", "bool", "offset", "group_left", "group_right", "and", "or", "unless"].includes(m[0])) return m[0]; return ""; };

export async function show(root, ctx) {
  if (!ctx.about.stores.includes("metrics")) {
    put(root, empty("No metrics are stored in this process", "The profile standalone has embedded_tsdb. A gateway that writes to another Prometheus is asked there."));
    return;
  }
  const known = catalogue(ctx.signal);
  let queries = ctx.params.getAll("q").filter(Boolean);
  let mode = ctx.params.get("as") || "chart";
  const params = new URLSearchParams(ctx.params);
  const editors = el("div", {class: "view"}), out = el("div", {class: "view"}), chips = el("div", {class: "row"});
  const controls = el("div", {class: "row"});

  const save = () => {
    const next = new URLSearchParams();
    for (const q of queries) next.append("q", q);
    for (const key of ["from", "to"]) if (params.get(key)) next.set(key, params.get(key));
    if (mode !== "chart") next.set("as", mode);
    location.hash = "#/metrics?" + next;
  };

  if (queries.length === 0) queries = [""];
  const inputs = queries.map((q, i) => {
    const e = editor({value: q, label: "PromQL query " + (i + 1), placeholder: "PromQL: http_server_requests_total, or rate(…[5m]). Begin to type, or Ctrl+Space.", candidates: (t, c) => candidates(known, t, c), run: (text) => { queries[i] = text; queries = queries.filter((x) => x); save(); }});
    return el("div", {class: "row nowrap-row"}, el("div", {class: "grow"}, e.root), queries.length > 1 && el("button", {class: "quiet", "aria-label": "Remove query " + (i + 1), on: {click: () => { queries.splice(i, 1); save(); }}}, "×"), i === 0 && el("button", {class: "first", on: {click: () => { queries[0] = e.value(); save(); }}}, "Run"));
  });
  put(editors, inputs);
  put(controls, picker(params, (from, to) => { params.set("from", from); params.set("to", to); save(); }), choice("Show as", [["chart", "Chart"], ["table", "Table"]], mode, (m) => { mode = m; save(); }), el("span", {class: "grow"}),
    queries[0] && el("button", {class: "quiet", on: {click: () => { queries.push(queries[0]); save(); }}}, "Add a query"));
  put(root, panel("", editors, chips, controls), out);

  if (!queries[0]) {
    const names = await known.metrics().catch((e) => { put(out, failed(e)); return null; });
    if (!names) return;
    const help = await known.help();
    put(out, names.length === 0 ? empty("No series are stored yet", "Send metrics over OTLP; host metrics come within half a minute.") : panel(names.length + " metrics are stored", browser(names, help, ctx)));
    return;
  }
  const metric = metricOf(queries[0]);
  known.metrics().then((names) => {
    const more = rollupsOf(metric, names).slice(0, 8);
    if (more.length && !ctx.signal.aborted) put(chips, el("small", {}, "With its rollups:"), more.map((n) => el("button", {class: "quiet", on: {click: () => { queries.push(n); save(); }}}, el("code", {}, n))));
  }).catch(() => {});
  put(out, el("p", {class: "muted"}, "Asking…"));
  const began = performance.now();
  const {from: rawFrom, to: rawTo} = bounds(params);
  const step = (stepsOf.find((s) => (rawTo - rawFrom) / 1000 / s <= 360) || 86400) * 1000;
  // Aligned, so that a chart doesn't jump when it is drawn again; the end goes up, or the newest samples would be missing for as long as a step.
  const from = Math.floor(rawFrom / step) * step, to = Math.ceil(rawTo / step) * step;
  const results = await Promise.allSettled(queries.map((q) => mode === "table" ? ask("query", {query: q, time: rawTo / 1000, limit: 5000}, ctx.signal) : ask("query_range", {query: q, start: from / 1000, end: to / 1000, step: step / 1000, limit: 1000}, ctx.signal)));
  if (ctx.signal.aborted) return;
  const took = performance.now() - began;
  const problems = results.flatMap((r, i) => r.status === "rejected" ? [note("bad", el("code", {}, queries[i]), " ", r.reason.message)] : [...(r.value.warnings || []), ...(r.value.infos || [])].map((w) => note("info", w)));
  const good = results.filter((r) => r.status === "fulfilled").flatMap((r) => r.value.data.resultType === "scalar" || r.value.data.resultType === "string" ? [{metric: {}, value: r.value.data.result}] : r.value.data.result);
  const {common, name} = named(good);
  const about = el("p", {class: "muted break"}, good.length + (good.length === 1 ? " series" : " series") + " in " + duration(took / 1000), mode === "chart" && ", one point every " + duration(step / 1000), common && [". All have ", el("code", {}, common)]);
  if (good.length === 0) {
    put(out, problems, problems.length === 0 && empty("Nothing was found", "No series has these labels in this time range. Choose a longer range, or fewer labels."));
    return;
  }
  if (mode === "table") {
    const labels = [...new Set(good.flatMap((s) => Object.keys(s.metric)))].sort();
    put(out, problems, panel("", about, table([...labels.map((l) => ({key: l, title: l === "__name__" ? "metric" : l, class: "mono break", cell: (s) => s.metric[l] ?? "", sort: (s) => s.metric[l]})),
      {key: "value", title: "Value", num: true, sort: (s) => value(s.value?.[1] ?? s.values?.at(-1)?.[1]), cell: (s) => s.histogram ? "histogram: " + num(Number(s.histogram[1].count)) + " values, sum " + num(Number(s.histogram[1].sum)) : s.values ? s.values.length + " samples" : s.value[1]},
      {key: "at", title: "At", cell: (s) => s.value ? clock(s.value[0] * 1000) : ""},
      {key: "", title: "", cell: (s) => s.metric.job && ctx.about.stores.includes("logs") ? ctx.link("logs", {q: '"service.name":=' + JSON.stringify(s.metric.job.split("/").at(-1)), from: params.get("from"), to: params.get("to")}, "Logs") : ""}], good, {sort: "value", label: "Series"})));
    return;
  }
  const marks = await exemplars(queries[0], from, to, ctx);
  if (ctx.signal.aborted) return;
  put(out, problems, panel("", chart(good.map((s) => ({name: name(s.metric), points: points(s, from, to, step)})), from, to, {label: queries.join("; "), marks}), about, marks.length > 0 && el("p", {class: "muted"}, "◆ are exemplars: they open the trace.")));
}

// exemplars are marks that open traces; a query without any, or that has no selector, has none.
async function exemplars(query, from, to, ctx) {
  try {
    const {data} = await ask("query_exemplars", {query, start: from / 1000, end: to / 1000}, ctx.signal);
    return data.flatMap((s) => s.exemplars).map((e) => ({time: e.timestamp * 1000, value: Number(e.value), title: "trace " + (e.labels.trace_id || "?") + ": " + e.value, open: () => ctx.go("traces", {trace: e.labels.trace_id})})).filter((e) => Number.isFinite(e.value));
  } catch { return []; }
}

// browser lists the names, with what they are.
function browser(names, help, ctx) {
  const search = el("input", {type: "search", placeholder: "Filter by name or words", "aria-label": "Filter metrics"});
  const place = el("div", {});
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = names.map((n) => ({name: n, type: help[n]?.[0]?.type || "", help: help[n]?.[0]?.help || "", unit: help[n]?.[0]?.unit || ""})).filter((r) => words.every((w) => (r.name + " " + r.help).toLowerCase().includes(w)));
    put(place, table([{key: "name", title: "Metric", class: "mono break", cell: (r) => ctx.link("metrics", {q: r.type === "counter" || r.name.endsWith("_total") ? `rate(${quoted(r.name)}[5m])` : quoted(r.name)}, r.name)}, {key: "type", title: "Type"}, {key: "help", title: "What", class: "break"}], rows, {sort: "name", desc: false, empty: "No name or description has these words."}));
  };
  search.addEventListener("input", show);
  show();
  return el("div", {class: "view"}, search, place);
}

const quoted = (name) => /^[a-zA-Z_:][\w:]*$/.test(name) ? name : "{" + JSON.stringify(name) + "}";
