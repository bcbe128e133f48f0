// What PromQL has, and what can stand at a place of a query.

export const functions = ("abs absent absent_over_time avg_over_time ceil changes clamp clamp_max clamp_min count_over_time day_of_month day_of_week day_of_year days_in_month delta deriv exp floor histogram_avg histogram_count histogram_fraction " +
  "histogram_quantile histogram_stddev histogram_sum hour idelta increase irate label_join label_replace last_over_time ln log10 log2 max_over_time min_over_time minute month predict_linear present_over_time quantile_over_time rate resets round scalar sgn sort sort_by_label sort_desc sqrt " +
  "stddev_over_time sum_over_time time timestamp vector year").split(" ");
export const aggregations = "avg bottomk count count_values group max min quantile stddev sum topk".split(" ");

// place says what can stand at the caret: {kind: "expr" | "label" | "value" | "range", word, start, metric, label}.
export function place(text, caret) {
  const before = text.slice(0, caret);
  let quote = "", quoteAt = 0, brace = -1, bracket = -1;
  for (let i = 0; i < before.length; i++) {
    const c = before[i];
    if (quote) {
      if (c === "\\" && quote !== "`") i++;
      else if (c === quote) quote = "";
    } else if (c === '"' || c === "'" || c === "`") { quote = c; quoteAt = i + 1; }
    else if (c === "{") brace = i;
    else if (c === "}") brace = -1;
    else if (c === "[") bracket = i;
    else if (c === "]") bracket = -1;
  }
  const word = /[\w:.]*$/.exec(before)[0];
  if (brace >= 0) {
    const metric = /([a-zA-Z_:][\w:]*)\s*$/.exec(before.slice(0, brace))?.[1] || "";
    if (quote) return {kind: "value", word: before.slice(quoteAt), start: quoteAt, metric, label: /([\w.]+)\s*(?:=~|!~|!=|=)\s*.$/.exec(before.slice(0, quoteAt))?.[1] || ""};
    return {kind: "label", word, start: caret - word.length, metric};
  }
  if (quote) return {kind: "none", word: "", start: caret};
  if (bracket >= 0) return {kind: "range", word, start: caret - word.length};
  if (/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*$/.test(before)) return {kind: "label", word, start: caret - word.length, metric: /([a-zA-Z_:][\w:]*)\s*(?:\{|\[|$)/.exec(text.slice(caret).replace(/^[^(]*\(/, ""))?.[1] || ""};
  return {kind: "expr", word, start: caret - word.length};
}

// ranked returns the candidates that have the word in them, those that begin with it first.
export function ranked(candidates, word, limit = 40) {
  const w = word.toLowerCase(), first = [], then = [];
  for (const c of candidates) {
    const text = c.text.toLowerCase();
    if (text === w) continue;
    if (text.startsWith(w)) first.push(c); else if (w.length > 1 && text.includes(w)) then.push(c);
    if (first.length >= limit) break;
  }
  return [...first, ...then].slice(0, limit);
}
