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
  const isDark = () => !onPaper && (root.dataset.theme === "dark" || (root.dataset.theme === "auto" && dark.matches));
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
  const paperWidth = 680; // what A4 and Letter hold between their margins, in pixels
  let onPaper = printing;
  const makeFigure = index => {
    const chart = data.charts[index];
    const figure = structuredClone(chart.figure);
    if (isDark()) {
      for (const [path, value] of chart.dark) follow(figure, path.slice(0, -1))[path.at(-1)] = value;
    }
    if (coarse) figure.layout.dragmode = false; // a finger scrolls the page
    if (onPaper) Object.assign(figure.layout, { width: paperWidth, autosize: false, updatemenus: [] });
    return figure;
  };
  const config = {
    responsive: true, displaylogo: false, displayModeBar: coarse || printing ? false : "hover", showSendToCloud: false, plotlyServerURL: "",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };
  const isDrawn = element => element.classList.contains("js-plotly-plot");
  // Plotly draws before it returns, so that this is done in time for a printer.
  const drawNow = element => {
    drawn.set(element, isDark());
    const figure = makeFigure(element.dataset.chart);
    Plotly.newPlot(element, figure.data, figure.layout, config);
    if (data.charts[element.dataset.chart].fine) {
      element.on("plotly_relayout", change => { if (Object.keys(change).some(key => key.startsWith("xaxis"))) refineSoon(element); });
    }
  };
  const draw = async element => {
    if (drawn.has(element)) return;
    drawn.set(element, isDark());
    await loadPlotly();
    if (!isDrawn(element)) drawNow(element);
  };
  const redraw = element => {
    const figure = makeFigure(element.dataset.chart);
    drawn.set(element, isDark());
    Plotly.react(element, figure.data, figure.layout, config);
  };
  const restyle = () => {
    for (const [element, was] of drawn) if (was !== isDark() && isDrawn(element)) redraw(element);
  };
  const startCharts = () => {
    const elements = [...document.querySelectorAll(".chart")];
    if (printing) return Promise.all(elements.map(draw));
    const observer = new IntersectionObserver(entries => {
      for (const entry of entries) if (entry.isIntersecting) { observer.unobserve(entry.target); draw(entry.target); }
    }, { rootMargin: "300px" });
    elements.forEach(element => observer.observe(element));
    // Whoever prints does not wait: what draws is there before it is needed.
    if (elements.length) (globalThis.requestIdleCallback ?? setTimeout)(loadPlotly, { timeout: 1500 });
  };

  // --- Finer candles where the reader zooms in: they are unpacked when they are first asked for
  const mostCandles = 1000, fineCandles = new Map();
  const readCandles = index => {
    if (!fineCandles.has(index)) fineCandles.set(index, unpack("candles-" + index).then(text => {
      const { scale, t, o, h, l, c, v } = JSON.parse(text);
      const candles = { t: [], o: [], h: [], l: [], c: [], v };
      let time = 0, close = 0;
      for (let i = 0; i < t.length; i++) {
        time += t[i];
        const open = close + o[i];
        close = open + c[i];
        candles.t.push(time);
        candles.o.push(open / scale);
        candles.c.push(close / scale);
        candles.h.push((Math.max(open, close) + h[i]) / scale);
        candles.l.push((Math.min(open, close) - l[i]) / scale);
      }
      return candles;
    }));
    return fineCandles.get(index);
  };
  const toTime = value => {
    if (typeof value === "number") return value;
    const text = String(value).replace(" ", "T");
    return Date.parse(text.includes("T") ? text + "Z" : text);
  };
  const findCandle = (times, when) => {
    let low = 0, high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] < when) low = middle + 1; else high = middle;
    }
    return low;
  };
  const mergeCandles = (candles, from, to) => {
    const step = Math.max(Math.ceil((to - from) / mostCandles), 1), merged = { x: [], open: [], high: [], low: [], close: [], volume: [], text: [] };
    for (let start = from - from % step; start < to; start += step) {
      const end = Math.min(start + step, candles.t.length);
      let high = -Infinity, low = Infinity, volume = 0;
      for (let i = start; i < end; i++) {
        high = Math.max(high, candles.h[i]);
        low = Math.min(low, candles.l[i]);
        volume += candles.v ? candles.v[i] : 0;
      }
      const open = candles.o[start], close = candles.c[end - 1];
      merged.x.push(new Date(candles.t[start]).toISOString().slice(0, 19)); // of numbers plotly would make another axis
      merged.open.push(open);
      merged.high.push(high);
      merged.low.push(low);
      merged.close.push(close);
      merged.volume.push(volume);
      const change = (close / open - 1) * 100, price = formats.price;
      merged.text.push(`Open ${price(open)}<br>High ${price(high)}<br>Low ${price(low)}<br>Close ${price(close)}<br>${change < 0 ? "" : "+"}${two.format(change)}%` + (candles.v ? `<br>Volume ${whole.format(volume)}` : ""));
    }
    return merged;
  };
  const refine = async element => {
    const index = element.dataset.chart, { fine, figure } = data.charts[index];
    const overview = figure.data[fine.prices], candles = await readCandles(index);
    const axis = element.layout["xaxis" + (overview.xaxis ?? "x").slice(1)];
    const [from, to] = (axis.range ?? []).map(toTime);
    const first = Math.max(findCandle(candles.t, from) - 1, 0), last = Math.min(findCandle(candles.t, to) + 1, candles.t.length);
    const length = overview.x.length, seen = findCandle(overview.x.map(toTime), to) - findCandle(overview.x.map(toTime), from);
    const isWhole = axis.autorange || !(last - first > 1) || seen > length * 0.8;
    if (isWhole && !element.dataset.fine) return;
    const shown = isWhole ? overview : mergeCandles(candles, first, last);
    element.dataset.fine = isWhole ? "" : shown.x.length;
    const update = { x: [shown.x], open: [shown.open], high: [shown.high], low: [shown.low], close: [shown.close] };
    if (overview.text) update.text = [shown.text];
    await Plotly.restyle(element, update, [fine.prices]);
    if (fine.volume !== null && candles.v) {
      const bars = figure.data[fine.volume];
      const axis = "yaxis" + (bars.yaxis ?? "y").slice(1), range = figure.layout[axis]?.range;
      await Plotly.restyle(element, isWhole ? { x: [bars.x], y: [bars.y] } : { x: [shown.x], y: [shown.volume] }, [fine.volume]);
      // Behind the prices the volume keeps to the lowest fifth.
      if (range) await Plotly.relayout(element, { [axis + ".range"]: isWhole ? range : [0, 5 * Math.max(...shown.volume)] });
    }
  };
  const refining = new Map();
  const refineSoon = element => {
    clearTimeout(refining.get(element));
    refining.set(element, setTimeout(() => refine(element), 120));
  };

  // --- Printing from the browser: every chart as wide as the paper, every row, everything unfolded
  const tables = [];
  let unfolded = [];
  const unfold = () => {
    unfolded = [...document.querySelectorAll("details:not([open])")];
    unfolded.forEach(item => { item.open = true; });
    tables.forEach(table => table.showAll());
  };
  addEventListener("beforeprint", () => {
    if (printing || !data) return;
    onPaper = true;
    unfold();
    const elements = [...document.querySelectorAll(".chart")];
    root.dataset.incomplete = elements.length && !globalThis.Plotly ? "yes" : "";
    if (globalThis.Plotly) elements.forEach(element => isDrawn(element) ? redraw(element) : drawNow(element));
  });
  addEventListener("afterprint", () => {
    if (printing || !data) return;
    onPaper = false;
    unfolded.forEach(item => { item.open = false; });
    tables.forEach(table => table.showPage());
    for (const element of drawn.keys()) if (isDrawn(element)) redraw(element);
  });

  // --- Tables: sorted, searched and paged here; on the screen a page is all that is in the document
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
    const size = 25, count = table.columns[0].values.length;
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
    const makeRow = i => {
      const row = el("tr");
      for (const { kind, values, minor } of table.columns) {
        const value = values[i];
        const cell = el("td", (isText(kind) ? "" : "right") + (minor ? " minor" : ""), value === null ? "-" : formats[kind](value));
        if (isSigned(kind) && value) cell.classList.add(value > 0 ? "gain" : "loss");
        if (cell.textContent.length > 40) cell.title = cell.textContent; // cut off where it is too long
        row.append(cell);
      }
      return row;
    };
    const showAll = () => body.replaceChildren(...shown.map(makeRow));
    const turn = to => {
      const last = Math.max(Math.ceil(shown.length / size) - 1, 0);
      page = Math.min(Math.max(to, 0), last);
      if (printing) showAll();
      else body.replaceChildren(...shown.slice(page * size, (page + 1) * size).map(makeRow));
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
    tables.push({ showAll, showPage: () => turn(page) });
  };

  setTheme(root.dataset.theme);
  unpack("data").then(text => {
    data = JSON.parse(text);
    for (const table of data.tables) makeTable($("table-" + table.name), table);
    if (printing) unfold();
    root.dataset.ready = Math.round(performance.now());
    return startCharts();
  }).then(() => { if (printing) root.dataset.drawn = "yes"; });
})();
