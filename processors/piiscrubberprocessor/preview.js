
const form = document.getElementById("preview");

// show writes the findings into the text, each as text: positions are bytes of UTF-8.
function show(text, answer) {
  const bytes = new TextEncoder().encode(text);
  const part = (from, to) => new TextDecoder().decode(bytes.slice(from, to));
  const marked = document.getElementById("marked");
  const table = document.getElementById("findings");
  marked.textContent = "";
  table.textContent = "";
  let from = 0;
  for (const f of answer.findings) {
    marked.append(part(from, f.start));
    const mark = document.createElement("mark");
    mark.textContent = part(f.start, f.end);
    mark.title = f.detector + ": " + f.evidence;
    marked.append(mark);
    from = f.end;
    const row = table.insertRow();
    for (const cell of [f.detector, f.action, f.evidence, part(f.start, f.end)]) row.insertCell().textContent = cell;
  }
  marked.append(part(from, bytes.length));
  if (answer.findings.length === 0) table.insertRow().insertCell().textContent = "nothing";
  document.getElementById("scrubbed").textContent = answer.text;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const error = document.getElementById("error");
  error.textContent = "";
  const text = form.elements.text.value;
  try {
    const {status, answer} = await post("preview", {text});
    if (status !== 200) {
      error.textContent = answer.error || "status " + status;
      return;
    }
    show(text, answer);
  } catch (e) {
    error.textContent = String(e);
  }
});

// list shows the captured lines; one that is chosen is shown below as a text that was entered is.
function list(lines) {
  const table = document.getElementById("lines");
  table.textContent = "";
  if (lines.length === 0) table.insertRow().insertCell().textContent = "nothing came";
  for (const line of lines) {
    const row = table.insertRow();
    row.insertCell().textContent = line.key ? line.signal + ", " + line.key : line.signal;
    row.insertCell().textContent = line.findings.map((f) => f.detector).join(", ");
    const button = document.createElement("button");
    button.textContent = "Show";
    button.addEventListener("click", () => show(line.text, {text: line.scrubbed, findings: line.findings}));
    row.insertCell().append(button);
    row.insertCell().textContent = line.scrubbed;
  }
}

const take = document.getElementById("capture");

take.addEventListener("submit", async (event) => {
  event.preventDefault();
  const error = document.getElementById("error");
  const {reason, lines, seconds, found} = take.elements;
  error.textContent = "waiting";
  try {
    const {status, answer} = await post("capture", {reason: reason.value, lines: Number(lines.value), seconds: Number(seconds.value), found: found.checked});
    error.textContent = status === 200 ? "" : answer.error || "status " + status;
    if (status === 200) list(answer.lines);
  } catch (e) {
    error.textContent = String(e);
  }
});
