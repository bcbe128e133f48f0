// The routes of all listeners, for programs.
import {el, put} from "../lib/dom.js";
import {get} from "../lib/api.js";
import {panel, table} from "../lib/ui.js";

export async function show(root, ctx) {
  const {routes} = await get("v1/routes", ctx.signal);
  put(root, panel("", el("p", {}, "Programs can read all that this console shows. A key with one of the listed scopes may use a route; some routes are for operators only."),
    table([{key: "listener", title: "Listener"}, {key: "method", title: "Method", cell: (r) => r.method || "any"}, {key: "path", title: "Path", class: "mono break"}, {key: "scopes", title: "Scopes", sort: (r) => (r.scopes || []).join(), cell: (r) => (r.scopes || []).join(", ")}, {key: "operator", title: "Who", sort: (r) => String(Boolean(r.operator)), cell: (r) => r.operator ? "operators" : "everybody, their own"}, {key: "personal", title: "", cell: (r) => r.personal ? "audited" : ""}], routes, {limit: 1000, label: "Routes"})));
}
