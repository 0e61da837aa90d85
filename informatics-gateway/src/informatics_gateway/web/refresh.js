// SPDX-License-Identifier: Apache-2.0
// Renews the page's sections in place, except one in which the reader selects text or has the focus.
"use strict";

const EVERY_MS = 3000;
const connection = document.getElementById("connection");

function inUse(section) {
  const selection = document.getSelection();
  const selects = selection && !selection.isCollapsed && selection.containsNode(section, true);
  return selects || section.contains(document.activeElement);
}

function renew(fresh) {
  const old = [...document.querySelectorAll("main > section")];
  const young = [...fresh.querySelectorAll("main > section")];
  if (old.map(each => each.id).join() !== young.map(each => each.id).join()) {
    if (!inUse(document.getElementById("main"))) document.getElementById("main").replaceChildren(...young);
  } else {
    old.forEach((section, index) => {
      if (section.outerHTML !== young[index].outerHTML && !inUse(section)) section.replaceWith(young[index]);
    });
  }
}

async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.ok) renew(new DOMParser().parseFromString(await answer.text(), "text/html"));
    connection.textContent = answer.ok ? "" : "The gateway cannot show this page now.";
  } catch {
    connection.textContent = "The gateway does not answer; what you see is old.";
  }
}

setInterval(look, EVERY_MS);
