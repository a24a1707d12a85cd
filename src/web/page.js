"use strict";
// Draws what `/events` sends. Everything that comes from AWS is set as text, never as markup.

// By the order of a row of cells: done, on their way (the furthest first), waiting, left alone. So a row is its own progress bar.
const DONE = "done", GOING = "going", WAITING = "waiting", APART = "apart";
const PHASES = {
  current: ["C", "on its group's release", DONE],
  canary: ["K", "canary: the first new host of its group bakes, before others follow", DONE],
  retired: ["T", "deregistered, to be terminated", GOING],
  drained: ["E", "empty: every task has stopped", GOING],
  draining: ["D", "its tasks move away", GOING],
  replacing: ["R", "has left its group, its replacement starts", GOING],
  leaving: ["L", "about to leave its group", GOING],
  returning: ["\u21a9", "on its way back to its group", GOING],
  outdated: ["O", "on an older image, in its group", WAITING],
  behind: ["B", "stays on the image before: a newer one was rejected", WAITING],
  unknown: ["?", "its group's release is not known", WAITING],
  ending: ["X", "its group has begun to end it", APART],
  "set-aside": ["S", "set to DRAINING or Standby by someone else: left alone", APART],
  foreign: ["F", "not the worker's to touch", APART],
};
const ORDER = Object.keys(PHASES);
const inStage = (stage) => ORDER.filter((phase) => PHASES[phase][2] === stage);
/** Groups with more hosts have smaller cells. */
const MANY = 60;
/** Of a longer list so many are shown, and the rest is folded. */
const SHOWN = 5;
const EVENTS_SHOWN = 12;

const byId = (id) => document.getElementById(id);
const words = (phase) => phase.replace("-", " ");
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);
const isGoing = (host) => PHASES[host.phase]?.[2] === GOING;

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

/** The same, and nothing at all where there is nothing to say. */
function sayIf(element, text) {
  element.hidden = !text;
  say(element, text ?? "");
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

/** A list of which the first are shown, and the rest is folded. */
const createFolded = (className) => make("div", className, make("ul"), make("details", "", make("summary"), make("ul")));

function fold(element, items, shown, more, ...rest) {
  const [first, details] = element.children;
  const left = items.length - shown;
  keyed(first, items.slice(0, shown), ...rest);
  keyed(details.children[1], items.slice(shown), ...rest);
  details.hidden = left <= 0;
  say(details.children[0], more(left));
  element.hidden = !items.length;
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

/** To the second, as the log has it: 2m 32s. */
function exactly(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "m"], [seconds % 60, "s"]];
  return parts.filter(([n]) => n).map(([n, unit]) => n + unit).join(" ") || "0s";
}

/** A text that says how long ago this was, each second anew. */
function since(element, before, time, after) {
  Object.assign(element.dataset, { since: time, before, after });
  age(element);
}

/** When it will have been too long; or how long it has been so. */
function deadline(element, time) {
  element.dataset.limit = "";
  since(element, "times out in ", time, "");
}

function notSince(element, text) {
  delete element.dataset.since;
  say(element, text);
}

function age(element) {
  const { since, before, after, limit } = element.dataset;
  const ago = now() - Date.parse(since);
  if (limit === undefined) return say(element, `${before}${duration(ago)}${after}`);
  element.classList.toggle("trouble", ago > 0);
  say(element, `${ago > 0 ? "overdue for " : before}${duration(Math.abs(ago))}`);
}

const day = (time) => new Date(time).toISOString().slice(0, 10);
/** With its day, where that is another than now. */
function clock(time) {
  const text = new Date(time).toISOString().slice(11, 19);
  return day(time) === day(now()) ? text : `${day(time)} ${text}`;
}

// Links to AWS's consoles: of the partition that the region is of. Of others none is known.

function consoleOf(region, path) {
  const domain = region.startsWith("cn-") ? "amazonaws.cn" : region.startsWith("us-gov-") ? "amazonaws-us-gov.com" : "aws.amazon.com";
  const known = /^[a-z]{2}(-gov)?-[a-z]+-\d+$/.test(region);
  return known ? `https://${region}.console.${domain}/${path}` : null;
}

