document.getElementById("job").addEventListener("submit", async (event) => {
  event.preventDefault();
  const out = document.getElementById("answer");
  let spec;
  try {
    spec = JSON.parse(event.target.elements.spec.value);
  } catch (error) {
    out.textContent = error.message;
    return;
  }
  if (event.submitter.value === "dry") spec.dry_run = true;
  out.textContent = "…";
  const {status, answer} = await post(event.target.dataset.url, spec);
  out.textContent = status + "\n" + JSON.stringify(answer, null, 2);
});
