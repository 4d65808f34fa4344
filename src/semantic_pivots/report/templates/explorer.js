"use strict";
// The explorer's page. Data come as scripts that call `received`, so that it works from files as well as from a server.
const at = id => document.getElementById(id);
const loaded = new Map(), waiting = new Map();
let index = null, state = {}, request = null;
const MARKS = {target: "●", source: "◀", elsewhere: "○", pivot: "◆"};
const NAMES = {target: "the target word", source: "the source word", elsewhere: "the word in a further language", pivot: "semantic pivot"};
const TAGS = {zh: "zh-Hans"};

window.received = (name, value) => { loaded.set(name, value); (waiting.get(name) || (() => {}))(value); };
function load(name, file) {
  if (loaded.has(name)) return Promise.resolve(loaded.get(name));
  return new Promise((done, failed) => {
    waiting.set(name, done);
    const script = document.createElement("script");
    script.src = file;
    script.onerror = () => failed(new Error("missing: " + file));
    document.head.append(script);
  });
}
function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "class") node.className = value; else if (name === "style") node.style.cssText = value; else node.setAttribute(name, value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}
const word = (text, code) => make("bdi", code ? {lang: TAGS[code] || code} : {}, text);
const percent = p => p === null || p === undefined ? "" : p >= 0.0995 ? Math.round(100 * p) + " %" : p >= 0.001 ? (100 * p).toFixed(1) + " %" : "< 0.1 %";
const number = x => x === null || x === undefined ? "—" : Math.abs(x) >= 1000 ? Math.round(x).toLocaleString("en") : x && Math.abs(x) < 1e-3 ? x.toExponential(1) : Number(x.toPrecision(3)).toString();
const kindOf = kind => kind || "none";
const folded = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const heading = text => make("h3", {}, text);

function readState() { state = Object.fromEntries(new URLSearchParams(location.hash.slice(1))); }
function link(change) { return "#" + new URLSearchParams({...state, live: "", ...change}).toString().replace(/&?live=(?=&|$)/, ""); }
function go(change) { location.hash = link(change); }

function list() {
  const query = folded(at("search").value.trim());
  const rows = index.concepts.map(([concept, words, pivots]) => {
    const texts = [concept, ...Object.values(words)].map(folded), of = pivots.map(folded);
    const rank = !query ? 0 : texts.some(t => t === query) ? 0 : texts.some(t => t.startsWith(query)) ? 1 : texts.some(t => t.includes(query)) ? 2 : of.some(t => t === query) ? 3 : 9;
    return {concept, words, rank};
  }).filter(row => row.rank < 9).sort((a, b) => a.rank - b.rank).slice(0, 200);
  const focused = at("results").contains(document.activeElement);
  at("results").replaceChildren(...rows.map(({concept, words, rank}) => {
    const a = make("a", {href: link({concept})}, make("b", {}, concept), " ", make("small", {}, ...Object.entries(words).flatMap(([code, text]) => [word(text, code), " "])), rank === 3 ? make("small", {}, "(a pivot)") : null);
    if (concept === state.concept) a.setAttribute("aria-current", "true");
    a.tabIndex = -1;
    return make("li", {}, a);
  }));
  // one stop of the tabulator, from which the arrows lead on
  const stop = at("results").querySelector("a[aria-current]") || at("results").querySelector("a");
  if (stop) stop.tabIndex = 0;
  if (focused) (stop || at("search")).focus();
  if (!rows.length) at("results").append(make("li", {class: "soft"}, index.live ? "Not in the benchmark; read it by the field beside the list." : "Not in the benchmark."));
}