const consoles = {
  cluster: (region, cluster) => consoleOf(region, `ecs/v2/clusters/${encodeURIComponent(cluster)}/infrastructure?region=${region}`),
  host: (region, id) => consoleOf(region, `ec2/home?region=${region}#InstanceDetails:instanceId=${encodeURIComponent(id)}`),
  group: (region, group) => consoleOf(region, `ec2/home?region=${region}#AutoScalingGroupDetails:id=${encodeURIComponent(group)};view=details`),
};

/** A name that leads to its console, in a window that knows nothing of this one. */
function leads(url, className, text) {
  if (!url) return make("span", className, text);
  const link = make("a", className, text);
  link.href = url;
  link.rel = "noopener noreferrer";
  link.target = "_blank";
  return link;
}

const command = (text) => make("code", "command", text);

// How far a cluster is.

const label = (image) => image.name ?? image.id;
const withAge = (image) => label(image) + (image.age_days == null ? "" : ` (${image.age_days} d)`);
const hostsIn = (group, phase) => group.hosts[phase]?.length ?? 0;
const stateOf = (status) => status?.rotation?.state ?? "none";
const isOver = (state) => state.startsWith("closed");
/** Those that the rotation is about. */
const concerned = (status) => status.groups.filter((group) => group.status !== "left-alone");

function progressOf(status) {
  const groups = concerned(status);
  const count = (phase) => sum(groups.map((group) => hostsIn(group, phase)));
  const [behind, unknown] = [count("behind"), count("unknown")];
  const done = Math.max(0, Math.min(status.current, status.hosts - behind - unknown));
  const going = Math.min(status.hosts - done, status.in_flight.filter(isGoing).length);
  return { done, going, behind, unknown, text: progressText(status, groups, { done, behind, unknown }) };
}

function progressText(status, groups, { done, behind, unknown }) {
  const all = `${done} of ${plural(status.hosts, "host")}`;
  const parts = [];
  if (behind) {
    const stay = groups.filter((group) => hostsIn(group, "behind"));
    const images = (of) => [...new Set(stay.flatMap(of).filter(Boolean))].join(", ");
    const rejected = images((group) => (group.newest ? [label(group.newest)] : group.rejected ?? []));
    const before = images((group) => group.launches.map((launch) => label(launch.in_use)));
    if (behind + done + unknown >= status.hosts && !done && !unknown) parts.push(`${all} on ${rejected} (rejected; rolled back to ${before})`);
    else parts.push(`${all} done`, `${behind} stay on ${before} (${rejected} was rejected)`);
  } else parts.push(`${all} done`);
  if (unknown) parts.push(`${unknown} in groups whose release is not known`);
  const skipped = status.skipped?.length;
  if (skipped) parts.push(`${plural(skipped, "group")} skipped`);
  const going = status.in_flight.filter(isGoing).length;
  if (going) parts.push(`${going} in flight`);
  if (status.left_seconds && !behind) parts.push(`about ${duration(status.left_seconds * 1000)} left`);
  return parts.join(" \u00b7 ");
}

// What needs attention, the worst first.

const TONES = ["held", "skipped", "soon", "stall", "paused"];
/** Messages are received every few seconds. */
const RECEIVED_WITHIN = 120e3;

function alerts({ clusters, mode, received, stale_after_seconds }) {
  const found = [];
  if (mode === "observe") {
    found.push({ key: "mode", tone: "paused", title: "This worker only observes", since: null, text: "it changes nothing: what is outdated stays so until a worker runs with --mode rotate" });
  }
  if (received && now() - Date.parse(received) > RECEIVED_WITHIN) {
    found.push({ key: "received", tone: "held", title: "The worker receives no messages", since: received, text: "its queue does not answer; why is among the recent events" });
  }
  for (const { cluster, status, looked_at } of clusters) {
    if (!status) continue;
    if (looked_at && now() - Date.parse(looked_at) > stale_after_seconds * 1000) {
      found.push({ key: `old ${cluster}`, tone: "soon", title: `What is shown of ${cluster} is old`, since: looked_at, text: "its last look that succeeded is so long ago; why is among the recent events" });
    }
    found.push(...ofRotation(cluster, status), ...ofStalls(cluster, status), ...ofGroups(cluster, status));
  }
  return found.sort((a, b) => TONES.indexOf(a.tone) - TONES.indexOf(b.tone));
}

