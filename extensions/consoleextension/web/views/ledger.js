// What became of everything that the journal has received.
import {el, put} from "../lib/dom.js";
import {get} from "../lib/api.js";
import {stamp, whole} from "../lib/format.js";
import {choice, empty, facts, note, panel, pill, select, table} from "../lib/ui.js";

const reasons = (dropped) => Object.entries(dropped).map(([why, n]) => el("div", {}, el("code", {}, why), " " + whole(n)));
const hour = (text) => /^\d{4}-/.test(text) ? stamp(Date.parse(text)).slice(0, 16) : text;

function draw(root, a, ctx) {
  const rows = a.rows.flatMap((r) => Object.entries(r.sinks).map(([sink, s]) => ({...s, sink, hour: r.hour, signal: r.signal, tenant: r.tenant, received: r.received, lost: Object.values(s.dropped).reduce((x, y) => x + y, 0)})));
  const sum = (key) => rows.reduce((n, r) => n + r[key], 0);
  const n = (key, title) => ({key, title, num: true, cell: (r) => r[key] ? whole(r[key]) : "0"});
  put(root,
    panel("", el("p", {class: "equation"}, el("span", {}, el("b", {}, whole(sum("received")))), el("small", {}, "received"), "=", el("b", {}, whole(sum("stored"))), el("small", {}, "stored"), "+", el("b", {}, whole(sum("folded"))), el("small", {}, "folded"), "+", el("b", {}, whole(sum("lost"))), el("small", {}, "dropped"), "+", el("b", {}, whole(sum("buffered"))), el("small", {}, "buffered"),
      sum("unseen") > 0 && ["+", el("b", {}, whole(sum("unseen"))), el("small", {}, "unseen")], a.balanced ? pill("good", "balances") : pill("bad", "does not balance")),
      el("p", {class: "muted"}, "Data points, log records and spans, once for each sink. Hours are those of ", a.by === "event" ? "the items' own times" : "their receipt", ". Buffered is in the journal, and on its way.")),
    !a.balanced && note("bad", el("strong", {}, "Items are unaccounted for: "), "a component removed or added some and said nothing. The rows are marked; the log of the process and penstock verify say more."),
    panel("By hour", table([
      {key: "hour", title: "Hour", class: "nowrap", cell: (r) => hour(r.hour)}, {key: "signal", title: "Signal"}, ctx.about.tenant ? null : {key: "tenant", title: "Tenant"}, {key: "sink", title: "Sink"},
      n("received", "Received"), n("stored", "Stored"), n("folded", "Folded"), {key: "lost", title: "Dropped", num: true, cell: (r) => r.lost ? reasons(r.dropped) : "0"}, n("buffered", "Buffered"), n("unseen", "Unseen"),
      {key: "unaccounted", title: "Unaccounted", num: true, cell: (r) => r.unaccounted ? el("strong", {class: "text-bad"}, whole(r.unaccounted)) : "0"},
    ].filter(Boolean), rows, {sort: "hour", label: "Ledger", row: (r) => ({class: r.unaccounted ? "bad" : ""}), empty: empty("Nothing was received in this time", "Send OTLP, and look again; or choose all hours.")})),
    a.created.length > 0 && panel("Created", el("p", {class: "muted"}, "Points that guard and rollups created and sent to sinks; no client sent them."), table([{key: "hour", title: "Hour", cell: (r) => hour(r.hour)}, {key: "signal", title: "Signal"}, {key: "sink", title: "Sink"}, n("stored", "Stored"), {key: "dropped", title: "Dropped", num: true, cell: (r) => reasons(r.dropped)}], a.created, {sort: "hour"})),
    a.missing.length > 0 && panel("Missing in this answer", table([{key: "signal", title: "Signal"}, {key: "sink", title: "Sink"}, {key: "partition", title: "Partition", num: true}, {key: "why", title: "Why", class: "break"}], a.missing)),
    a.partitions.length > 0 && panel("How far each sink is", table([{key: "signal", title: "Signal"}, {key: "sink", title: "Sink"}, {key: "partition", title: "Partition", num: true}, n("next", "Counted up to"), n("end", "End of the journal"), {key: "behind", title: "Records behind", num: true, sort: (p) => p.end - p.next, cell: (p) => whole(p.end - p.next)}, n("lost_records", "Records lost")], a.partitions, {sort: "behind"})));
}

export async function show(root, ctx) {
  const by = ctx.params.get("by") || "receipt", signal = ctx.params.get("signal") || "", since = ctx.params.get("since") || "24";
  const go = (more) => ctx.go("ledger", {by: by === "receipt" ? "" : by, signal, since: since === "24" ? "" : since, ...more});
  const body = el("div", {class: "view"});
  put(root, el("div", {class: "row"}, choice("Hours of", [["receipt", "By receipt"], ["event", "By event time"]], by, (v) => go({by: v})),
    select([["", "All signals"], "metrics", "logs", "traces"], signal, (v) => go({signal: v}), "Signal"), select([["3", "Last 3 hours"], ["24", "Last day"], ["48", "Last 2 days"], ["all", "All hours"]], since, (v) => go({since: v}), "Time")), body);
  await ctx.every(15, async () => {
    const query = new URLSearchParams({by});
    if (signal) query.set("signal", signal);
    if (since !== "all") query.set("from", new Date(Math.floor(Date.now() / 3600000 - Number(since) + 1) * 3600000).toISOString().replace(".000", ""));
    try {
      draw(body, await get("v1/ledger?" + query, ctx.signal), ctx);
    } catch (error) {
      if (error.status !== 404) throw error;
      put(body, empty("No ledger without a journal", error.message));
    }
  });
}
