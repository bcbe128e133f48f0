// The lake: files, sizes, what is being merged, and SQL to ask it.
import {el, put} from "../lib/dom.js";
import {get} from "../lib/api.js";
import {ago, bytes, duration, num, rate, whole} from "../lib/format.js";
import {code, empty, note, panel, pill, spark, table} from "../lib/ui.js";
import {Own} from "../lib/own.js";

const p = "otelcol_exporter_parquet_";

// queries are examples for DuckDB; the date is today's.
function queries(lake, day) {
  const from = (signal) => `read_parquet('${lake.replaceAll("'", "''")}/${signal}/**/*.parquet', hive_partitioning = true, union_by_name = true)`;
  return [
    ["Which services fail, and how often?", `SELECT service_name, count(*) AS requests, avg((status_code = 'error')::INT) AS error_rate\n  FROM ${from("traces")}\n WHERE date = '${day}' AND kind = 'server'\n GROUP BY service_name ORDER BY error_rate DESC;`],
    ["Which errors were logged most?", `SELECT service_name, body, count(*) AS n\n  FROM ${from("logs")}\n WHERE date = '${day}' AND severity_number >= 17\n GROUP BY ALL ORDER BY n DESC LIMIT 20;`],
    ["Which metrics have most points?", `SELECT metric_name, count(*) AS points\n  FROM ${from("metrics")}\n WHERE date = '${day}'\n GROUP BY metric_name ORDER BY points DESC LIMIT 20;`],
  ];
}

// partitions lists those that the last pass has seen, newest first.
function partitions(kept) {
  const rows = kept.signals.flatMap((s) => (s.newest_partitions || []).map((x) => ({...x, signal: s.signal})));
  return table([{key: "hour", title: "Hour (UTC)", class: "nowrap", cell: (r) => r.hour.startsWith("1970") ? "without a time" : r.hour.slice(0, 16).replace("T", " ")}, {key: "signal", title: "Signal"}, {key: "tenant", title: "Tenant", class: "break"}, {key: "files", title: "Files", num: true, cell: (r) => whole(r.files)}, {key: "bytes", title: "Size", num: true, cell: (r) => bytes(r.bytes)},
    {key: "pending", title: "", cell: (r) => r.pending ? pill("info", "to be merged") : ""}], rows, {sort: "hour", desc: true, limit: 30, label: "Newest partitions", empty: empty(kept.leader ? "No partition yet" : "Another process looks after the lake", kept.leader ? "Files appear half a minute after the first data; the next pass counts them." : "Its console lists the partitions.")});
}

export async function show(root, ctx) {
  if (!ctx.about.components.parquet) { put(root, empty("No lake here", "The exporter parquet writes everything into Parquet files. The profile standalone has it; a gateway has it with PENSTOCK_LAKE_URL.")); return; }
  const own = new Own(["rows", "files", "bytes", "refused"].map((n) => p + n));
  const counts = el("div", {class: "view"}), ask = el("div", {class: "view"});
  put(root, counts, ask);
  let kept = null, asked = 0, shown = "";
  await ctx.every(5, async () => {
    await own.refresh(ctx.signal);
    if (Date.now() - asked > 14000) {
      asked = Date.now();
      const [report, state] = await Promise.all([ctx.about.components.lake ? get("v1/lake/", ctx.signal) : null, get("console/v1/state", ctx.signal)]);
      kept = report;
      const lake = state.disks.flatMap((d) => d.paths).find((path) => /lake/.test(path)) || "lake";
      if (lake !== shown) {
        shown = lake;
        put(ask, panel("Ask it in SQL", el("p", {class: "muted"}, "For DuckDB, and with small changes for Spark, Trino and pyarrow. A condition on date leaves whole files unread; docs/sql.md has more questions, and views that have every attribute."), queries(lake, new Date().toISOString().slice(0, 10)).map(([title, text]) => [el("h3", {}, title), code(text)])));
      }
    }
    const rows = ["logs", "metrics", "traces"].map((signal) => ({signal, rows: own.last(p + "rows", {signal}), files: own.last(p + "files", {signal}), bytes: own.last(p + "bytes", {signal}), kept: kept?.signals.find((s) => s.signal === signal)})).filter((r) => r.rows !== null || r.kept);
    const n = (key, title, format = whole) => ({key, title, num: true, sort: (r) => r.kept?.[key] ?? -1, cell: (r) => r.kept ? format(r.kept[key]) : "–"});
    put(counts,
      kept?.last_error && note("warn", el("strong", {}, "The last problem, " + ago(kept.last_error_at) + ": "), el("span", {class: "break"}, kept.last_error)),
      panel("What is in it", table([{key: "signal", title: "Signal"}, n("files", "Files"), n("bytes", "Size", bytes), n("partitions", "Partitions"), n("pending_partitions", "To be merged"), n("merged_files", "Files merged"), n("expired_files", "Expired"),
        {key: "now", title: "Rows now", num: true, sort: (r) => own.rate(p + "rows", {signal: r.signal}), cell: (r) => rate(own.rate(p + "rows", {signal: r.signal}) ?? 0)}, {key: "", title: "", cell: (r) => spark(own.rates(p + "rows", {signal: r.signal}), r.signal + ": rows a second")}], rows, {empty: empty("Nothing was written since the start", "Files appear half a minute after the first data.")}),
        kept && el("p", {class: "muted"}, kept.leader ? "This process looks after the lake" : "Another process looks after the lake", kept.last_pass ? "; its last pass was " + ago(kept.last_pass) + " and took " + duration(kept.took_seconds) : "", ". Files are counted by a pass.")),
      kept && panel("Newest partitions", el("p", {class: "muted"}, "A partition holds one hour of one tenant: a query with a condition on date, hour or tenant reads only those."), partitions(kept)),
      panel("Written by this process since it started", table([{key: "signal", title: "Signal"}, {key: "rows", title: "Rows", num: true, cell: (r) => whole(r.rows ?? 0)}, {key: "files", title: "Files", num: true, cell: (r) => whole(r.files ?? 0)}, {key: "bytes", title: "Size", num: true, cell: (r) => bytes(r.bytes ?? 0)}, {key: "row", title: "A row", num: true, sort: (r) => r.bytes / r.rows, cell: (r) => r.rows ? bytes(r.bytes / r.rows) : "–"}, {key: "file", title: "Rows a file", num: true, sort: (r) => r.rows / r.files, cell: (r) => r.files ? num(r.rows / r.files) : "–"}], rows, {empty: "Nothing yet."})));
  });
}