function ofRotation(cluster, status) {
  const state = stateOf(status);
  const since = status.rotation?.since;
  const next = ways(status);
  const causes = (status.causes ?? []).map(({ text, hosts, gone }) => ({ text: gone ? `${text} (the cause is gone)` : text, hosts }));
  const text = causes.length ? "" : status.hold;
  if (state === "aborted") return [{ key: `abort ${cluster}`, tone: "paused", title: `${cluster} is aborted`, since, text: text || "no further host is taken", causes, next }];
  if (state === "closed-with-groups-skipped") {
    const skipped = (status.skipped ?? []).map(({ group, reason }) => ({ text: `${group}: ${reason}` }));
    return [{ key: `skip ${cluster}`, tone: "skipped", title: `${cluster} closed with ${plural(skipped.length, "group")} skipped`, since, text: "their hosts were not replaced", causes: skipped, next }];
  }
  if (state === "held") return [{ key: `hold ${cluster}`, tone: "held", title: `${cluster} is held`, since, text, causes, next }];
  if (state === "paused") return [{ key: `pause ${cluster}`, tone: "paused", title: `${cluster} is paused`, since, text: "no further host is taken; hosts in flight finish", next }];
  if (status.hold || causes.length) return [{ key: `hold ${cluster}`, tone: "soon", title: `${cluster} will be held`, text, causes, next }];
  return [];
}

/** The commands that fit: what the causes call for first. To give back hosts is none where none is in flight. */
function ways(status) {
  const found = (status.causes ?? []).filter((cause) => cause.next && !cause.gone).map(({ next }) => ({ when: "next", command: next }));
  const gives_back = (way) => / abort /.test(way.command) && !status.in_flight.some(isGoing);
  found.push(...status.to_do.filter((way) => !gives_back(way)));
  if (!found.length && stateOf(status) === "closed-with-groups-skipped") found.push({ when: "after fixing it", command: `ecs-rotator rotate --cluster ${status.cluster}` });
  return found.filter((way, n) => found.findIndex((other) => other.command === way.command) === n);
}

/** Hosts that are kept waiting, by what keeps them. */
function ofStalls(cluster, status) {
  const by = new Map();
  for (const host of status.in_flight.filter((host) => host.why)) by.set(host.why, [...(by.get(host.why) ?? []), host]);
  const who = (hosts) => (hosts.length === 1 ? `${hosts[0].host} of ${cluster} is` : `${hosts.length} hosts of ${cluster} are`);
  const found = [...by].slice(0, SHOWN).map(([why, hosts]) => ({
    key: `stall ${cluster} ${why}`,
    tone: "stall",
    title: `${who(hosts)} kept waiting`,
    since: hosts.map((host) => host.since).filter(Boolean).sort()[0],
    text: `${words(hosts[0].phase)}, waiting for ${hosts[0].waits_for}: ${why}`,
    hosts: hosts.length === 1 ? [] : hosts.map((host) => host.host),
  }));
  const left = [...by.values()].slice(SHOWN).flat().length;
  if (left) found.push({ key: `stalls ${cluster}`, tone: "stall", title: `${plural(left, "more host")} of ${cluster} ${left === 1 ? "is" : "are"} kept waiting`, text: "among those on their way below" });
  return found;
}

function ofGroups(cluster, status) {
  const told = new Set((status.skipped ?? []).map(({ group }) => group));
  const left = status.groups.filter((group) => group.status === "unresolved" && !told.has(group.group));
  return left.map((group) => ({ key: `group ${cluster} ${group.group}`, tone: "stall", title: `${group.group} of ${cluster} is not rotated`, text: group.reason ?? "" }));
}

