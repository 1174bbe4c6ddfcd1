// Applies the chosen colour scheme before the first paint; the switch itself is in console.js. Tells the server
// the reader's time zone, unless one was chosen.
(() => {
  "use strict";
  let theme = null;
  try {
    theme = localStorage.getItem("theme");
  } catch {
    // Storage is blocked: follow the system.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  document.documentElement.dataset.script = "on";
  if (!document.cookie.includes("conductor_zone=")) {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone) document.cookie = `conductor_zone=${encodeURIComponent(zone)}; path=/; SameSite=Lax`;
  }
})();
