// Questions to the store of logs and traces.
import {get, lines} from "./api.js";
import {ranked} from "./promql.js";

const api = "console/logs/select/logsql/";
const header = (signal) => signal === "traces" ? {ProjectID: "1"} : {};

// field is a name as LogsQL takes it, whatever is in it.
export const field = (name) => /^[a-zA-Z_][\w.]*$/.test(name) ? name : JSON.stringify(name);
export const equals = (name, value) => field(name) + ":=" + JSON.stringify(value);

export function ask(signal, what, params, abort) { return get(api + what + "?" + new URLSearchParams(params), abort, header(signal)); }

// rows returns what a query finds, as objects.
export async function rows(signal, params, abort) {
  const all = [];
  await lines(api + "query?" + new URLSearchParams(params), abort, (row) => all.push(row), header(signal));
  return all;
}

// tail calls each with every row that comes, until it is aborted.
export function tail(signal, params, abort, each) { return lines(api + "tail?" + new URLSearchParams(params), abort, each, header(signal)); }

export const time = (ms) => new Date(ms).toISOString();

// completion proposes fields, and values behind a field and a colon.
export function completion(signal, range, abort) {
  const known = new Map();
  const once = (what, params) => {
    const key = what + JSON.stringify(params);
    if (!known.has(key)) known.set(key, ask(signal, what, {query: "*", ...range(), ...params}, abort).then((a) => a.values).catch((e) => { known.delete(key); throw e; }));
    return known.get(key);
  };
  return async (text, caret) => {
    const before = text.slice(0, caret);
    const value = /(?:^|[\s({,!-])("(?:[^"\\]|\\.)*"|[\w.]+)(:=?|=)("?)([^"\s]*)$/.exec(before);
    if (value) {
      let name = value[1];
      if (name.startsWith('"')) name = JSON.parse(name);
      const values = await once("field_values", {field: name, limit: 200});
      return {start: caret - value[4].length - value[3].length, list: ranked(values.map((v) => ({text: v.value, kind: v.hits + " hits", insert: JSON.stringify(v.value) + " "})), value[4])};
    }
    const word = /[\w.]*$/.exec(before)[0];
    if (word === "" && before.trim() !== "" && !/[\s({]$/.test(before)) return {start: caret, list: []};
    const names = await once("field_names", {});
    return {start: caret - word.length, list: ranked(names.filter((n) => !n.value.startsWith("penstock_")).map((n) => ({text: n.value, kind: "field", insert: field(n.value) + ":", more: true})), word)};
  };
}