/** So many by name, and how many more there are. */
function named(hosts) {
  const left = hosts.length - SHOWN;
  return hosts.slice(0, SHOWN).join(", ") + (left > 0 ? ` and ${left} more` : "");
}

function showAlerts(found) {
  byId("attention").hidden = found.length === 0;
  keyed(byId("alerts"), found, (alert) => alert.key, createAlert, updateAlert);
}

function createAlert() {
  const age = make("span", "since");
  // Read aloud when it appears, and not with every second.
  age.setAttribute("aria-live", "off");
  return make("article", "alert", make("h3"), age, make("p", "reason"), make("ul", "causes"), make("ul", "next"));
}

function updateAlert(element, { tone, title, since: at, text, causes = [], hosts = [], next = [] }) {
  const [head, age, reason, list, ways] = element.children;
  name(element, "class", `alert ${tone}`);
  say(head, title);
  age.hidden = !at;
  if (at) since(age, "for ", at, "");
  sayIf(reason, [text, named(hosts)].filter(Boolean).join(" \u2013 "));
  const items = causes.map((cause) => cause.text + (cause.hosts?.some((id) => !cause.text.includes(id)) ? ` (${named(cause.hosts)})` : ""));
  keyed(list, items, (item) => item, (item) => make("li", "", item), () => {});
  const way = ({ when, command: text }) => make("li", "", `${when}: `, text.startsWith("ecs-rotator ") ? command(text) : text);
  keyed(ways, next, (one) => one.command, way, () => {});
}

// One cluster.

/** Short facts side by side: each a word, and perhaps a class. */
function showFacts(element, items) {
  const shown = items.filter(Boolean).map((item) => (typeof item === "string" ? { text: item } : item));
  keyed(element, shown, (item) => shown.indexOf(item), () => make("span"), (span, { text, tone, title }) => {
    say(span, text);
    name(span, "class", tone ?? "");
    if (title) name(span, "title", title);
  });
  element.hidden = !shown.length;
}

function createCluster({ cluster, status }) {
  const url = status?.region ? consoles.cluster(status.region, cluster) : null;
  const title = make("h2", "", leads(url, "name", cluster), make("span", "pill"), make("span", "place"));
  const bar = make("div", "bar", make("i", DONE), make("i", GOING), make("i"));
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", `Progress of ${cluster}`);
  const legend = make("ul", "legend");
  legend.setAttribute("aria-label", `What the letters of hosts of ${cluster} mean`);
  const control = make("p", "control", "to stop taking hosts: ", command(`ecs-rotator pause --cluster ${cluster}`));
  const section = make("section", "cluster", title, make("p", "opened"), make("p", "progress"), bar, legend, make("p", "facts"), control, make("div", "groups"), make("p", "looked"));
  section.setAttribute("aria-label", `Cluster ${cluster}`);
  return section;
}

function updateCluster(section, { cluster, status, synced_at }) {
  const [title, opened, progress, bar, legend, facts, control, groups, looked] = section.children;
  const rotation = status?.rotation;
  const state = stateOf(status);
  const [, pill, place] = title.children;
  name(pill, "class", `pill ${state}`);
  if (!rotation) say(pill, status ? "no rotation yet" : "not looked at yet");
  else since(pill, isOver(state) ? `${state.replaceAll("-", " ")} ` : `${state} for `, rotation.since, isOver(state) ? " ago" : "");
  say(place, [status?.account && `account ${status.account}`, status?.region].filter(Boolean).join(" \u00b7 "));
  sayIf(opened, rotation && `rotation ${rotation.id}${rotation.because ? `, opened by ${rotation.because}` : ""}${rotation.forced ? ", forced: hosts on the release are replaced too" : ""}`);
  progress.hidden = bar.hidden = facts.hidden = !status;
  if (status) showProgress(progress, bar, facts, status);
  const all = status ? [...status.groups, ...strays(status)] : [];
  const counts = new Map();
  const hosts = new Map(all.map((group) => [group, hostsOf(group, status)]));
  hosts.forEach((list) => list.forEach(({ phase }) => counts.set(phase, (counts.get(phase) ?? 0) + 1)));
  showLegend(legend, counts);
  keyed(groups, all, (group) => group.group, (group) => createGroup(cluster, status, group), (element, group) => updateGroup(element, group, hosts.get(group), status));
  control.hidden = state !== "open";
  looked.hidden = !synced_at;
  if (synced_at) since(looked, state === "none" || isOver(state) ? "at rest; shown as it was at its last full sync, " : "last full sync ", synced_at, " ago");
}

