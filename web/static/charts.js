// Draws every figure[data-chart] of a page with Plotly, in the colours of maeari.css.
"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 44rem)");

function inColour(value, styles) {
  if (typeof value === "string") {
    const name = /^var\((--[a-z0-9-]+)\)$/.exec(value);
    return name ? styles.getPropertyValue(name[1]).trim() : value;
  }
  if (Array.isArray(value)) return value.map((part) => inColour(part, styles));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, inColour(part, styles)]));
}

// Labels are texts with entities: they are cut between characters, never within an entity.
function shortened(label, longest) {
  const characters = label.match(/&(?:lt|gt|amp);|./gsu) || [];
  return characters.length > longest ? characters.slice(0, longest - 1).join("") + "…" : label;
}

function axis(own, letter, data, styles) {
  const made = {
    automargin: true, gridcolor: styles.getPropertyValue("--line").trim(), zeroline: false, fixedrange: true,
    ...own, title: { standoff: 12, ...own.title },
  };
  if (own.type === "category") {
    const labels = [...new Set(data.flatMap((trace) => trace[letter] || []))].map(String);
    if (labels.length <= 40) Object.assign(made, { tickvals: labels, ticktext: labels.map((one) => shortened(one, narrow.matches ? 18 : 40)) });
    // Beside long labels the title of their axis has no room on a phone; the table names them.
    if (narrow.matches && letter === "y") delete made.title;
  } else if (own.type === "date" && data.every((trace) => trace.type === "scatter")) {
    // Left alone, Plotly writes "May" beside the last day of April.
    const days = [...new Set(data.flatMap((trace) => trace[letter] || []))].sort().reverse();
    const step = Math.ceil(days.length / (narrow.matches ? 3 : 9));
    const shown = days.filter((_, place) => place % step === 0);
    Object.assign(made, { tickvals: shown, ticktext: shown });
  } else if (narrow.matches) {
    made.nticks = 4;
  }
  return made;
}

function draw(chart) {
  const styles = getComputedStyle(document.documentElement);
  const figure = inColour(JSON.parse(chart.querySelector("script[type='application/json']").textContent), styles);
  const plot = chart.querySelector(".plot");
  const text = styles.getPropertyValue("--text").trim();
  const layout = {
    height: 340, hovermode: "closest",
    ...figure.layout,
    dragmode: figure.config && !narrow.matches ? "pan" : false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: narrow.matches ? 12 : 13, color: text },
    margin: { l: 8, r: 8, t: 8, b: 8, pad: 4 },
    legend: { orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom" },
    hoverlabel: {
      bgcolor: styles.getPropertyValue("--raised").trim(), bordercolor: text, font: { color: text }, namelength: -1,
    },
    xaxis: axis(figure.layout.xaxis, "x", figure.data, styles),
    yaxis: axis(figure.layout.yaxis, "y", figure.data, styles),
  };
  const config = { responsive: true, displayModeBar: false, ...figure.config };
  return window.Plotly.react(plot, figure.data, layout, config).then(() => follow(plot));
}

// A point whose customdata begins with the id of a link on the page leads where that leads.
function linkOf(point) {
  const id = Array.isArray(point.customdata) ? point.customdata[0] : null;
  const link = typeof id === "string" ? document.getElementById(id) : null;
  return link instanceof HTMLAnchorElement ? link : null;
}

function follow(plot) {
  for (const name of ["plotly_click", "plotly_hover", "plotly_unhover"]) plot.removeAllListeners(name);
  plot.on("plotly_click", (event) => {
    const link = event.points.map(linkOf).find(Boolean);
    if (link) link.click();
  });
  plot.on("plotly_hover", (event) => plot.classList.toggle("leads", event.points.some(linkOf)));
  plot.on("plotly_unhover", () => plot.classList.remove("leads"));
}

function drawAll() {
  for (const chart of document.querySelectorAll("figure[data-chart]")) {
    const fallen = chart.querySelector(".undrawn");
    if (!window.Plotly) {
      fallen.hidden = false;
      continue;
    }
    draw(chart).then(
      () => {
        if (chart.dataset.chart === "drawn") return;
        chart.dataset.chart = "drawn";
        // Without a drawing the table is all there is, so it stands open until then.
        const table = chart.querySelector("details");
        if (table) table.open = false;
      },
      () => { fallen.hidden = false; },
    );
  }
}

drawAll();
dark.addEventListener("change", drawAll);
narrow.addEventListener("change", drawAll);
