"use strict";
(() => {
  const root = document.documentElement, all = (query, from = document) => [...from.querySelectorAll(query)];
  const theme = document.getElementById("theme"), dark = matchMedia("(prefers-color-scheme: dark)");
  theme.hidden = false;
  theme.onclick = () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  };
  const valueOf = (row, column) => {
    const cell = row.cells[column], number = cell.dataset.v ?? cell.querySelector("data")?.value;
    if (number === undefined) return cell.textContent;
    return number === "Infinity" ? Infinity : number === "-Infinity" ? -Infinity : parseFloat(number);
  };
  const compared = (a, b) => {
    if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b), "en");
    return Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b;
  };
  all("table.sorts").forEach(table => all("th", table).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const up = head.getAttribute("aria-sort") === "descending" ||
        (!head.hasAttribute("aria-sort") && !head.classList.contains("n"));
      all("th", table).forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows].map(row => [valueOf(row, column), row]);
      rows.sort((a, b) => (up ? 1 : -1) * compared(a[0], b[0]) || a[1].dataset.i - b[1].dataset.i);
      table.tBodies[0].append(...rows.map(pair => pair[1]));
    };
  }));
  all("table[data-few]").forEach(table => {
    const more = document.createElement("button"), count = table.tBodies[0].rows.length;
    more.type = "button";
    more.className = "more";
    const fold = few => {
      table.classList.toggle("few", few);
      more.textContent = few ? `Show all ${count.toLocaleString("en")} rows` : `Show ${table.dataset.few} rows`;
    };
    more.onclick = () => fold(!table.classList.contains("few"));
    fold(true);
    table.parentElement.after(more);
  });
  all("section").forEach(section => {
    const svgs = all(".plot svg", section), read = section.querySelector(".read"), table = section.querySelector("table");
    if (!svgs.length || !table) return;
    const rows = [...table.tBodies[0].rows], heads = all("th", table).map(head => head.textContent);
    const indices = [...new Set(all(".plot [data-i]", section).map(mark => +mark.dataset.i))];
    let at = -1;
    const show = place => {
      at = Math.max(0, Math.min(indices.length - 1, place));
      all(".plot .now", section).forEach(mark => mark.classList.remove("now"));
      all(`.plot [data-i="${indices[at]}"]`, section).forEach(mark => mark.classList.add("now"));
      const cells = [...rows[indices[at]].cells];
      read.textContent = cells.map((cell, i) => `${heads[i]} ${cell.textContent}`).join(" · ");
    };
    svgs.forEach(svg => {
      svg.setAttribute("tabindex", "0");
      svg.onkeydown = event => {
        const step = {ArrowRight: 1, ArrowLeft: -1, ArrowUp: 1, ArrowDown: -1, Home: -1e9, End: 1e9}[event.key];
        if (step === undefined) return;
        event.preventDefault();
        show(at < 0 && step > 0 ? Math.min(step - 1, 0) : at + step);
      };
      svg.onpointermove = event => {
        const far = mark => {
          const box = mark.getBoundingClientRect();
          return Math.abs(box.x + box.width / 2 - event.clientX);
        };
        const mark = event.target.closest("[data-i]") ?? (svg.querySelector("path") &&
          all("[data-i]", svg).reduce((near, one) => far(one) < far(near) ? one : near));
        if (mark) show(indices.indexOf(+mark.dataset.i));
      };
    });
    read.textContent = "Point at a plot, or press ← → on it, to read it.";
  });
})();
