"use strict";
// Draws what `/events` sends. Everything that comes from AWS is set as text, never as markup.

const LETTERS = {
  outdated: ["O", "on an older image, in its group"],
  leaving: ["L", "about to leave its group"],
  replacing: ["R", "left its group, waits for a replacement"],
  draining: ["D", "its tasks move away"],
  drained: ["E", "empty: every task has stopped"],
  retired: ["T", "deregistered, about to be terminated"],
  gone: ["G", "terminated"],
  current: ["C", "on the release"],
  returning: ["B", "on its way back to its group"],
  "set-aside": ["S", "set to DRAINING by somebody else: left alone"],
  foreign: ["F", "not the worker's to touch"],
};
const ORDER = Object.keys(LETTERS);
const MANY = 300;

const byId = (id) => document.getElementById(id);
const words = (phase) => phase.replace("-", " ");

/** An element with a class and children; strings become text. */
function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Changes only what is another, so that nothing is read aloud or selected away for nothing. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function name(element, attribute, text) {
  if (element.getAttribute(attribute) !== text) element.setAttribute(attribute, text);
}

/** Children by key, in this order: kept where they were there before. */
function keyed(parent, items, keyOf, create, update) {
  const before = new Map(Array.from(parent.children, (child) => [child.dataset.key, child]));
  let last = null;
  for (const item of items) {
    const key = keyOf(item);
    let child = before.get(key);
    if (child) before.delete(key);
    else {
      child = create(item);
      child.dataset.key = key;
    }
    update(child, item);
    const next = last ? last.nextSibling : parent.firstChild;
    if (next !== child) parent.insertBefore(child, next);
    last = child;
  }
  before.forEach((child) => child.remove());
}

// Times: the worker's clock, carried on by this browser's.
let told = null;
let toldAt = 0;
const now = () => Date.parse(told.at) + (performance.now() - toldAt);

function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}

/** A text that says how long ago this was, each second anew. */
function since(element, before, time, after) {
  element.dataset.since = time;
  element.dataset.before = before;
  element.dataset.after = after;
  age(element);
}

function age(element) {
  const { since, before, after } = element.dataset;
  say(element, `${before}${duration(now() - Date.parse(since))}${after}`);
}

const day = (time) => new Date(time).toISOString().slice(0, 10);
/** With its day, where that is another than now. */
function clock(time) {
  const text = new Date(time).toISOString().slice(11, 19);
  return day(time) === day(now()) ? text : `${day(time)} ${text}`;
}
function until(time) {
  const left = Date.parse(time) - now();
  return `, until ${clock(time)}${left > 0 ? ` (in ${duration(left)})` : ""}`;
}
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// What needs a look, the worst first.

const TONES = ["held", "soon", "paused", "stall"];
const MOST_STALLS = 5;
/** How old what is known may be: messages are received every few seconds, and rotations looked at every five minutes. */
const RECEIVED_WITHIN = 120e3;
const LOOKED_WITHIN = 20 * 60e3;

