"""Look and behaviour of the tables' web pages: light and dark, rows sorted by a click on a heading."""

__all__ = ["SCRIPT", "STYLE"]

STYLE = """
:root { color-scheme: light dark; --text: #111; --muted: #555; --page: #fff; --rule: #999; --alarm: #b00020; }
@media (prefers-color-scheme: dark) {
  :root { --text: #eee; --muted: #b4b4b4; --page: #16181c; --rule: #777; --alarm: #ff8a95; }
}
body { font-family: Georgia, "Times New Roman", serif; margin: 1.5rem; color: var(--text); background: var(--page); }
h1 { font-size: 1.15rem; }
p, dl { max-width: 48rem; line-height: 1.4; font-size: 0.9rem; color: var(--muted); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 0.8rem; }
dt { color: var(--text); }
dd { margin: 0; }
[role=region] { overflow-x: auto; max-width: max-content; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; font-size: 0.92rem; }
th, td { padding: 0.18rem 0.6rem; text-align: right; white-space: nowrap; }
th { font-weight: normal; }
thead tr:last-child th { border-bottom: 1px solid; }
thead th[aria-sort] { cursor: pointer; }
thead th[aria-sort=ascending]::after { content: " \\25B4"; }
thead th[aria-sort=descending]::after { content: " \\25BE"; }
th[colspan]:not([colspan="1"]) { border-bottom: 1px solid var(--rule); }
.text th, .text td { text-align: left; }
.text td { white-space: normal; vertical-align: top; }
tr.part td { border-top: 1px solid; padding-top: 0.5rem; }
small { color: var(--muted); }
.diverged { color: var(--alarm); }
/* Names of rows stay in sight while a wide table scrolls. */
th:first-child:not([colspan]), td:first-child:not([colspan]) { position: sticky; left: 0; background: var(--page); }
.text td:nth-child(2) { min-width: 14rem; }
@media (max-width: 40rem) {
  body { margin: 0.8rem; }
  th, td { padding: 0.18rem 0.4rem; }
}
"""

# A click on a heading sorts the rows below it, each part of the table by itself; rows that span the table open a part.
SCRIPT = """
const whole = row => row.cells.length === 1;
function key(row, column) {
  const text = row.cells[column]?.textContent.trim() ?? "";
  const number = text.replace(/\\u2212/g, "-").match(/^-?[\\d.,]+/);
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
"""
