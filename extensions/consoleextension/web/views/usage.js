// What each tenant has used, and what that costs.
import {el, put} from "../lib/dom.js";
import {address, get} from "../lib/api.js";
import {bytes, stamp, whole} from "../lib/format.js";
import {empty, facts, panel, select, table} from "../lib/ui.js";

const money = (n, currency) => n ? n.toFixed(n < 1 ? 4 : 2) + (currency ? "\u202f" + currency : "") : "";

export async function show(root, ctx) {
  const signal = ctx.params.get("signal") || "";
  const body = el("div", {class: "view"});
  const query = signal ? "?signal=" + encodeURIComponent(signal) : "";
  put(root, el("div", {class: "row"}, select([["", "All signals"], "metrics", "logs", "traces"], signal, (v) => ctx.go("usage", {signal: v}), "Signal"), el("a", {href: address("v1/usage/" + (query ? query + "&" : "?") + "format=csv"), download: "usage.csv"}, "As CSV")), body);
  await ctx.every(15, async () => {
    const b = await get("v1/usage/" + query, ctx.signal);
    const n = (key, title) => ({key, title, num: true, cell: (r) => whole(r[key])});
    const priced = [...b.intake, ...b.tenants, ...b.queries].some((r) => r.cost > 0);
    const cost = priced ? {key: "cost", title: "Cost", num: true, cell: (r) => money(r.cost, b.currency)} : null;
    const tenant = ctx.about.tenant ? null : {key: "tenant", title: "Tenant"};
    const sum = (list, key) => list.reduce((x, r) => x + r[key], 0);
    put(body,
      panel("", facts(["Items taken", whole(sum(b.intake, "items"))], ["Bytes taken", bytes(sum(b.intake, "bytes"))], ["By this process since", stamp(Date.parse(b.since))], priced && ["Cost", money(sum(b.intake, "cost") + sum(b.tenants, "cost") + sum(b.queries, "cost"), b.currency)])),
      panel("Received, by service", table([tenant, {key: "service", title: "Service", class: "break", cell: (r) => r.service || el("span", {class: "muted"}, "no name")}, {key: "signal", title: "Signal"}, n("items", "Items"), {key: "bytes", title: "Bytes", num: true, cell: (r) => bytes(r.bytes)}, cost].filter(Boolean), b.intake, {sort: "bytes", empty: empty("Nothing received since the start", "Send OTLP to this collector.")})),
      !["", "metrics"].includes(signal) ? null : panel("Active series, and what drives them", table([tenant, {key: "service", title: "Service", class: "break", cell: (r) => r.service || el("span", {class: "muted"}, "no name")}, n("series", "Series"), {key: "attribute", title: "Driven by", class: "break", cell: (r) => r.attribute ? [el("code", {}, r.attribute), " of " + r.metric] : el("span", {class: "muted"}, "largest metric: " + r.metric)}, {key: "values", title: "Values", num: true, cell: (r) => r.attribute ? whole(r.values) : ""}].filter(Boolean), b.series, {sort: "series", empty: empty("No series are active", "A cardinality_guard counts them.")})),
      signal ? null : panel("Queries", table([ctx.about.tenant ? null : {key: "tenant", title: "Tenant", cell: (r) => r.tenant || el("span", {class: "muted"}, "operators")}, {key: "store", title: "Store"}, n("queries", "Queries"), {key: "seconds", title: "Seconds", num: true, cell: (r) => r.seconds.toFixed(3)}, cost].filter(Boolean), b.queries, {sort: "seconds", empty: empty("Nobody has asked since the start", "Queries of embedded_tsdb and embedded_logs are counted.")})),
      panel("Stored, folded and dropped, by tenant", table([tenant, {key: "signal", title: "Signal"}, n("received", "Received"), {key: "stored", title: "Stored", sort: (r) => sum(Object.values(r.stored).map((v) => ({v})), "v"), cell: (r) => Object.entries(r.stored).map(([sink, v]) => el("div", {}, sink + " " + whole(v)))}, n("folded", "Folded"),
        {key: "dropped", title: "Dropped", cell: (r) => Object.entries(r.dropped).map(([why, v]) => el("div", {}, el("code", {}, why), " " + whole(v)))}, cost].filter(Boolean), b.tenants, {sort: "received", empty: empty("Nothing is in the ledger yet", "The ledger counts what the journal has received.")})));
  });
}