function showProgress(progress, bar, facts, status) {
  const { done, going, behind, unknown, text } = progressOf(status);
  say(progress, text);
  const [first, second, rest] = bar.children;
  const most = Math.max(1, status.hosts);
  for (const [part, count] of [[first, done], [second, going], [rest, Math.max(0, status.hosts - done - going)]]) {
    part.style.flexGrow = count;
    part.hidden = !count;
  }
  for (const [attribute, value] of [["aria-valuemin", 0], ["aria-valuemax", most], ["aria-valuenow", done], ["aria-valuetext", text]]) name(bar, attribute, String(value));
  name(bar, "class", behind || unknown ? "bar neutral" : "bar");
  const total = (of) => sum(status.groups.map((group) => group[of] ?? 0));
  const [serving, desired] = [total("serving"), total("desired")];
  const lacking = status.groups.some((group) => group.serving < group.desired);
  showFacts(facts, [
    `${plural(total("running_tasks"), "task")} running, ${total("pending_tasks")} pending`,
    { text: `${serving} serving of ${desired} desired`, tone: lacking ? "trouble" : "", title: "capacity of the groups: hosts, or their weights" },
  ]);
}

/** Hosts on their way of whose group nothing is known. */
function strays(status) {
  const known = new Set(status.groups.map(({ group }) => group));
  const by = new Map();
  for (const { group, phase, host } of status.in_flight.filter(({ group }) => !known.has(group))) {
    const hosts = by.get(group) ?? by.set(group, {}).get(group);
    (hosts[phase] ??= []).push(host);
  }
  return [...by].map(([group, hosts]) => ({ group: group ?? "of no group", hosts, launches: [], waits: [], stray: true }));
}

/** In the order of their phases, the furthest first. One that bakes is a canary. */
function hostsOf(group, status) {
  const flights = new Map(status.in_flight.map((host) => [host.host, host]));
  const phaseOf = (phase, flight) => (phase === "current" && flight?.wait === "bake" ? "canary" : phase);
  const each = Object.entries(group.hosts).flatMap(([phase, ids]) => ids.map((id) => ({ id, flight: flights.get(id), phase: phaseOf(phase, flights.get(id)) })));
  const rank = ({ phase }) => (PHASES[phase] ? [DONE, GOING, WAITING, APART].indexOf(PHASES[phase][2]) * 100 + ORDER.indexOf(phase) : 999);
  return each.sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
}

function showLegend(legend, counts) {
  const used = ORDER.filter((phase) => counts.get(phase));
  const create = (phase) => make("li", "", make("span", `cell ${phase}`, PHASES[phase][0]), make("b"), ` ${words(phase)}`);
  keyed(legend, used, (phase) => phase, create, (item, phase) => {
    say(item.children[1], String(counts.get(phase)));
    name(item, "title", PHASES[phase][1]);
  });
  legend.hidden = !used.length;
}

// One group: a row of cells, which is one stop for the keyboard, and its hosts on their way.

function createGroup(cluster, status, { group, stray }) {
  const cells = make("ul", "cells");
  cells.tabIndex = 0;
  cells.setAttribute("role", "listbox");
  cells.setAttribute("aria-label", `Hosts of ${group} in ${cluster}`);
  cells.id = `cells ${cluster} ${group}`.replaceAll(" ", "\u00a0");
  cells.addEventListener("keydown", (event) => move(event, cells));
  cells.addEventListener("click", (event) => event.target.closest(".cell") && choose(cells, event.target.closest(".cell")));
  cells.addEventListener("focus", () => chosen(cells) ?? choose(cells, cells.firstElementChild));
  const url = stray ? null : consoles.group(status.region, group);
  return make("div", "group", make("h3", "", leads(url, "name", group)), make("p", "images"), make("p", "facts"), cells, make("p", "detail"), make("p", "now"), make("p", "waits"), createFolded("flights"));
}