function alerts({ clusters, mode, received }) {
  const found = [];
  if (mode === "observe") {
    found.push({ key: "mode", tone: "paused", title: "This worker only observes", since: null, text: "it changes nothing: what is outdated stays so until a worker runs with --mode rotate", next: [] });
  }
  if (received && now() - Date.parse(received) > RECEIVED_WITHIN) {
    found.push({ key: "received", tone: "held", title: "The worker receives no messages", since: received, text: "its queue does not answer; why is in the log below", next: [] });
  }
  for (const { cluster, status, looked_at } of clusters) {
    if (!status) continue;
    const state = status.rotation?.state;
    if (state && state !== "closed" && now() - Date.parse(looked_at) > LOOKED_WITHIN) {
      found.push({ key: `old ${cluster}`, tone: "soon", title: `What is shown of ${cluster} is old`, since: looked_at, text: "it could not be looked at; why is in the log below", next: [] });
    }
    if (status.hold) {
      const held = state === "held";
      const title = held ? `${cluster} is held` : `${cluster} will be held`;
      found.push({ key: `hold ${cluster}`, tone: held ? "held" : "soon", title, since: held ? status.rotation.since : null, text: status.hold, next: status.to_do });
    } else if (state === "paused") {
      found.push({ key: `pause ${cluster}`, tone: "paused", title: `${cluster} is paused`, since: status.rotation.since, text: "a person has paused it: no further host is taken", next: status.to_do });
    }
    const stalled = status.in_flight.filter((host) => host.why);
    if (stalled.length > MOST_STALLS) {
      found.push({ key: `stalls ${cluster}`, tone: "stall", title: `${stalled.length - MOST_STALLS} more hosts of ${cluster} are kept waiting`, since: null, text: "they are among those on their way below", next: [] });
    }
    for (const host of stalled.slice(0, MOST_STALLS)) {
      const end = host.until ? until(host.until) : "";
      found.push({ key: `stall ${cluster} ${host.host}`, tone: "stall", title: `${host.host} of ${cluster} is kept waiting`, since: host.since, text: `${words(host.phase)}, waits for ${host.waits_for}${end}: ${host.why}`, next: [] });
    }
    for (const group of status.groups) {
      if (group.status === "unresolved") found.push({ key: `group ${cluster} ${group.group}`, tone: "stall", title: `${group.group} of ${cluster} is left as it is`, since: null, text: group.reason ?? "", next: [] });
    }
  }
  return found.sort((a, b) => TONES.indexOf(a.tone) - TONES.indexOf(b.tone));
}

function showAlerts(found) {
  byId("attention").hidden = found.length === 0;
  keyed(
    byId("alerts"),
    found,
    (alert) => alert.key,
    () => {
      const age = make("span", "since");
      // Read aloud when it appears, and not with every second.
      age.setAttribute("aria-live", "off");
      return make("article", "alert", make("h3"), age, make("p", "reason"), make("ul", "next"));
    },
    (element, alert) => {
      const [title, age, reason, next] = element.children;
      name(element, "class", `alert ${alert.tone}`);
      say(title, alert.title);
      age.hidden = !alert.since;
      if (alert.since) since(age, "for ", alert.since, "");
      say(reason, alert.text);
      keyed(
        next,
        alert.next,
        (way) => way.command,
        (way) => make("li", "", `${way.when}: `, make("code", "", way.command)),
        () => {},
      );
    },
  );
}

// One cluster.

function createCluster({ cluster }) {
  const title = make("h2", "", make("span", "name", cluster), make("span", "pill"));
  const bar = make("progress");
  bar.setAttribute("aria-label", `Progress of ${cluster}`);
  const parts = [title, make("p", "opened"), make("p", "progress", bar, make("span")), make("div", "groups"), make("ul", "flights"), make("p", "looked")];
  const section = make("section", "cluster", ...parts);
  section.setAttribute("aria-label", `Cluster ${cluster}`);
  parts[4].setAttribute("aria-label", `Hosts of ${cluster} on their way`);
  return section;
}

function updateCluster(section, { cluster, status, looked_at }) {
  const [title, opened, progress, groups, flights, looked] = section.children;
  const rotation = status?.rotation;
  const pill = title.children[1];
  name(pill, "class", `pill ${rotation?.state ?? "none"}`);
  if (!rotation) say(pill, status ? "no rotation yet" : "not looked at yet");
  else since(pill, rotation.state === "closed" ? "closed " : `${rotation.state} for `, rotation.since, rotation.state === "closed" ? " ago" : "");
  opened.hidden = !rotation;
  if (rotation) {
    const because = rotation.because ? `, opened by ${rotation.because}` : "";
    say(opened, `rotation ${rotation.id}${because}${rotation.forced ? ", forced" : ""}`);
  }
  progress.hidden = !status;
  if (status) {
    const [bar, text] = progress.children;
    bar.max = Math.max(1, status.hosts);
    bar.value = status.current;
    const left = status.left_seconds === null ? "" : `, about ${duration(status.left_seconds * 1000)} left`;
    const flying = status.in_flight.filter((host) => !["current", "outdated"].includes(host.phase)).length;
    say(text, `${status.current} of ${plural(status.hosts, "host")} done, ${flying} in flight${left}`);
  }
  keyed(groups, status?.groups ?? [], (group) => group.group, (group) => createGroup(cluster, group), (element, group) => updateGroup(element, group, status));
  keyed(flights, status?.in_flight ?? [], (host) => host.host, () => make("li", "", make("code"), make("b"), make("span"), make("span")), updateFlight);
  flights.hidden = flights.children.length === 0;
  looked.hidden = !looked_at;
  if (looked_at) since(looked, "everything looked at ", looked_at, " ago");
}

