// A click on a heading sorts the rows below it, each part of the table by itself; rows that span the table open a part.
const whole = row => row.cells.length === 1;
function key(row, column) {
  const text = row.cells[column]?.textContent.trim() ?? "";
  const number = text.replace(/\u2212/g, "-").match(/^-?[\d.,]+/);
  return number ? parseFloat(number[0].replace(/,/g, "")) : text;
}
function before(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a.localeCompare(b);
}
function parts(body) {
  const found = [[]];
  for (const row of body.rows) {
    if (whole(row) || row.classList.contains("part")) found.push([]);
    found.at(-1).push(row);
  }
  return found;
}
for (const table of document.querySelectorAll("table")) {
  const headings = [...(table.tHead?.rows[table.tHead.rows.length - 1]?.cells ?? [])];
  if (headings.some(heading => heading.colSpan > 1)) continue;
  const groups = parts(table.tBodies[0]);
  headings.forEach((heading, column) => {
    heading.setAttribute("aria-sort", "none");
    heading.tabIndex = 0;
    const sort = () => {
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      headings.forEach(other => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      for (const group of groups) {
        const rows = group.filter(row => !whole(row));
        const ruled = rows.some(row => row.classList.contains("part"));
        rows.sort((a, b) => sign * before(key(a, column), key(b, column)));
        if (ruled) rows.forEach((row, place) => row.classList.toggle("part", place === 0));
        table.tBodies[0].append(...group.filter(whole), ...rows);
      }
    };
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", event => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault(); // the space bar would scroll
      sort();
    });
  });
}