function updateGroup(element, group, hosts, status) {
  const [, images, facts, cells, detail, steps, waits, flights] = element.children;
  showImages(images, group);
  showFacts(facts, factsOf(group));
  cells.classList.toggle("many", hosts.length > MANY);
  const at = Array.from(cells.children).indexOf(chosen(cells));
  keyed(cells, hosts, (host) => host.id, (host) => createCell(cells, host), updateCell);
  // Where the chosen host has gone, its neighbour is chosen.
  if (at >= 0 && !chosen(cells)) choose(cells, cells.children[Math.min(at, cells.children.length - 1)]);
  showChosen(cells, detail);
  sayIf(steps, stepOf(group, hosts, status));
  const { text, trouble } = waitsOf(group, hosts);
  sayIf(waits, text);
  name(waits, "class", trouble ? "waits trouble" : "waits");
  const going = hosts.filter(({ flight }) => flight).map(({ flight, phase }) => ({ ...flight, phase }));
  going.sort((a, b) => isOverdue(b) - isOverdue(a) || (a.since ?? "").localeCompare(b.since ?? "") || (a.host < b.host ? -1 : 1));
  fold(flights, going, going.length === SHOWN + 1 ? SHOWN + 1 : SHOWN, (left) => plural(left, "more host"), (host) => host.host, (host) => createFlight(status, host), updateFlight);
}

/** From what its hosts run to what they shall run, by name and age. */
function showImages(element, group) {
  const release = new Map(group.launches.map((launch) => [launch.release.id, launch.release]));
  const runs = (group.images ?? []).filter(({ id }) => !release.has(id));
  const list = (images) => images.map(withAge).join(", ");
  const change = [list(runs), list([...release.values()])].filter(Boolean).join(" \u2192 ");
  const ids = [...runs.map(({ id }) => id), ...release.keys()].join(" \u2192 ");
  sayIf(element, group.reason ? `${group.status === "left-alone" ? "left alone" : "not rotated"}: ${group.reason}` : change);
  name(element, "title", ids);
  name(element, "class", group.status === "unresolved" ? "images trouble" : "images");
}

function factsOf(group) {
  if (group.stray || group.serving == null) return [];
  const age = group.patch_age_seconds ? `patch age ${plural(Math.floor(group.patch_age_seconds / 86400), "day")}` : "";
  return [
    { text: `${group.serving}/${group.desired} serving`, tone: group.serving < group.desired ? "trouble" : "", title: "capacity that serves, of what is desired" },
    `${plural(group.running_tasks, "task")}${group.pending_tasks ? `, ${group.pending_tasks} pending` : ""}`,
    `at most ${group.max_in_flight} at a time`,
    age,
    group.newest && !group.rejected?.length && !group.launches.some(({ release }) => release.id === group.newest.id) && `newer: ${withAge(group.newest)}`,
    group.rejected?.length && !group.waits.length && `rejected: ${group.rejected.join(", ")}`,
  ];
}

/** The canary goes alone, and bakes; then come the others. */
function stepOf(group, hosts, status) {
  if (stateOf(status) !== "open") return "";
  const count = (...phases) => hosts.filter(({ phase }) => phases.includes(phase)).length;
  const canary = hosts.find(({ phase }) => phase === "canary");
  if (canary?.flight.ends) return `canary bakes until ${clock(canary.flight.ends)}, then the others follow`;
  if (group.window && count("outdated")) return group.window;
  const going = hosts.filter(isGoing);
  if (going.length === 1 && count("outdated") && !count("current")) return "canary: the first host goes alone";
  const starting = going.filter(({ phase }) => phase === "replacing");
  if (!starting.length) return "";
  const oldest = starting.map(({ flight }) => flight?.since).filter(Boolean).sort()[0];
  return `waiting for ${plural(starting.length, "replacement")}${oldest ? ` (${duration(now() - Date.parse(oldest))})` : ""}`;
}

