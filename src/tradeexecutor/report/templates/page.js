"use strict";
(() => {
  const $ = id => document.getElementById(id);
  const root = document.documentElement;
  const printing = root.dataset.packed === "no";

  // Text is packed as gzip in base64: a fifth of the size, and nothing in it can end the script element.
  const decode = text => {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const characters = atob(text), bytes = new Uint8Array(characters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
    return bytes;
  };
  const unpack = async id => {
    if (printing) return $(id).textContent;
    const bytes = decode($(id).textContent);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };

  // --- Theme
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const themes = ["auto", "light", "dark"];
  const button = $("theme");
  const isDark = () => root.dataset.theme === "dark" || (root.dataset.theme === "auto" && dark.matches);
  const setTheme = name => {
    root.dataset.theme = name;
    button.textContent = "Theme: " + name;
    restyle();
  };
  button.hidden = false;
  button.onclick = () => setTheme(themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length]);
  dark.addEventListener("change", () => restyle());

  // --- Charts: drawn when they come near the screen; dark ones are the light ones with a few values replaced
  let data = null, library = null;
  const drawn = new Map();
  const coarse = matchMedia("(pointer: coarse)").matches;
  const loadPlotly = () => library ??= printing ? Promise.resolve() : unpack("plotly").then(code => {
    const script = document.createElement("script");
    script.textContent = code;
    document.head.append(script);
  });
  const follow = (tree, path) => path.reduce((node, key) => node[key], tree);
  const makeFigure = index => {
    const chart = data.charts[index];
    const figure = structuredClone(chart.figure);
    if (isDark()) {
      for (const [path, value] of chart.dark) follow(figure, path.slice(0, -1))[path.at(-1)] = value;
    }
    if (coarse) figure.layout.dragmode = false; // a finger scrolls the page
    return figure;
  };
  const config = {
    responsive: true, displaylogo: false, displayModeBar: coarse || printing ? false : "hover", showSendToCloud: false, plotlyServerURL: "",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };
  const draw = async element => {
    if (drawn.has(element)) return;
    drawn.set(element, isDark());
    await loadPlotly();
    const figure = makeFigure(element.dataset.chart);
    drawn.set(element, isDark());
    await Plotly.newPlot(element, figure.data, figure.layout, config);
  };
  const restyle = () => {
    for (const [element, was] of drawn) {
      if (was === isDark() || !element.classList.contains("js-plotly-plot")) continue;
      const figure = makeFigure(element.dataset.chart);
      drawn.set(element, isDark());
      Plotly.react(element, figure.data, figure.layout, config);
    }
  };
  const startCharts = () => {
    const elements = [...document.querySelectorAll(".chart")];
    if (printing) return Promise.all(elements.map(draw));
    const observer = new IntersectionObserver(entries => {
      for (const entry of entries) if (entry.isIntersecting) { observer.unobserve(entry.target); draw(entry.target); }
    }, { rootMargin: "300px" });
    elements.forEach(element => observer.observe(element));
    addEventListener("beforeprint", () => elements.forEach(draw));
  };

  // --- Tables: sorted, searched and paged here; a page is all that is ever in the document
  const two = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const digits = n => new Intl.NumberFormat("en", { maximumSignificantDigits: n });
  const six = digits(6), eight = digits(8), whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const usd = v => v && Math.abs(v) < 0.01 ? v.toPrecision(3) : two.format(v);
  const percent = v => (Math.abs(v) >= 100 ? whole : two).format(v * 100).replace("-0.00", "0.00") + " %";
  const span = v => {
    const h = v / 3600000;
    return h < 1 ? Math.round(h * 60) + " min" : h < 48 ? Math.round(h * 10) / 10 + " h" : Math.round(h / 2.4) / 10 + " d";
  };
  const formats = {
    id: v => "#" + v, text: v => v, count: v => whole.format(v), usd, profit: usd, span,
    time: v => new Date(v).toISOString().slice(0, 16).replace("T", " "),
    quantity: v => eight.format(v), price: v => Math.abs(v) >= 1000 ? two.format(v) : six.format(v),
    fraction: percent, gain: percent,
  };
  const isText = kind => kind === "text" || kind === "time" || kind === "id";
  const isSigned = kind => kind === "profit" || kind === "gain";
  const el = (tag, cls, text) => {
    const made = document.createElement(tag);
    if (cls) made.className = cls;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const makeTable = (box, table) => {
    const size = printing ? 60 : 25, count = table.columns[0].values.length;
    let order = Array.from({ length: count }, (_, i) => i), shown = order, page = 0;
    let sorted = table.sort, down = true, texts = null;
    const body = el("tbody"), info = el("span"), search = el("input");
    const heads = table.columns.map((column, i) => {
      const head = el("th", (isText(column.kind) ? "" : "right") + (column.minor ? " minor" : ""));
      const press = el("button", "", column.name);
      press.type = "button";
      press.onclick = () => {
        down = sorted === i ? !down : !isText(column.kind) || column.kind !== "text";
        sorted = i;
        sort();
      };
      head.append(press);
      return head;
    });
    const sort = () => {
      if (sorted !== null) {
        const values = table.columns[sorted].values, sign = down ? -1 : 1;
        const compare = table.columns[sorted].kind === "text"
          ? (a, b) => sign * (values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : 0) || a - b
          : (a, b) => sign * (values[a] - values[b]) || a - b;
        const known = order.filter(i => values[i] !== null).sort(compare);
        order = known.concat(order.filter(i => values[i] === null)); // what is unknown comes last either way
      }
      heads.forEach((head, i) => head.setAttribute("aria-sort", i === sorted ? (down ? "descending" : "ascending") : "none"));
      filter();
    };
    const filter = () => {
      const wanted = search.value.trim().toLowerCase();
      if (wanted) {
        texts ??= order.reduce((all, i) => {
          all[i] = table.columns.map(c => c.values[i] !== null && isText(c.kind) ? formats[c.kind](c.values[i]) : "").join(" ").toLowerCase();
          return all;
        }, []);
      }
      const words = wanted.split(/\s+/);
      shown = wanted ? order.filter(i => words.every(word => texts[i].includes(word))) : order;
      turn(0);
    };
    const turn = to => {
      const last = Math.max(Math.ceil(shown.length / size) - 1, 0);
      page = Math.min(Math.max(to, 0), last);
      const rows = shown.slice(page * size, (page + 1) * size).map(i => {
        const row = el("tr");
        for (const { kind, values, minor } of table.columns) {
          const value = values[i];
          const cell = el("td", (isText(kind) ? "" : "right") + (minor ? " minor" : ""), value === null ? "-" : formats[kind](value));
          if (isSigned(kind) && value) cell.classList.add(value > 0 ? "gain" : "loss");
          if (cell.textContent.length > 40) cell.title = cell.textContent; // cut off where it is too long
          row.append(cell);
        }
        return row;
      });
      body.replaceChildren(...rows);
      const from = shown.length ? page * size + 1 : 0;
      const of = shown.length === count ? whole.format(count) : `${whole.format(shown.length)} found of ${whole.format(count)}`;
      info.textContent = `${whole.format(from)}–${whole.format(Math.min((page + 1) * size, shown.length))} of ${of} `;
      controls.forEach(([press, forwards]) => { press.disabled = forwards ? page === last : page === 0; });
    };
    const controls = [["«", () => 0, false], ["‹", () => page - 1, false], ["›", () => page + 1, true], ["»", () => Infinity, true]].map(([text, to, forwards]) => {
      const press = el("button", "", text);
      press.type = "button";
      press.setAttribute("aria-label", { "«": "first page", "‹": "previous page", "›": "next page", "»": "last page" }[text]);
      press.onclick = () => turn(to());
      return [press, forwards];
    });
    search.type = "search";
    search.placeholder = "Search pair, id, status, date …";
    search.setAttribute("aria-label", "Search the table");
    let timer = 0;
    search.oninput = () => { clearTimeout(timer); timer = setTimeout(filter, 120); };
    const tools = el("div", "tools"), pages = el("span", "pages");
    pages.append(info, ...controls.flatMap(([press]) => [press, " "]));
    if (count > 5) tools.append(search);
    if (count > size) tools.append(pages);
    const element = el("table"), thead = el("thead"), line = el("tr"), scroll = el("div", "scroll");
    line.append(...heads);
    thead.append(line);
    element.append(thead, body);
    scroll.append(element);
    box.className = "table";
    box.replaceChildren(...(tools.childNodes.length ? [tools] : []), scroll);
    sort();
    if (printing && count > size) box.after(el("p", "note", `The first ${size} of ${whole.format(count)} rows.`));
  };

  setTheme(root.dataset.theme);
  unpack("data").then(text => {
    data = JSON.parse(text);
    for (const table of data.tables) makeTable($("table-" + table.name), table);
    if (printing) document.querySelectorAll("details").forEach(item => { item.open = true; });
    root.dataset.ready = Math.round(performance.now());
    return startCharts();
  }).then(() => { if (printing) root.dataset.drawn = "yes"; });
})();
