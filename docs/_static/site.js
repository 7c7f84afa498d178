// A button beside program text that copies it. Without a clipboard (an old browser) there is none.
if (navigator.clipboard) {
  for (const block of document.querySelectorAll(".highlight > pre")) {
    if (block.closest(".cell_output")) continue;
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "copy", textContent: "Copy" });
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.textContent.trimEnd() + "\n");
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    block.parentElement.append(button);
    block.parentElement.classList.add("copied");
  }
}
