// A click on the head of a column sorts the rows of its table; another one turns them round.
const number = (text) => (/^-?[\d.]+ ?(%|times)?$/.test(text.trim()) ? Number.parseFloat(text) : NaN);
function compare(one, other) {
  const [a, b] = [number(one), number(other)];
  return Number.isNaN(a) || Number.isNaN(b) ? Number.isNaN(a) - Number.isNaN(b) || one.localeCompare(other) : a - b;
}
function sort(head) {
  const [body, column] = [head.closest("table").tBodies[0], head.cellIndex];
  const way = head.ariaSort === "descending" || !head.ariaSort ? 1 : -1;
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
  const rows = [...body.rows].sort((a, b) => way * compare(a.cells[column].innerText, b.cells[column].innerText));
  body.append(...rows);
}
document.addEventListener("DOMContentLoaded", () => {
  for (const head of document.querySelectorAll("thead th")) {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
  }
});
