// The network of words: a slider over periods, labels that do not overlap, zoom, and a picture to keep.
"use strict";

const WAIT_MS = 150;
const WHOLE = { "xaxis.range": [-1.12, 1.12], "yaxis.range": [-1.15, 1.1] };
let wanted = null;

// The most frequent words come first: each is labelled unless its label would lie on one that is.
function arrangeLabels(plot) {
  const { xaxis, yaxis, font } = plot._fullLayout;
  const pen = arrangeLabels.pen || (arrangeLabels.pen = document.createElement("canvas").getContext("2d"));
  pen.font = `${font.size}px ${font.family}`;
  const traces = plot.data.map((trace, number) => ({ trace, number })).filter(({ trace }) => trace.hovertext);
  const words = traces.flatMap(({ trace }, at) => trace.hovertext.map((label, place) => ({ label, at, place, size: trace.marker.size[place], trace })));
  words.sort((one, other) => other.size - one.size);
  const shown = traces.map(({ trace }) => trace.hovertext.map(() => ""));
  const boxes = [];
  for (const { label, at, place, size, trace } of words) {
    const half = pen.measureText(label).width / 2 + 1;
    const x = xaxis.l2p(trace.x[place]), y = yaxis.l2p(trace.y[place]) + size / 2;
    const box = [x - half, y, x + half, y + font.size + 3];
    if (boxes.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
    boxes.push(box);
    shown[at][place] = label;
  }
  if (traces.some(({ trace }, at) => shown[at].some((label, place) => label !== trace.text[place]))) {
    window.Plotly.restyle(plot, { text: shown }, traces.map(({ number }) => number));
  }
}

function attend(plot) {
  plot.removeAllListeners("plotly_relayout");
  plot.on("plotly_relayout", () => arrangeLabels(plot));
  arrangeLabels(plot);
}

function zoom(plot, how) {
  if (how === "all") return window.Plotly.relayout(plot, WHOLE);
  const factor = how === "in" ? 0.7 : 1 / 0.7;
  const ranges = ["xaxis", "yaxis"].map((axis) => {
    const [low, high] = plot.layout[axis].range;
    const middle = (low + high) / 2, reach = ((high - low) / 2) * factor;
    return [`${axis}.range`, [middle - reach, middle + reach]];
  });
  return window.Plotly.relayout(plot, Object.fromEntries(ranges));
}

function save(plot, name) {
  const page = getComputedStyle(document.documentElement).getPropertyValue("--page").trim();
  const layout = { ...plot.layout, paper_bgcolor: page, plot_bgcolor: page, margin: { l: 20, r: 20, t: 20, b: 40 } };
  const picture = { format: "png", width: 1600, height: 1200, scale: 1, filename: name };
  return window.Plotly.downloadImage({ data: plot.data, layout }, picture);
}

function listen(shown) {
  const plot = shown.querySelector("#network .plot");
  for (const button of shown.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => zoom(plot, button.dataset.zoom));
  for (const button of shown.querySelectorAll("[data-save]")) button.addEventListener("click", () => save(plot, button.dataset.save));
}

function redraw(shown) {
  const chart = shown.querySelector("figure[data-chart]");
  if (!chart || !window.Plotly) return Promise.resolve();
  return draw(chart).then(() => {
    attend(chart.querySelector(".plot"));
    chart.dataset.chart = "drawn";
  });
}

async function show(period) {
  wanted = period;
  const address = new URL(window.location.href);
  address.searchParams.set("period", period);
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("#shown");
  if (wanted !== period) return;
  if (!answer.ok || !fresh) {
    window.location.assign(address);
    return;
  }
  const old = document.querySelector("#shown");
  const [drawn, empty] = [old, fresh].map((one) => one.querySelector("#network .plot"));
  // The drawing is kept, so that it changes and does not flicker.
  if (drawn && empty) empty.replaceWith(drawn);
  old.replaceWith(fresh);
  window.history.replaceState(null, "", address);
  const select = document.querySelector("#filters select[name=period]");
  if (select) select.value = period;
  listen(fresh);
  await redraw(fresh);
}

function slide() {
  const slider = document.querySelector("#slider");
  if (!slider) return;
  const [starts, names] = JSON.parse(slider.querySelector("script").textContent);
  const range = slider.querySelector("input"), told = slider.querySelector("output");
  let timer = 0;
  const move = () => {
    const at = Number(range.value);
    told.textContent = names[at];
    range.setAttribute("aria-valuetext", names[at]);
    window.clearTimeout(timer);
    timer = window.setTimeout(() => show(starts[at]), WAIT_MS);
  };
  range.addEventListener("input", move);
  for (const button of slider.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      range.value = String(Number(range.value) + Number(button.dataset.step));
      move();
    });
  }
  slider.hidden = false;
}

slide();
listen(document);
// charts.js draws what stands on the page at first.
const first = document.querySelector("#network");
if (first && window.Plotly) {
  const attendFirst = () => attend(first.querySelector(".plot"));
  if (first.dataset.chart === "drawn") attendFirst();
  else new MutationObserver((_, watch) => {
    if (first.dataset.chart !== "drawn") return;
    watch.disconnect();
    attendFirst();
  }).observe(first, { attributes: true, attributeFilter: ["data-chart"] });
}
