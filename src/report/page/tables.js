// Sorts a table by the column whose heading is clicked; a second click turns the order round.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("th").forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const falling = heading.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const turn = falling ? -1 : 1;
      const key = (row) => {
        const cell = row.cells[column];
        return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent;
      };
      const compare = (left, right) => {
        const [a, b] = [key(left), key(right)];
        if (typeof a === "number" && typeof b === "number") return a - b;
        // Missing numbers go last, whatever the order.
        if (typeof a !== typeof b) return (typeof a === "number" ? -1 : 1) * turn;
        return a.localeCompare(b, "en", { numeric: true });
      };
      const rows = [...body.rows].sort((left, right) => turn * compare(left, right));
      body.append(...rows);
    });
  });
}
