"use strict";
// Draws the figures, opens and closes what is folded, and on a page that is served asks for what changed.

const PRINTED_WIDTH = 680;

function draw(figure) {
  const plot = figure.querySelector(".plot");
  const spec = JSON.parse(figure.querySelector("script").textContent);
  const config = {responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"]};
  if (plot.clientWidth < 560) narrow(spec);
  return Plotly.react(plot, spec.data, spec.layout, config);
}

// On a narrow screen the legend needs a row for each line: they are given to the figure, not taken from it.
function narrow({data, layout}) {
  layout.margin = {...layout.margin, l: 45, r: 12};
  if (layout.showlegend !== false) layout.height += 20 * data.length;
  layout.xaxis.nticks = layout.yaxis.nticks = 5;
}

function drawAll(root) {
  root.querySelectorAll("figure").forEach(draw);
}

// A printed page has a width of its own, and shows what is folded.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach(one => { one.open = true; });
  document.querySelectorAll(".plot").forEach(plot => Plotly.relayout(plot, {width: PRINTED_WIDTH, autosize: false}));
});
addEventListener("afterprint", () => {
  folded.forEach(one => { one.open = false; });
  document.querySelectorAll(".plot").forEach(plot => Plotly.relayout(plot, {width: null, autosize: true}));
});

// A link to something folded opens what it is in.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let one = target; one; one = one.parentElement) {
    if (one.tagName === "DETAILS") one.open = true;
  }
}
addEventListener("hashchange", openTarget);

addEventListener("click", event => {
  const open = event.target.dataset && event.target.dataset.open;
  if (!open) return;
  event.target.closest("section").querySelectorAll("details").forEach(one => { one.open = open === "yes"; });
});

// Sections that changed take the place of what they were; what a reader had opened stays open.
function replace(key, html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const fresh = holder.content.firstElementChild, old = document.getElementById(key);
  if (old) {
    const open = new Set([...old.querySelectorAll("details[open]")].map(nameOf));
    fresh.querySelectorAll("details").forEach(one => { one.open = open.has(nameOf(one)); });
    keepPlots(old, fresh);
    old.replaceWith(fresh);
  } else {
    document.getElementById("sections").append(fresh);
  }
  drawAll(fresh);
}

function nameOf(details) {
  return details.id || details.querySelector("summary").textContent;
}

// A figure that is there already is drawn anew in its place, so that a reader's zoom stays.
function keepPlots(old, fresh) {
  fresh.querySelectorAll("figure").forEach(figure => {
    const same = old.querySelector("#" + CSS.escape(figure.id) + " .plot");
    if (same) figure.querySelector(".plot").replaceWith(same);
  });
}

function order(keys) {
  const main = document.getElementById("sections");
  keys.forEach((key, place) => {
    const section = document.getElementById(key);
    if (main.children[place] !== section) main.insertBefore(section, main.children[place] || null);
  });
  [...main.children].filter(one => !keys.includes(one.id)).forEach(one => one.remove());
}

const SECONDS = 3;
let version = document.body.dataset.live, failures = 0;

async function refresh() {
  if (!document.hidden) {
    try {
      const answer = await fetch("changes?since=" + encodeURIComponent(version));
      if (!answer.ok) throw new Error(answer.statusText);
      const changes = await answer.json();
      failures = 0;
      version = changes.version;
      if (changes.keys) {
        Object.entries(changes.sections).forEach(([key, html]) => replace(key, html));
        order(changes.keys);
        document.getElementById("contents").outerHTML = changes.contents;
      }
      document.getElementById("standing").outerHTML = changes.standing;
      if (changes.is_last) return;
    } catch (error) {
      failures += 1;
      document.getElementById("standing").innerHTML = "<strong>no answer from lion-search serve</strong>";
    }
  }
  setTimeout(refresh, 1000 * SECONDS * Math.min(10, 1 + failures));
}

drawAll(document);
openTarget();
if (version) setTimeout(refresh, 1000 * SECONDS);
