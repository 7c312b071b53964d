// Tables are sorted by a click on the head of a column. Without this script they are plain tables.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
  if (!body || body.rows.length < 3 || heads.some((head) => !head.textContent.trim())) continue;
  const text = (row, column) => row.cells[column].textContent.trim();
  const number = (row, column) => Number(text(row, column).replaceAll(",", "") || NaN);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.classList.add("sorts");
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const rows = [...body.rows];
      const numbers = rows.every((row) => !Number.isNaN(number(row, column)));
      const order = (a, b) =>
        numbers ? number(a, column) - number(b, column) : text(a, column).localeCompare(text(b, column));
      rows.sort((a, b) => (down ? order(b, a) : order(a, b)));
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...rows);
    });
  });
}