/** What else keeps its hosts. That it is not whole is no trouble while replacements are on their way: that is what it waits for. */
function waitsOf(group, hosts) {
  const starting = hosts.some(({ phase }) => ["replacing", "leaving", "canary"].includes(phase));
  const normal = (wait) => wait === group.window || (starting && /^\d+ of \d+ (members|units of capacity) are registered/.test(wait));
  const refused = group.launches.map((launch) => launch.refused).filter(Boolean);
  const waits = group.waits.filter((wait) => !normal(wait));
  return { text: waits.join("; "), trouble: waits.some((wait) => !refused.some((why) => wait.includes(why))) };
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
  say(cell, PHASES[phase]?.[0] ?? "?");
  const label = [`${id} ${words(phase)}`, flight && noteOf({ ...flight, phase })].filter(Boolean).join(", ");
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

const isOverdue = (host) => Boolean(host.times_out) && Date.parse(host.times_out) < now();

/** What it waits for. */
function noteOf(host) {
  if (host.phase === "canary") return `bakes until ${clock(host.ends)}`;
  if (host.wait === "settle") return `settles until ${clock(host.ends)}`;
  if (host.phase === "draining" && host.tasks === 0) return "no task left, being confirmed";
  if (host.phase === "draining" && host.tasks != null) return `${plural(host.tasks, "task")} left`;
  return host.waits_for ? `waits for ${host.waits_for}` : "";
}

const createFlight = (status, host) => make("li", "", leads(consoles.host(status.region, host.host), "id", host.host), make("b"), make("span", "since"), make("span", "note"), make("span", "limit"));

function updateFlight(element, host) {
  const [, phase, age, note, limit] = element.children;
  say(phase, words(host.phase));
  name(phase, "class", host.phase);
  if (host.since) since(age, "for ", host.since, "");
  else notSince(age, "");
  say(note, noteOf(host));
  if (host.times_out) deadline(limit, host.times_out);
  else notSince(limit, "");
}

// Recent events: those of a host are one, which says how far it has come.

const STEPS = ["leaving", "replacing", "draining", "drained", "retired", "gone"];
/** The audit's line of a call that changes something. */
const CHANGED = "production changed";
const HOST_WORDS = [...ORDER, "gone", "set aside"];

function eventsOf(lines) {
  const [events, hosts] = [[], new Map()];
  const last = new Map(lines.map((line) => [`${line.cluster} ${line.message}`, line]));
  for (const line of lines) {
    // What is done to hosts is told by their phases.
    if (line.message === CHANGED && (line.host || line.hosts)) continue;
    // How far it was is old news.
    if (line.message === "under way" && last.get(`${line.cluster} under way`) !== line) continue;
    if (!line.host || !HOST_WORDS.includes(line.message)) {
      events.push({ at: line.at, line });
      continue;
    }
    const event = hosts.get(line.host);
    // One that came may leave in its turn.
    if (event && (event.line.message === "gone" || !STEPS.includes(event.line.message)) && line.message !== event.line.message) hosts.delete(line.host);
    if (hosts.has(line.host)) Object.assign(event, { at: line.at, line, tasks: line.tasks ?? event.tasks });
    else {
      const begun = { at: line.at, line, tasks: line.tasks, from: line.message === "leaving" || line.message === "replacing" ? line.at : null, was: line.message };
      hosts.set(line.host, begun);
      events.push(begun);
    }
  }
  return events.map((event, n) => ({ ...event, n })).sort((a, b) => Date.parse(b.at) - Date.parse(a.at) || b.n - a.n);
}

const SAID = {
  leaving: () => "leaves its group",
  replacing: () => "has left its group, waits for a replacement",
  draining: ({ tasks }) => `drains${tasks == null ? "" : `, ${plural(Number(tasks), "task")} to move`}`,
  drained: () => "is empty",
  retired: () => "is deregistered",
  current: ({ line }) => `serves${line.image ? ` on ${line.image}` : ""}`,
  returning: () => "goes back to its group",
  outdated: () => "is in its group again, on the image before",
  "set aside": () => "was drained by someone else: left alone",
  gone: ({ from, at, tasks, was }) => {
    const after = from ? ` after ${exactly(Date.parse(at) - Date.parse(from))}` : "";
    const moved = tasks == null ? "" : `, ${plural(Number(tasks), "task")} moved`;
    return STEPS.includes(was) ? `terminated${after}${moved}` : "is gone";
  },
};

/** What stands elsewhere, or in the words already. */
const UNSAID = ["at", "level", "message", "cluster", "rotation", "group", "host", "serving", "desired", "why", "reason", "because", "failure"];

function wordsOf({ line, ...event }) {
  if (SAID[line.message] && line.host) return SAID[line.message]({ line, ...event });
  if (line.message === CHANGED) return `${line.operation}: ${line.before} \u2192 ${line.after}`;
  const why = line.why ?? line.reason ?? line.because ?? line.failure;
  const rest = Object.entries(line).filter(([field]) => !UNSAID.includes(field));
  // Some begin with the host, which stands before them.
  const message = line.host && line.message.startsWith(line.host) ? line.message.slice(line.host.length).trim() : line.message;
  const numbers = rest.map(([field, value]) => (message === "under way" ? `${value} ${words(field.replace("_", "-"))}` : `${field}=${value}`));
  return [message, why && `: ${why}`, numbers.length ? ` (${numbers.join(", ")})` : ""].filter(Boolean).join("");
}

function showJournal({ journal, clusters }) {
  byId("said").hidden = journal.length === 0;
  const regions = new Map(clusters.map(({ cluster, status }) => [cluster, status?.region]));
  const many = clusters.length > 1;
  const create = ({ line }) => {
    const url = line.host && regions.get(line.cluster) && consoles.host(regions.get(line.cluster), line.host);
    return make("li", "", make("time"), make("b"), line.host ? leads(url, "id", line.host) : make("span", "id"), make("span", "words"), make("span", "of"));
  };
  const update = (item, event) => {
    const { line } = event;
    const [time, level, , said, of] = item.children;
    name(item, "class", line.level.toLowerCase());
    say(time, clock(event.at));
    sayIf(level, line.level === "INFO" ? "" : line.level);
    say(said, wordsOf(event));
    say(of, [line.group, many && line.cluster].filter(Boolean).join(" in "));
  };
  const events = eventsOf(journal);
  const key = (event) => `${event.line.host ?? ""} ${event.was ?? event.line.message} ${event.from ?? event.at} ${event.was ? "" : event.n}`;
  fold(byId("journal"), events, EVENTS_SHOWN, (left) => `${left} earlier`, key, create, update);
}

function show() {
  const found = alerts(told);
  showAlerts(found);
  keyed(byId("clusters"), told.clusters, ({ cluster, status }) => `${cluster} ${Boolean(status)}`, createCluster, updateCluster);
  if (!told.clusters.length) byId("clusters").replaceChildren(make("p", "looked", told.counted ? "no cluster to look after: none has opted in" : "the clusters have not been counted yet"));
  showJournal(told);
  say(byId("version"), `ecs-rotator ${told.version}. Times are UTC. Read-only. Use the CLI to make changes.`);
  const bad = Object.entries({ held: "held", "closed-with-groups-skipped": "skipped" });
  const worst = bad.map(([state, word]) => [told.clusters.filter(({ status }) => stateOf(status) === state).length, word]).find(([count]) => count);
  document.title = worst ? `(${worst.join(" ")}) ecs-rotator` : "ecs-rotator";
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

connect();
setInterval(() => {
  if (performance.now() - heardAt > SILENT_AFTER && byId("link").className === "live") {
    lost();
    connect();
  }
  if (!told) return;
  document.querySelectorAll("[data-since]").forEach(age);
  // That something is too old is seen by time passing, and no message comes for it.
  showAlerts(alerts(told));
}, 1000);