// One group: a row of cells, which is one stop for the keyboard.

function createGroup(cluster, { group }) {
  const cells = make("ul", "cells");
  cells.tabIndex = 0;
  cells.setAttribute("role", "listbox");
  cells.setAttribute("aria-label", `Hosts of ${group} in ${cluster}`);
  cells.id = `cells ${cluster} ${group}`.replaceAll(" ", "\u00a0");
  const detail = make("p", "detail");
  cells.addEventListener("keydown", (event) => move(event, cells));
  cells.addEventListener("click", (event) => event.target.closest(".cell") && choose(cells, event.target.closest(".cell")));
  cells.addEventListener("focus", () => chosen(cells) ?? choose(cells, cells.firstElementChild));
  return make("div", "group", make("h3", "", make("span", "name", group), make("span", "images")), make("p", "counts"), cells, detail, make("p", "waits"));
}

function updateGroup(element, group, status) {
  const [title, counts, cells, detail, waits] = element.children;
  const image = (launch) => (launch.in_use.id === launch.release.id ? launch.release.id : `${launch.in_use.id} → ${launch.release.id}`);
  const images = [...new Set(group.launches.map(image))].join(", ");
  say(title.children[1], group.reason ? `${words(group.status)}: ${group.reason}` : images);
  const phases = ORDER.filter((phase) => group.hosts[phase]?.length);
  say(counts, phases.map((phase) => `${group.hosts[phase].length} ${words(phase)}`).join(", ") || "no hosts");
  const going = new Map(status.in_flight.map((host) => [host.host, host]));
  const hosts = phases.flatMap((phase) => group.hosts[phase].map((id) => ({ id, phase, flight: going.get(id) })));
  // By name: a cell stays in its place while its host changes.
  hosts.sort((a, b) => (a.id < b.id ? -1 : 1));
  cells.classList.toggle("many", hosts.length > MANY);
  const at = Array.from(cells.children).indexOf(chosen(cells));
  keyed(cells, hosts, (host) => host.id, (host) => createCell(cells, host), updateCell);
  // Where the chosen host has gone, its neighbour is chosen.
  if (at >= 0 && !chosen(cells)) choose(cells, cells.children[Math.min(at, cells.children.length - 1)]);
  showChosen(cells, detail);
  const text = group.waits.join("; ");
  waits.hidden = !text;
  say(waits, text ? `waits: ${text}` : "");
}

function createCell(cells, { id }) {
  const cell = make("li", "cell");
  cell.id = `${cells.id}\u00a0${id}`;
  cell.setAttribute("role", "option");
  cell.setAttribute("aria-selected", "false");
  return cell;
}

function updateCell(cell, { id, phase, flight }) {
  const selected = cell.classList.contains("chosen") ? " chosen" : "";
  name(cell, "class", `cell ${phase}${selected}`);
  say(cell, LETTERS[phase][0]);
  const waits = flight?.waits_for ? `, waits for ${flight.waits_for}` : "";
  const tasks = phase === "draining" && flight?.tasks != null ? `, ${plural(flight.tasks, "task")} left` : "";
  const label = `${id} ${words(phase)}${tasks}${waits}`;
  name(cell, "aria-label", label);
  name(cell, "title", label);
}

const chosen = (cells) => cells.querySelector(".chosen");

function choose(cells, cell) {
  if (!cell) return;
  const before = chosen(cells);
  if (before) {
    before.classList.remove("chosen");
    before.setAttribute("aria-selected", "false");
  }
  cell.classList.add("chosen");
  cell.setAttribute("aria-selected", "true");
  cells.setAttribute("aria-activedescendant", cell.id);
  if (document.activeElement === cells) cell.scrollIntoView({ block: "nearest" });
  showChosen(cells, cells.nextElementSibling);
}

function showChosen(cells, detail) {
  const cell = chosen(cells);
  detail.hidden = !cell;
  if (cell) say(detail, cell.getAttribute("aria-label"));
}