function strip(path) {
  const layers = path.entropy.length, every = Math.ceil(layers / 12);
  const box = make("div", {class: "strip", id: "path"});
  for (const [text, kind, note, probs] of path.first) {
    const best = probs.reduce((top, p, i) => p !== null && p > (probs[top] || 0) ? i : top, 0);
    const beside = note.split(/,? ?bytes /)[0]; // what the bytes of an unfinished character begin is told by the title alone
    const told = `${text}${kind ? ", " + NAMES[kind] : ""}${note ? ", " + note : ""}: most after layer ${best}, ${percent(probs[best])}`;
    box.append(
      make("div", {class: kindOf(kind), title: note || NAMES[kind] || ""}, make("span", {class: "mark", "aria-hidden": "true"}, (MARKS[kind] || "") + " "), word(text), beside ? make("small", {class: "soft"}, " " + beside) : null),
      make("div", {class: "cells " + kindOf(kind), role: "img", "aria-label": told}, ...probs.map((p, i) => make("span", {style: `--p:${Math.sqrt(p || 0).toFixed(3)}`, title: `layer ${i}: ${p === null ? "not among the first ten" : percent(p)}`}))));
  }
  box.append(make("div", {class: "soft"}, "layer"), make("div", {class: "cells axis", "aria-hidden": "true"}, ...path.entropy.map((_, i) => make("span", {}, i % every ? "" : String(i)))));
  return box;
}
function layers(path) {
  const box = make("div", {class: "layers", id: "path"}, make("span", {}, "layer"), make("span", {}, "nats"), make("span", {class: "soft"}, "first tokens"));
  path.layers.forEach((tokens, i) => box.append(make("span", {}, String(i)), make("span", {}, path.entropy[i] === null ? "" : path.entropy[i].toFixed(2)), make("div", {}, ...tokens.map(([text, kind, note, p]) =>
    make("span", {class: "chip " + kindOf(kind), style: `--p:${p}`, title: [NAMES[kind], note].filter(Boolean).join(", ")}, make("span", {"aria-hidden": "true"}, MARKS[kind] ? MARKS[kind] + " " : ""), word(text), " ", make("small", {class: "soft"}, percent(p)))))));
  return box;
}
function pathOf(path) { return state.view === "layers" ? layers(path) : strip(path); }
const LEGEND = make("p", {class: "soft"}, ...Object.entries(MARKS).flatMap(([kind, mark]) => [make("span", {class: kind}, make("span", {class: "mark"}, mark)), " " + NAMES[kind] + "\u2003"]));

function masses(path) {
  const box = make("div", {id: "masses", role: "img", "aria-label": "probability of source, pivots, another pair's pivots and target by layer"});
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const lines = [["target", "target word", "solid"], ["source", "source word", "solid"], ["pivot", "pivots", "solid"], ["pivot_null", "another pair's pivots", "dot"]].filter(([name]) => (path.masses[name] || []).some(p => p !== null));
  if (!lines.length) return null;
  const draw = () => Plotly.react(box, lines.map(([name, title, dash]) => ({
    x: path.entropy.map((_, i) => i), y: path.masses[name].map(p => p === null ? null : Math.max(p, 1e-7)), name: title, mode: "lines",
    line: {dash, width: 2, color: `rgb(${css(name === "pivot_null" ? "--other" : "--" + name)})`}, hovertemplate: "layer %{x}: %{y:.3g}<extra>" + title + "</extra>",
  })), {
    height: box.clientWidth < 500 ? 340 : 270, margin: {l: 60, r: 10, t: 10, b: 40}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: {color: css("--ink"), family: css("--sans")},
    legend: {orientation: "h", y: 1.02, yanchor: "bottom"}, xaxis: {title: {text: "layer"}, gridcolor: css("--grid")}, yaxis: {type: "log", dtick: 1, exponentformat: "power", tickfont: {size: 9.6}, gridcolor: css("--grid"), automargin: true, title: {text: "probability", standoff: 8}},
  }, {displayModeBar: false, responsive: true});
  requestAnimationFrame(draw);
  matchMedia("(prefers-color-scheme: dark)").onchange = draw;
  return box;
}

function score(item, from) {
  if (!item.candidates.length) return [];
  const best = item.candidates[0][2] || 1;
  const rank = item.candidates.findIndex(row => row[1]) + 1;
  const told = rank === 1 ? "The right source makes the target most probable." : `The right source has rank ${rank} of ${item.candidates.length}.`;
  const answers = item.answers.map(([text, right]) => `“${text.trim()}” (${right ? "right" : "wrong"})`).join(", ");
  return [heading("Score against the wrong sources"), make("p", {class: "soft"}, told + " Probability of the target's mean token after each." + (answers ? " The model's own answer: " + answers + "." : "")),
    make("table", {}, ...item.candidates.map(([text, own, p]) => make("tr", {}, make(own ? "th" : "td", {style: "width:8rem"}, word(text, from)), make("td", {class: "wide"}, make("div", {class: "bar " + (own ? "source" : "none"), style: `width:${Math.max(1, 100 * p / best)}%`})), make("td", {class: "num"}, percent(p)))))];
}
function pivots(item) {
  const rows = item.pivots.map(([text, code, value, q]) => make("tr", {}, make("th", {class: "pivot"}, word(text, code), code ? make("small", {class: "soft"}, " the concept's word, " + code) : null), make("td", {class: "num"}, number(value)), make("td", {class: "num"}, q === null ? "" : "q " + number(q))));
  return [heading("Semantic pivots"), rows.length ? make("table", {}, ...rows) : make("p", {class: "soft"}, item.why_none ? "None: " + item.why_none + "." : item.documents ? "None." : "The study has not looked for any.")];
}
// One line with both words marked where both are around the same letters; else a line around each.
function marked(lines) {
  const text = lines[0].join("");
  if (lines.some(line => line.join("") !== text)) return lines.map(([before, middle, after]) => [before, make("mark", {}, middle), after]);
  const parts = [];
  let end = 0;
  for (const [before, middle] of [...lines].sort((a, b) => a[0].length - b[0].length)) {
    if (before.length < end) continue;
    parts.push(text.slice(end, before.length), make("mark", {}, middle));
    end = before.length + middle.length;
  }
  return [[...parts, text.slice(end)]];
}

