// The collector's own metrics, as the console remembers them: the last quarter of an hour.
import {get} from "./api.js";

export class Own {
  constructor(names) { this.names = names; this.times = []; this.series = new Map(); }

  // refresh asks for what is new.
  async refresh(signal) {
    const query = new URLSearchParams(this.names.map((n) => ["name", n]));
    if (this.times.length) query.set("after", this.times.at(-1));
    const answer = await get("console/v1/series?" + query, signal);
    const keep = Math.max(0, this.times.length + answer.times.length - 180);
    const old = this.times.length;
    this.times = [...this.times, ...answer.times].slice(keep);
    const next = new Map();
    for (const s of answer.series) {
      const key = s.name + JSON.stringify(Object.entries(s.labels).sort());
      const before = this.series.get(key)?.values || Array(old).fill(null);
      next.set(key, {name: s.name, labels: s.labels, values: [...before, ...s.values].slice(keep)});
    }
    this.series = next;
    return this;
  }

  pick(name, match = {}) {
    return [...this.series.values()].filter((s) => s.name === name && Object.entries(match).every(([k, v]) => typeof v === "function" ? v(s.labels[k]) : s.labels[k] === v));
  }

  // last is the sum of the last values, null where there is none.
  last(name, match) {
    const values = this.pick(name, match).map((s) => s.values.at(-1)).filter((v) => v !== null && v !== undefined);
    return values.length ? values.reduce((a, b) => a + b, 0) : null;
  }

  max(name, match) {
    const values = this.pick(name, match).map((s) => s.values.at(-1)).filter((v) => v !== null && v !== undefined);
    return values.length ? Math.max(...values) : null;
  }

  // sums are the sums of the values at each time.
  sums(name, match) { return this.join(this.pick(name, match).map((s) => s.values)); }

  // rates are increases a second between the times; a counter that was reset, or begins, counts as nothing.
  rates(name, match) {
    return this.join(this.pick(name, match).map((s) => s.values.map((v, i) => {
      const before = i > 0 ? s.values[i - 1] : null;
      return v === null || before === null || v < before ? null : (v - before) / ((this.times[i] - this.times[i - 1]) / 1000);
    })));
  }

  // rate is the mean of the last half minute.
  rate(name, match) {
    const recent = this.rates(name, match).filter((_, i) => this.times[i] > this.times.at(-1) - 30000).filter((v) => v !== null);
    return recent.length ? recent.reduce((a, b) => a + b, 0) / recent.length : null;
  }

  join(lists) {
    return this.times.map((_, i) => lists.reduce((sum, values) => values[i] === null || values[i] === undefined ? sum : (sum ?? 0) + values[i], null));
  }
}
