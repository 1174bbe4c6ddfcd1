// Doing things without leaving the page: questions that open as a dialog, forms that are sent in place, rows
// that are selected. Every link and form here works as a page of its own as well.
(() => {
  "use strict";

  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const tell = (text, tone = "good", more = {}) =>
    document.dispatchEvent(new CustomEvent("console:toast", { detail: { ...more, text, tone } }));

  // --- The dialog: what [data-modal] links to, and what [data-modal] forms answer --------------------------------

  const modal = $("#modal");

  const ask = async (url, options = {}) => {
    const headers = {
      Accept: "text/html",
      "HX-Request": "true",
      "HX-Target": "dialog#modal",
      // So that the server knows whether what it has to say is said on this page or on the next.
      "HX-Current-URL": window.location.href,
    };
    try {
      const response = await fetch(url, { ...options, headers });
      if (response.headers.get("content-type")?.startsWith("application/json")) {
        return void follow(await response.json());
      }
      show(await response.text());
    } catch {
      tell("The server does not answer; nothing was done.", "bad");
    }
  };

  const show = (html) => {
    modal.innerHTML = html;
    const heading = $("h1, h2", modal);
    if (heading) {
      heading.id ||= "modal-title";
      modal.setAttribute("aria-labelledby", heading.id);
    }
    if (!modal.open) modal.showModal();
    ($("[autofocus]", modal) ?? $("input:not([type=hidden]), select, textarea, button", modal))?.focus();
    document.dispatchEvent(new CustomEvent("console:dialog"));
  };

  // What a form did: said here where it leaves us on this page, by the next page otherwise.
  const follow = ({ location: url, stays, text, tone, ...more }) => {
    if (!stays) return void window.location.assign(url);
    if (modal.open) modal.close();
    tell(text, tone, more);
    selectNone();
    document.dispatchEvent(new CustomEvent("console:refresh"));
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-modal]");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    ask(link.href);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const inPlace = form.closest("#modal") ?? form.matches("[data-modal], [data-in-place]");
    if (!inPlace || form.getAttribute("method") !== "post" || event.defaultPrevented) return;
    event.preventDefault();
    const button = event.submitter;
    const body = new URLSearchParams(new FormData(form, button));
    const waiting = button ?? $("button", form);
    waiting.disabled = true;
    const url = button?.getAttribute("formaction") ?? form.getAttribute("action");
    ask(url, { method: "post", body }).finally(() => { waiting.disabled = false; });
  });

  // A dialog that was answered leaves nothing behind.
  modal.addEventListener("close", () => modal.replaceChildren());

  // --- Selecting rows: [data-select] boxes, one [data-select-all], a [data-selected] bar ---------------------------

  let last = null;
  // Values of what is selected, whether or not there is a box for it now: newer rows push older ones off the page.
  const chosen = new Set();
  // Where they were chosen; other filters begin with none but those that still show.
  let chosenAt = null;

  const place = (address) => {
    const url = new URL(address, window.location.href);
    url.searchParams.delete("open");
    return url.href;
  };

  // Of the rows that show; the page's own address is ahead of them while those of other filters are on their way.
  let shownAt = place($("#live").dataset.url);

  // How many one form may have.
  const most = () => Number($("[data-selected]")?.dataset.selectedMost ?? Infinity);

  const choose = () => {
    // Those from elsewhere stay of elsewhere.
    if (!chosen.size) chosenAt = shownAt;
    const boxes = $$("[data-select]");
    for (const box of boxes) if (!box.checked) chosen.delete(box.value);
    for (const box of boxes) {
      if (!box.checked || chosen.has(box.value)) continue;
      if (chosen.size < most()) chosen.add(box.value);
      else box.checked = false;
    }
    count();
  };

  const selectNone = () => {
    for (const box of $$("[data-select]:checked")) box.checked = false;
    chosen.clear();
    count();
  };

  const chooseAgain = (event) => {
    const boxes = $$("[data-select]");
    shownAt = place(event.detail.url);
    if (shownAt !== chosenAt) {
      const here = new Set(boxes.map((box) => box.value));
      for (const value of chosen) if (!here.has(value)) chosen.delete(value);
    }
    for (const box of boxes) box.checked = chosen.has(box.value);
    if (chosen.size) chosenAt = shownAt;
    count();
  };

  const count = () => {
    const boxes = $$("[data-select]");
    const here = new Set(boxes.map((box) => box.value));
    const away = [...chosen].filter((value) => !here.has(value));
    for (const bar of $$("[data-selected]")) {
      bar.hidden = chosen.size === 0;
      $("[data-selected-count]", bar).textContent = String(chosen.size);
      const full = $("[data-selected-full]", bar);
      if (full) full.hidden = chosen.size < most();
      $("[data-selected-away]", bar).replaceChildren(...away.map((value) =>
        Object.assign(document.createElement("input"), { type: "hidden", name: boxes[0]?.name ?? "id", value })));
      $("[data-selected-away-words]", bar).textContent = away.length ? `, ${away.length} not on this page` : "";
    }
    const all = $("[data-select-all]");
    if (all) {
      const ticked = boxes.filter((box) => box.checked).length;
      all.checked = ticked > 0 && ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
    }
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-select-none]")) selectNone();
    const box = event.target.closest("[data-select]");
    if (!box) return;
    const boxes = $$("[data-select]");
    if (event.shiftKey && last && last.isConnected && last !== box) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
    }
    last = box;
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) {
      for (const box of $$("[data-select]")) box.checked = event.target.checked;
    }
    if (event.target.matches("[data-select], [data-select-all]")) choose();
  });

  document.addEventListener("console:refreshed", chooseAgain);
  // What was ticked when the reader left the page and came back; browsers tick it again sooner or later.
  window.addEventListener("pageshow", choose);
  choose();
})();
