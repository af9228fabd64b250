// What pages do beyond links and forms: keys, copied addresses, and the live region of a run.
"use strict";

const status = document.getElementById("status");

const say = (text) => {
  status.textContent = text;
};

// The live region is fetched again while its run goes on; a person's place in it is kept.
const refresh = async () => {
  const seconds = Number(document.body.dataset.live);
  if (!seconds) return;
  const again = () => setTimeout(refresh, 1000 * seconds);
  const region = document.getElementById("live");
  const busy = document.hidden || !region || !document.getSelection().isCollapsed;
  if (busy) return again();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const made = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["live", "live-badges", "live-tabs"]) {
      const [now, next] = [document.getElementById(id), made.getElementById(id)];
      if (now && next && now.innerHTML !== next.innerHTML) replace(now, next);
    }
    document.body.dataset.live = made.body.dataset.live || "";
    if (!made.body.dataset.live) say("This page is complete.");
  } catch {
    say("The server does not answer; trying again.");
  }
  again();
};

const replace = (now, next) => {
  const focused = now.contains(document.activeElement) && document.activeElement.getAttribute("href");
  const open = [...now.querySelectorAll("details")].map((one) => one.open);
  now.replaceWith(next);
  [...next.querySelectorAll("details")].forEach((one, n) => {
    one.open = open[n] ?? one.open;
  });
  if (focused) next.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
};

const copy = async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    say("The address is copied.");
  } catch {
    // Browsers lend the clipboard to secure pages only: there it can be marked, and copied by hand.
    window.prompt("The address of this page", location.href);
  }
};

const step = (by) => {
  const rows = [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent);
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by));
  rows[next].focus();
  rows[next].scrollIntoView({ block: "nearest" });
};

const go = (link) => {
  if (link) link.click();
};

const help = document.getElementById("help");
const keys = {
  j: () => step(1),
  k: () => step(-1),
  "/": () => document.querySelector("[data-search]")?.focus(),
  "[": () => go(document.querySelector("a[rel=prev]")),
  "]": () => go(document.querySelector("a[rel=next]")),
  u: () => {
    const link = document.querySelector("a[data-up]");
    if (link) go(link);
    else if (document.body.dataset.up) location.assign(document.body.dataset.up);
  },
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  // A dialog just closed holds the focus until the page is drawn again: keys are no longer its own.
  const typing = event.target.closest("input, select, textarea, dialog[open]");
  if (typing && event.key === "Escape" && !event.target.closest("dialog")) event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", copy);
}
for (const button of document.querySelectorAll("[data-help]")) {
  button.hidden = false;
  button.addEventListener("click", keys["?"]);
}

// A citation may lie in a part that is folded.
const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  target.scrollIntoView({ block: "center" });
};
addEventListener("hashchange", unfold);
unfold();

// On narrow screens tabs scroll sideways: the present one is to be seen.
const tab = document.querySelector(".tabs [aria-current]");
if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.offsetLeft - 32;

if (document.body.dataset.live) setTimeout(refresh, 1000 * Number(document.body.dataset.live));