// Comes after the rest, since its first reading goes through the corpus.
async function showContext(number, name, direction) {
  const passages = (await load("context-" + number, `data/context-${number}.js`))[direction], box = at("context");
  if (box && box.dataset.of === name + " " + direction) box.replaceChildren(...context(passages));
}
function context(passages) {
  if (!passages.length) return [];
  return [heading("In documents"), make("p", {class: "soft"}, `Words beside each other in the corpus; the shortest documents among its first ${index.limit / 1e6} MB.`), ...passages.map(passage =>
    make("div", {class: "passage pivot"}, ...marked(passage.lines).map(parts => make("p", {dir: "auto"}, ...parts)), make("p", {class: "soft"}, word(passage.of), ": ", word(passage.source), ", ", word(passage.id))))];
}
function counts(data, item, from, to) {
  const rows = data.words.map(([code, text, count, source]) => make("tr", {}, make("td", {}, code), make("th", {}, word(text, code)), make("td", {class: "num"}, count === null ? "—" : count.toLocaleString("en")), make("td", {class: "soft"}, source)));
  if (item.pair !== null) rows.push(make("tr", {}, make("td", {}, `${from}, ${to}`), make("th", {}, "both in one document"), make("td", {class: "num"}, item.pair.toLocaleString("en")), make("td", {})));
  return [heading("Words and documents that hold them"), make("table", {}, ...rows)];
}
function behaviour(item) {
  const rows = item.behaviour.map(([rule, lens, label, peak, token]) => make("tr", {}, make("td", {}, rule + (lens === "none" ? "" : `, ${lens} lens`)), make("th", {}, label), make("td", {class: "soft"}, peak === null ? "" : `surest after layer ${peak}: `, peak === null ? null : word(token))));
  const c = item.causal, told = c.told !== undefined && c.told !== null ? `Told by the source word ${number(c.told)} nats; link ${number(c.link)} [${number(c.link_low)}, ${number(c.link_high)}], need ${number(c.need)} [${number(c.need_low)}, ${number(c.need_high)}], ${number(c.control_sets)} control sets.` : "";
  return rows.length ? [heading("Behaviour"), make("table", {}, ...rows), make("p", {class: "soft"}, told)] : [];
}
function neighbours(data) {
  return [heading("Go on to"), make("ul", {id: "neighbours"}, ...data.neighbours.map(([concept, why]) => make("li", {}, make("a", {href: link({concept})}, concept), make("small", {class: "soft"}, " " + why))))];
}

async function show() {
  readState();
  list();
  if (request) request.abort();
  at("live-state").textContent = "";
  if (state.live) return showLive();
  const absent = state.concept && !index.concepts.some(row => row[0] === state.concept) ? state.concept : "";
  if (absent || !state.concept) { state.concept = (index.concepts[0] || [""])[0]; }
  const name = state.concept, number = index.concepts.findIndex(row => row[0] === name);
  at("main").setAttribute("aria-busy", "true");
  const data = await load("concept-" + number, `data/concept-${number}.js`);
  if (name !== state.concept || state.live) return;  // the user has moved on
  const isLost = at("body").contains(document.activeElement);
  const directions = Object.keys(data.items);
  const direction = directions.includes(state.direction) ? state.direction : directions[0];
  const item = data.items[direction], [from, to] = direction.split("-");
  const lenses = Object.keys(item.paths), lens = lenses.includes(state.lens) ? state.lens : lenses[0];
  at("head").replaceChildren(make("h2", {tabindex: "-1"}, word(item.source, from), " → ", word(item.target, to)), make("p", {class: "soft"}, `${name}: ${index.languages[from]} to ${index.languages[to]}` + (absent ? `. The run has no concept ${absent}.` : "")));
  document.title = `\u2068${item.source}\u2069 → \u2068${item.target}\u2069, ${index.study}`;
  fill(at("direction"), directions.map(key => [key, key.replace("-", " → ")]), direction);
  at("live-direction").value = direction;
  fill(at("lens"), lenses.map(key => [key, key]), lens);
  at("view").value = state.view === "layers" ? "layers" : "first";
  at("controls").hidden = false;
  const path = item.paths[lens];
  const top = path ? [heading("What the model would answer after each layer"), LEGEND, pathOf(path), masses(path)] : [make("p", {class: "soft"}, "The study has no trace of this item.")];
  at("body").replaceChildren(...top.filter(Boolean), make("div", {class: "columns"}, make("div", {}, ...pivots(item)), make("div", {}, ...score(item, from)), make("div", {}, ...counts(data, item, from, to)), make("div", {}, ...behaviour(item))), make("div", {id: "context", "data-of": name + " " + direction}, heading("In documents"), make("p", {class: "soft"}, "reading the corpus …")), ...neighbours(data));
  showContext(number, name, direction);
  at("main").setAttribute("aria-busy", "false");
  if (isLost) at("head").querySelector("h2").focus();  // the link that was followed is gone
}
function fill(select, options, value) {
  select.replaceChildren(...options.map(([key, title]) => make("option", {value: key}, title)));
  select.value = value;
}

