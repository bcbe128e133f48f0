document.getElementById("decrypt").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const values = form.get("values").split("\n").map((line) => line.trim()).filter((line) => line);
  const {status, answer} = await post("decrypt", {tenant: form.get("tenant"), reason: form.get("reason"), values});
  document.getElementById("error").textContent = status === 200 ? "" : answer.error;
  document.getElementById("results").replaceChildren(...(answer.results || []).map((result, i) => {
    const row = document.createElement("tr");
    for (const text of [values[i], result.value || result.error || ""]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  }));
});
