// The views, in the order of the menu. A view is a module with show(main, context); needs says whether this client and this collector have it, and hides it otherwise.
const has = (about, ...kinds) => kinds.some((kind) => about.components[kind]?.length);

export const views = [
  {id: "overview", title: "Overview", group: "Pipeline", load: () => import("./views/overview.js")},
  {id: "ledger", title: "Ledger", group: "Pipeline", load: () => import("./views/ledger.js"), needs: (a) => has(a, "ledger")},
  {id: "usage", title: "Usage", group: "Pipeline", load: () => import("./views/usage.js"), needs: (a) => has(a, "ledger")},
  {id: "metrics", title: "Metrics", group: "Data", load: () => import("./views/metrics.js")},
  {id: "logs", title: "Logs", group: "Data", load: () => import("./views/logs.js")},
  {id: "traces", title: "Traces", group: "Data", load: () => import("./views/traces.js")},
  {id: "lake", title: "Lake", group: "Data", load: () => import("./views/lake.js"), needs: (a) => a.operator},
  {id: "guard", title: "Guard", group: "Control", load: () => import("./views/guard.js")},
  {id: "rollups", title: "Rollups", group: "Control", load: () => import("./views/rollups.js"), needs: (a) => a.operator},
  {id: "scrubber", title: "Scrubber", group: "Control", load: () => import("./views/scrubber.js")},
  {id: "tap", title: "Tap", group: "Control", load: () => import("./views/tap.js"), needs: (a) => a.scopes.includes("read")},
  {id: "replay", title: "Replay", group: "Control", load: () => import("./views/replay.js")},
  {id: "deadletters", title: "Dead letters", group: "Control", load: () => import("./views/deadletters.js"), needs: (a) => a.operator},
  {id: "api", title: "APIs", group: "More", load: () => import("./views/api.js"), needs: (a) => a.operator},
];
