const all = (query, from = document) => [...from.querySelectorAll(query)];
const [theme] = all("#theme"), page = document.documentElement.dataset;
theme.hidden = false;
theme.onclick = () => {
  const isDark = page.theme ? page.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  page.theme = isDark ? "light" : "dark";
};
for (const table of all("table.sorts")) {
  const body = table.tBodies[0], heads = all("th", table), few = table.dataset.few;
  const sort = (head, column) => {
    const isNumber = head.className, up = head.ariaSort ? head.ariaSort === "descending" : !isNumber;
    heads.forEach(other => other.ariaSort = null);
    head.ariaSort = up ? "ascending" : "descending";
    const keyOf = cell => isNumber ? parseFloat(cell.dataset.v ?? cell.firstChild.value) : cell.textContent;
    const compared = (a, b) => isNumber ? isNaN(a) - isNaN(b) || a - b : a.localeCompare(b, "en");
    const keyed = [...body.rows].map(row => [keyOf(row.cells[column]), row.dataset.i, row]);
    keyed.sort((a, b) => (up ? 1 : -1) * compared(a[0], b[0]) || a[1] - b[1]);
    body.append(...keyed.map(row => row[2]));
  };
  heads.forEach((head, column) => {
    head.innerHTML = `<button type="button">${head.innerHTML}</button>`;
    head.firstChild.onclick = () => sort(head, column);
  });
  if (!few) continue;
  table.parentElement.insertAdjacentHTML("afterend", '<button type="button" class="more"></button>');
  const more = table.parentElement.nextSibling, every = "all " + body.rows.length;
  more.onclick = () => more.textContent = `Show ${table.classList.toggle("few") ? every : few} rows`;
  more.click();
}
for (const section of all("section:has(.plot):has(table)")) {
  const [head, ...rows] = section.querySelector("table").rows, read = section.querySelector(".read");
  const marks = all(".plot [data-i]", section), places = [...new Set(marks.map(mark => +mark.dataset.i))];
  let at = -1;
  const show = place => {
    at = Math.max(0, Math.min(places.length - 1, place));
    marks.forEach(mark => mark.classList.toggle("now", +mark.dataset.i === places[at]));
    const cells = [...rows[places[at]].cells];
    read.textContent = cells.map((cell, i) => `${head.cells[i].textContent} ${cell.textContent}`).join(" · ");
  };
  const far = (mark, x, {left, right} = mark.getBoundingClientRect()) => Math.abs(left + right - 2 * x);
  for (const svg of places.length ? all(".plot svg", section) : []) {
    svg.tabIndex = 0;
    svg.onkeydown = event => {
      const step = {ArrowRight: 1, ArrowLeft: -1, ArrowUp: 1, ArrowDown: -1, Home: -1e9, End: 1e9}[event.key];
      if (step) event.preventDefault(show(at + step));
    };
    svg.onpointermove = ({target, x}) => {
      const [near] = all("path ~ [data-i]", svg).sort((a, b) => far(a, x) - far(b, x));
      const mark = target.closest("[data-i]") ?? near;
      if (mark) show(places.indexOf(+mark.dataset.i));
    };
    read.textContent = "Point at a plot, or press ← → on it, to read.";
  }
}
