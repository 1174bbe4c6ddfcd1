// What a page does in the browser by itself: times that tick, ids that copy, dialogs, the keyboard, the theme.
// Refreshing is live.js; every page works without either.
(() => {
  "use strict";

  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  // --- Times -------------------------------------------------------------------------------------------------

  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];
  const zoned = new Intl.DateTimeFormat(undefined, {
    dateStyle: "medium",
    timeStyle: "long",
    timeZone: document.documentElement.dataset.zone || undefined,
  });
  let serverAheadMs = 0;

  // On a first visit the server has not heard of the reader's zone yet; tooltips are told in it all the same.
  const nameZone = () => {
    if (!document.documentElement.dataset.zone) $("#zone-name").textContent = zoned.resolvedOptions().timeZone;
  };

  const coarse = (secs) => {
    for (const [size, unit] of UNITS) if (secs >= size) return `${Math.floor(secs / size)} ${unit}`;
    return `${Math.floor(secs)} s`;
  };

  const ago = (secs) => {
    if (Math.abs(secs) < 5) return "just now";
    return secs > 0 ? `${coarse(secs)} ago` : `in ${coarse(-secs)}`;
  };

  const tick = () => {
    const now = Date.now() + serverAheadMs;
    for (const element of $$("time[data-tick]")) {
      const at = Date.parse(element.dateTime);
      const secs = (now - at) / 1000;
      let text = element.textContent;
      if (element.dataset.tick === "for") text = coarse(Math.max(0, secs));
      else if (element.dataset.tick === "left") text = secs < 0 ? `in ${coarse(-secs)}` : "now";
      else if (Math.abs(secs) < 30 * 86400) text = ago(secs);
      if (element.textContent !== text) element.textContent = text;
      // The server cannot know the reader's zone; remember which moment the tooltip already speaks of.
      if (element.localised !== element.dateTime) {
        element.title = zoned.format(at);
        element.localised = element.dateTime;
      }
    }
  };

  const readClock = () => {
    const now = $("#live")?.dataset.now;
    if (now) serverAheadMs = Date.parse(now) - Date.now();
  };

  // --- Copying and toasts ------------------------------------------------------------------------------------

  const toast = (text, tone = "good", link = "", linkText = "") => {
    const box = document.createElement("div");
    box.className = `toast toast-${tone}`;
    const words = document.createElement("span");
    words.textContent = text;
    box.append(words);
    if (link) {
      const anchor = document.createElement("a");
      anchor.href = link;
      anchor.textContent = linkText;
      box.append(" ", anchor);
    }
    $("#toasts").append(box);
    fade(box);
  };

  // One with a link stays longer, and as long as the reader is at it.
  const fade = (box, patience = $("a", box) ? 15000 : 6000) => {
    setTimeout(() => {
      if (box.matches(":hover, :focus-within")) return void fade(box, 2000);
      box.classList.add("leaving");
      setTimeout(() => box.remove(), 400);
    }, patience);
  };

  document.addEventListener("console:toast", ({ detail }) =>
    toast(detail.text, detail.tone, detail.link, detail.link_text));

  const copy = async (button, text = button.dataset.copy) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No permission, or not a secure address: the old way, through a selection.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
    toast(text.length > 60 || text.includes("\n") ? "Copied" : `Copied ${text}`);
  };

  document.addEventListener("console:copy", ({ detail }) => copy(detail.button, detail.text));

  // --- Theme -------------------------------------------------------------------------------------------------

  const THEMES = ["system", "light", "dark"];
  const currentTheme = () => document.documentElement.dataset.theme ?? "system";

  const nameTheme = () => {
    const button = $("#theme-switch");
    button.title = `Colour scheme: ${currentTheme()}`;
    button.setAttribute("aria-label", button.title);
  };

  const switchTheme = () => {
    const next = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    remember("theme", next);
    nameTheme();
  };

  const remember = (key, value) => {
    try {
      localStorage.setItem(key, value);
    } catch {
      // Storage is blocked: the choice lasts until the next page.
    }
  };

  const recall = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };

  const recallChoices = () => {
    for (const input of $$("input[data-remember]")) {
      if (recall(input.dataset.remember) === input.value) input.checked = true;
    }
  };

  // --- Clicks ------------------------------------------------------------------------------------------------

  // Beside an open dialog: its backdrop counts as the dialog itself.
  const outside = ({ target, clientX, clientY }) => {
    if (!(target instanceof HTMLDialogElement)) return false;
    const { left, right, top, bottom } = target.getBoundingClientRect();
    return clientX < left || clientX > right || clientY < top || clientY > bottom;
  };

  // A slip of the hand must not throw away what was typed.
  const filledIn = (dialog) => $$("input:not([type=hidden]), textarea", dialog).some((field) =>
    field.value !== field.defaultValue || field.checked !== field.defaultChecked);

  // Text that is selected with the mouse from within a dialog often ends beside it.
  let pressedOutside = false;
  document.addEventListener("pointerdown", (event) => { pressedOutside = outside(event); });

  document.addEventListener("click", (event) => {
    const copyButton = event.target.closest("[data-copy]");
    if (copyButton) return void copy(copyButton);
    const opener = event.target.closest("[data-dialog]");
    if (opener && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog) {
        event.preventDefault();
        dialog.showModal();
      }
      return;
    }
    if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
    if (pressedOutside && outside(event) && event.target.open && !filledIn(event.target)) event.target.close();
  });

  document.addEventListener("change", (event) => {
    const { remember: key } = event.target.dataset ?? {};
    if (key) remember(key, event.target.value);
  });

  // While the server is away a form stays as it is: what the browser has to say of it would take its place.
  let reached = null;
  const reach = async (form, button) => {
    form.dataset.sent = "yes";
    try {
      await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(3000) });
    } catch (error) {
      // One that is only slow is waited for, as the browser shows it.
      if (error.name !== "TimeoutError") {
        delete form.dataset.sent;
        return void toast("The server does not answer; nothing was done.", "bad");
      }
    }
    reached = form;
    form.requestSubmit(button?.isConnected ? button : undefined);
  };

  // A form is sent once, however often its button is pressed; coming back to the page makes it usable again.
  document.addEventListener("submit", (event) => {
    // The property would be a field of that name, where a form has one.
    if (event.target.getAttribute("method") !== "post" || event.defaultPrevented) return;
    // What is sent in place stays, to be sent again; actions.js sees to its button.
    if (event.target.closest("#modal") || event.target.matches("[data-modal], [data-in-place]")) return;
    if (event.target !== reached) {
      event.preventDefault();
      if (!event.target.dataset.sent) reach(event.target, event.submitter);
      return;
    }
    reached = null;
    // What is downloaded leaves this page open.
    if (event.target.matches("[data-download]")) {
      toast("The download begins as soon as it is ready.");
      setTimeout(() => { delete event.target.dataset.sent; }, 4000);
    }
  });
  window.addEventListener("pageshow", () => {
    reached = null;
    for (const form of $$("form[data-sent]")) delete form.dataset.sent;
  });

  // --- Filters: narrow while typing, in the address as well --------------------------------------------------

  let typing;
  document.addEventListener("input", (event) => {
    const field = event.target;
    const filters = "form[role=search]:not([data-jump])";
    if (!field.closest(filters)) return;
    clearTimeout(typing);
    typing = setTimeout(() => {
      // A refresh meanwhile may have put the field into another form.
      const form = field.isConnected ? field.closest(filters) : $(filters);
      if (!form) return;
      const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
      const url = query.size ? `${form.getAttribute("action")}?${query}` : form.getAttribute("action");
      history.replaceState(history.state, "", url);
      $("#live").dataset.url = url;
      document.dispatchEvent(new CustomEvent("console:refresh"));
    }, 180);
  });

  // The zone of typed times rides along in the address only where there are any; before the form is read.
  const placeZone = () => {
    const zone = $("input[data-zone]");
    if (zone) zone.disabled = !$$("[data-time]").some((input) => input.value);
  };
  document.addEventListener("input", placeZone, { capture: true });

  // --- Keyboard ----------------------------------------------------------------------------------------------

  const typable = (element) =>
    element.isContentEditable || element.matches("textarea, select, input:not([type=checkbox], [type=radio])");

  const step = (by) => {
    const rows = $$("[data-row]").filter((element) => element.checkVisibility());
    if (!rows.length) return;
    const here = rows.findIndex((element) => element.closest("tr").contains(document.activeElement));
    const next = here < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(here + by, 0), rows.length - 1);
    rows[next].focus();
    rows[next].closest("tr").scrollIntoView({ block: "nearest" });
  };

  // The sheet lists what does something on the page as it is now.
  const showSheet = () => {
    for (const line of $$("#help [data-needs]")) {
      line.hidden = !$$(line.dataset.needs).some((element) => element.checkVisibility());
    }
    for (const part of $$("#help section")) part.hidden = !$("dl > :not([hidden])", part);
    $("#help").showModal();
  };

  let goPressedAt = 0;
  const search = () => $("#jump")?.select();
  const SHORTCUTS = {
    "/": () => {
      const filter = $$("[data-filter]").find((element) => element.checkVisibility());
      if (filter) filter.select();
      else search();
    },
    s: search,
    "?": showSheet,
    j: () => step(1),
    k: () => step(-1),
    t: switchTheme,
    g: () => { goPressedAt = Date.now(); },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
    if (typable(event.target)) {
      if (event.key === "Escape" && event.target.matches("input[type=search]")) {
        // The browser would empty it, though what was typed stays in force.
        event.preventDefault();
        event.target.blur();
      }
      return;
    }
    if ($("dialog[open]")) return;
    if (Date.now() - goPressedAt < 2000) {
      goPressedAt = 0;
      const link = $(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) {
        event.preventDefault();
        link.click();
        return;
      }
    }
    const shortcut = Object.hasOwn(SHORTCUTS, event.key) ? SHORTCUTS[event.key] : null;
    if (shortcut) {
      event.preventDefault();
      shortcut();
    }
  });

  // --- Start -------------------------------------------------------------------------------------------------

  // live.js tells after each refresh.
  document.addEventListener("console:refreshed", () => {
    placeZone();
    readClock();
    tick();
  });
  $("#theme-switch").addEventListener("click", switchTheme);
  $("#help-open").addEventListener("click", showSheet);
  for (const box of $$(".toast")) fade(box);
  // On a narrow screen the place one is at may stand past the edge.
  for (const here of $$("nav [aria-current]")) {
    const nav = here.closest("nav");
    nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
  }
  nameTheme();
  nameZone();
  placeZone();
  recallChoices();
  readClock();
  tick();
  setInterval(() => document.hidden || tick(), 1000);
  document.addEventListener("visibilitychange", () => document.hidden || tick());
})();
