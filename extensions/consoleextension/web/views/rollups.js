// Rules at work: windows, lateness, and what they save.
import {el, put} from "../lib/dom.js";
import {get} from "../lib/api.js";
import {duration, num, rate, stamp, whole} from "../lib/format.js";
import {empty, facts, note, panel, spark, table} from "../lib/ui.js";
import {Own} from "../lib/own.js";

const own = new Own(["points", "emitted_points", "lost_points", "folded_points", "corrected_points", "streams", "input_streams", "watermark_lag"].map((n) => "otelcol_processor_window_rollup_" + n));
const p = "otelcol_processor_window_rollup_";
const why = {late: "came after their window was closed", baseline: "first of a cumulative stream: its increase is not known", future: "too far ahead", no_time: "without a time", no_value: "without a value", not_finite: "not finite", malformed: "malformed", no_temporality: "without temporality", stream_limit: "no room for another stream", stale: "marked stale", delta_repeated: "repeated"};

export async function show(root, ctx) {
  const ids = ctx.about.components.window_rollup || [];
  if (ids.length === 0) { put(root, empty("No pipeline has rollups", "window_rollup makes minutes and hours of raw points, which dashboards over months read. The profiles have it in front of a metrics store.")); return; }
  await ctx.every(5, async () => {
    const [answers] = await Promise.all([Promise.all(ids.map((id) => get(id + "/report.json", ctx.signal))), own.refresh(ctx.signal)]);
    const rolled = own.rate(p + "points", {outcome: "rolled"}) ?? 0, out = own.rate(p + "emitted_points") ?? 0;
    const lost = own.pick(p + "lost_points").map((s) => ({reason: s.labels.reason, n: s.values.at(-1) ?? 0})).filter((r) => r.n > 0);
    const in_ = own.last(p + "points", {outcome: "rolled"}) ?? 0, made = own.last(p + "emitted_points") ?? 0;
    put(root,
      panel("", el("div", {class: "row"}, facts(["Points rolled up", rate(rolled)], ["Points made", rate(out)], ["Since the start", whole(in_) + " became " + whole(made)], ["Streams that come out", whole(own.last(p + "streams"))], ["Behind the newest point", duration(own.max(p + "watermark_lag"))]), el("span", {class: "grow"}), spark(own.rates(p + "points"), "Points rolled up a second")),
        in_ > 0 && made > 0 && el("p", {class: "muted"}, made < in_ ? `A dashboard that reads rollups reads ${(in_ / made).toFixed(1)} times fewer samples than one that reads raw points.` : "So far rollups write more samples than they save: they save samples when several points of a stream fall into one window.")),
      answers.map((a, i) => [
        panel(ids[i], table([{key: "partition", title: "Partition"}, {key: "streams", title: "Streams", num: true, cell: (r) => whole(r.streams)}, {key: "input_streams", title: "Cumulative input streams", num: true, cell: (r) => whole(r.input_streams)}, {key: "sources", title: "Sources", num: true}, {key: "newest", title: "Newest point", cell: (r) => r.newest ? stamp(Date.parse(r.newest)) : ""}, {key: "closed_up_to", title: "Closed up to", cell: (r) => r.closed_up_to ? stamp(Date.parse(r.closed_up_to)) : ""}], a.partitions, {empty: "No partition is at work here."})),
        a.late.length > 0 && panel("Late points by metric", el("p", {class: "muted"}, "They arrived after their window had closed. A longer allowed_lateness includes such points; a replay by event time computes the windows again with them."), table([{key: "metric", title: "Metric", class: "mono break"}, {key: "points", title: "Points", num: true, cell: (r) => whole(r.points)}], a.late, {sort: "points"}))]),
      panel("Points that windows lack", table([{key: "reason", title: "Reason", cell: (r) => [el("code", {}, r.reason), el("span", {class: "muted"}, " " + (why[r.reason] || ""))]}, {key: "n", title: "Points", num: true, cell: (r) => whole(r.n)}], lost, {sort: "n", empty: note("good", "None.")})));
  });
}
