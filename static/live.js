// Keeps a page's live part fresh: one event stream says that something changed, htmx fetches the part again and
// morphs it in place. Polls when there is no stream, rests while the tab is hidden.
(() => {
  "use strict";

  const LEAST_PAUSE_MS = 500;
  const POLL_MS = 4000;
  const FRESHEN_MS = 20000;
  const RETRY_STREAM_MS = 30000;

  const part = () => document.getElementById("live");
  const light = document.getElementById("live-state");
  const WORDS = {
    live: ["live", "Changes show at once"],
    polling: ["polling", "No event stream: asking every few seconds"],
    offline: ["offline", "The server does not answer; trying again"],
  };

  // --- Morphing: what the reader did to the page stays; htmx itself leaves typed text and ticked boxes alone ----

  htmx.registerExtension("console", {
    htmx_before_morph_node: (old, { newNode }) => {
      // console.js words times; the same moment needs no rewording.
      if (old instanceof HTMLTimeElement && old.dateTime === newNode.dateTime) return false;
      // What is marked with the same content as before stays, with all that the reader folded, loaded or sought.
      return !(old.dataset?.kept && old.dataset.kept === newNode.dataset?.kept);
    },
    htmx_before_morph_attr: (element, { attrName }) => {
      // Open dialogs and details are the reader's doing; the server never closes them.
      if (attrName === "open" && element.matches("dialog, details")) return false;
      // The size that something is zoomed to.
      if (element.dataset?.own?.split(" ").includes(attrName)) return false;
      // An answer that was on its way when the filters changed must not change them back.
      if (attrName === "data-url" && element.id === "live") return false;
      // What was chosen stays chosen, as what was typed stays.
      if (attrName === "selected" && element.matches("option")) return false;
      // Whether rows are selected only the browser knows.
      if (attrName === "hidden" && element.matches("[data-selected]")) return false;
      return !(attrName === "class" && element.classList.contains("copied"));
    },
  });

  // --- The row that the mouse was just put on stays under it: a click must not land on what came in above ---------
  // (Where the beginning of a list is out of sight, the browser itself sees to it that nothing moves.)

  const HELD_MS = 5000;
  let pointer = { at: -HELD_MS };
  let held = null;
  // Whether what comes is of the same filters as what is shown; rows of others are others.
  let isSame = true;

  document.addEventListener("pointermove", ({ clientX: x, clientY: y, pointerType, timeStamp: at }) => {
    if (pointerType !== "touch") pointer = { x, y, at };
  }, { passive: true });

  document.addEventListener("htmx:before:swap", () => {
    const fresh = isSame && performance.now() - pointer.at < HELD_MS;
    const row = fresh && document.elementFromPoint(pointer.x, pointer.y)?.closest("#live tr[id], #live li[id]");
    held = row ? { row, top: row.getBoundingClientRect().top } : null;
  });

  document.addEventListener("htmx:after:swap", () => {
    if (!held?.row.isConnected) return;
    const moved = held.row.getBoundingClientRect().top - held.top;
    if (moved) window.scrollBy({ top: moved, behavior: "instant" });
  });

  // --- Refreshing: at most one at a time, at most two a second --------------------------------------------------

  let refreshing = false;
  let again = false;
  let last = 0;
  let waiting;
  let shownUrl = part()?.dataset.url;

  const refresh = () => {
    if (document.hidden) return;
    if (refreshing) {
      again = true;
      return;
    }
    clearTimeout(waiting);
    waiting = setTimeout(fetchPart, Math.max(0, last + LEAST_PAUSE_MS - Date.now()));
  };

  const fetchPart = async () => {
    refreshing = true;
    again = false;
    last = Date.now();
    // The filters may change while the answer is on its way; what comes is still of these.
    const { url } = part().dataset;
    isSame = url === shownUrl;
    let answered = false;
    const hear = () => { answered = true; };
    document.addEventListener("htmx:after:swap", hear, { once: true });
    try {
      await htmx.ajax("GET", url, {
        target: "#live",
        swap: "outerMorph",
        // By this the server knows to send the live part alone.
        headers: { "HX-Target": "div#live" },
      });
    } finally {
      document.removeEventListener("htmx:after:swap", hear);
      refreshing = false;
    }
    if (answered) {
      shownUrl = url;
      document.dispatchEvent(new CustomEvent("console:refreshed", { detail: { url } }));
      // Another filter makes it another page to watch.
      if (stream && part().dataset.url !== streamOf) open();
      show(stream?.readyState === EventSource.OPEN ? "live" : "polling");
    } else {
      show("offline");
    }
    if (again) refresh();
  };

  // --- The stream ------------------------------------------------------------------------------------------------

  let stream = null;
  let streamOf = null;
  let polling = null;
  let retry = null;

  const show = (state) => {
    if (light.dataset.state === state) return;
    light.dataset.state = state;
    [light.textContent, light.title] = WORDS[state];
    light.hidden = false;
  };

  const poll = (on) => {
    clearInterval(polling);
    polling = on ? setInterval(refresh, POLL_MS) : null;
  };

  const open = () => {
    close();
    if (!part() || !("watched" in part().dataset) || document.hidden) return;
    streamOf = part().dataset.url;
    stream = new EventSource(`/events?page=${encodeURIComponent(streamOf)}`);
    stream.addEventListener("ready", () => {
      poll(false);
      show("live");
      // What changed between the page and its stream, or while a stream was down, was never announced.
      refresh();
    });
    stream.addEventListener("change", refresh);
    stream.addEventListener("error", () => {
      if (!polling) poll(true);
      // A refused stream stays closed; one that broke reconnects by itself.
      if (stream.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_STREAM_MS);
    });
  };

  const close = () => {
    clearTimeout(retry);
    stream?.close();
    stream = null;
    poll(false);
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  // A page kept for the Back button must not keep a connection.
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => event.persisted && open());
  document.addEventListener("console:refresh", refresh);
  if (part() && "watched" in part().dataset) {
    // Round trips and requests in flight change without being announced.
    setInterval(refresh, FRESHEN_MS);
    open();
  }
})();
