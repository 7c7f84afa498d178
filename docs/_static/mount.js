// Put the live explorers over their static forms, which stay for print.
for (const table of document.querySelectorAll("[data-explorer]")) {
  const outputs = Array.from(table.closest(".cell_output").children);
  const live = document.createElement("div");
  live.className = "explorer-live";
  outputs[0].before(live);
  try {
    const { render, plainModel } = EXPLORERS[table.dataset.explorer]();
    render({ model: plainModel(JSON.parse(table.dataset.settings)), el: live });
    for (const output of outputs) output.classList.add("explorer-static");
  } catch (problem) {
    live.remove(); // the figure and the table remain
    console.error(problem);
  }
}