async function showLive() {
  const {signal} = request = new AbortController();
  const direction = state.direction || Object.keys(index.languages).slice(0, 2).join("-");
  const kind = state.kind === "prompt" ? "prompt" : "words";
  at("live-kind").value = kind;
  at("live-text").value = state.live;
  at("live-direction").value = direction;
  at("live-state").textContent = "reading …";
  at("main").setAttribute("aria-busy", "true");
  try {
    const response = await fetch("live?" + new URLSearchParams({[kind]: state.live, direction}), {signal});
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    const codes = [...new Set([...Object.keys(index.languages), ...direction.split("-")])], every = codes.flatMap(a => codes.filter(b => a !== b).map(b => `${a}-${b}`));
    fill(at("direction"), every.map(key => [key, key.replace("-", " → ")]), direction);
    at("view").value = state.view === "layers" ? "layers" : "first";
    const lenses = Object.keys(answer.words[0].paths), lens = lenses.includes(state.lens) ? state.lens : lenses[0];
    fill(at("lens"), lenses.map(key => [key, key]), lens);
    at("controls").hidden = false;
    at("head").replaceChildren(make("h2", {}, "Read now" + (kind === "words" ? `: ${answer.words.map(w => w.source).join(", ")}` : "")), make("p", {class: "soft"}, answer.model));
    document.title = `${state.live}, ${index.study}`;
    at("body").replaceChildren(LEGEND, ...answer.words.flatMap(w => [kind === "words" ? make("h3", {}, word(w.source), " → ", word(w.target || "?")) : heading("What the model would answer after the prompt"), pathOf(w.paths[lens]), make("details", {}, make("summary", {class: "soft"}, "the prompt"), make("pre", {dir: "auto"}, w.prompt))]));
    at("live-state").textContent = `${answer.seconds.toFixed(1)} s`;
  } catch (error) {
    if (error.name !== "AbortError") at("live-state").textContent = error.message;
  }
  if (!signal.aborted) at("main").setAttribute("aria-busy", "false");
}

at("search").addEventListener("input", list);
at("direction").addEventListener("change", event => go(state.live ? {direction: event.target.value, live: state.live} : {direction: event.target.value}));
at("lens").addEventListener("change", event => go(state.live ? {lens: event.target.value, live: state.live} : {lens: event.target.value}));
at("view").addEventListener("change", event => go(state.live ? {view: event.target.value, live: state.live} : {view: event.target.value}));
at("turn").addEventListener("click", () => go({direction: at("direction").value.split("-").reverse().join("-"), ...(state.live ? {live: state.live} : {})}));
at("live").addEventListener("submit", event => { event.preventDefault(); const live = at("live-text").value; if (live.trim()) go({live, kind: at("live-kind").value, direction: at("live-direction").value.trim() || at("direction").value}); });
at("live-text").addEventListener("keydown", event => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); at("live").requestSubmit(); } });
addEventListener("hashchange", show);
addEventListener("keydown", event => {
  const links = [...at("results").querySelectorAll("a")], place = links.indexOf(document.activeElement);
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName);
  if (event.key === "/" && !typing) { event.preventDefault(); at("search").focus(); at("search").select(); }
  else if (event.key === "ArrowDown" && (document.activeElement === at("search") || place >= 0)) { event.preventDefault(); (links[place + 1] || links[0])?.focus(); }
  else if (event.key === "ArrowUp" && place >= 0) { event.preventDefault(); (links[place - 1] || at("search")).focus(); }
  else if (event.key === "Enter" && document.activeElement === at("search")) links[0]?.click();
});
load("index", "data/index.js").then(value => {
  index = value;
  at("study").textContent = index.study;
  at("model").textContent = index.model;
  at("live").hidden = !index.live;
  show();
});