function move(event, cells) {
  const all = Array.from(cells.children);
  const at = all.indexOf(chosen(cells));
  const row = Math.max(1, all.filter((cell) => cell.offsetTop === all[0]?.offsetTop).length);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + row, ArrowUp: at - row, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  choose(cells, all[Math.min(all.length - 1, Math.max(0, to))]);
}

// A host on its way.

function updateFlight(element, host) {
  const [id, phase, age, waits] = element.children;
  say(id, host.host);
  say(phase, words(host.phase));
  name(phase, "class", host.phase);
  if (host.since) since(age, "for ", host.since, "");
  else {
    delete age.dataset.since;
    say(age, "");
  }
  const tasks = host.phase === "draining" && host.tasks !== null ? `${plural(host.tasks, "task")} left` : "";
  const waits_for = host.waits_for ? `waits for ${host.waits_for}${host.until ? until(host.until) : ""}` : "";
  say(waits, [host.group, tasks, waits_for].filter(Boolean).join("; "));
}

// The log.

function showJournal(lines) {
  byId("said").hidden = lines.length === 0;
  const text = ({ at, level, message, cluster, rotation, group, host, ...fields }) => {
    const rest = Object.entries(fields).map(([field, value]) => `${field}=${value}`);
    return [cluster && `${cluster}:`, host, message, group && `(${group})`, ...rest].filter(Boolean).join(" ");
  };
  const items = lines.map((line, n) => ({ ...line, n })).reverse();
  keyed(
    byId("journal"),
    items,
    ({ n, ...line }) => JSON.stringify(line) + lines.slice(0, n).filter((other) => other.at === line.at && other.message === line.message).length,
    ({ n, ...line }) => make("li", line.level.toLowerCase(), make("time", "", clock(line.at)), make("b", "", line.level === "INFO" ? "" : line.level), make("span", "", text(line))),
    () => {},
  );
}

function showLegend() {
  for (const phase of ORDER) {
    const [letter, meaning] = LETTERS[phase];
    byId("legend").append(make("li", "", make("span", `cell ${phase}`, letter), make("b", "", words(phase)), ` ${meaning}`));
  }
}

function show() {
  const found = alerts(told);
  showAlerts(found);
  keyed(byId("clusters"), told.clusters, ({ cluster }) => cluster, createCluster, updateCluster);
  if (!told.clusters.length) byId("clusters").replaceChildren(make("p", "looked", told.counted ? "no cluster to look after: none has opted in" : "the clusters have not been counted yet"));
  showJournal(told.journal);
  say(byId("version"), `ecs-rotator ${told.version}. Times are UTC. This page only shows; what changes things is the command line.`);
  const held = found.filter((alert) => alert.tone === "held").length;
  document.title = held ? `(${held} held) ecs-rotator` : "ecs-rotator";
}

function link(text, tone) {
  say(byId("link"), text);
  name(byId("link"), "class", tone);
}

// The worker says something every 15 seconds at least: a connection that says nothing is none.
const SILENT_AFTER = 40e3;
const AGAIN_AFTER = [5e3, 10e3, 30e3];
let heardAt = performance.now();
let tries = 0;
let events = null;

function heard() {
  heardAt = performance.now();
  tries = 0;
}

function connect() {
  events?.close();
  events = new EventSource("events");
  events.onmessage = (event) => {
    heard();
    const next = JSON.parse(event.data);
    // Another worker has another page.
    if (told && told.version !== next.version) location.reload();
    told = next;
    toldAt = performance.now();
    show();
    link("live", "live");
  };
  events.addEventListener("beat", heard);
  events.addEventListener("trouble", (event) => {
    heard();
    link(`${event.data}: what is shown is old`, "lost");
  });
  events.onerror = () => {
    lost();
    // After an answer that is an error a browser does not try again by itself.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_AFTER[Math.min(tries++, AGAIN_AFTER.length - 1)]);
  };
}

function lost() {
  link(told ? "connection lost, trying again: what is shown is old" : "cannot be reached, or too many are looking: trying again", "lost");
}

showLegend();
connect();
setInterval(() => {
  if (performance.now() - heardAt > SILENT_AFTER && byId("link").className === "live") {
    lost();
    connect();
  }
  if (told) document.querySelectorAll("[data-since]").forEach(age);
}, 1000);
