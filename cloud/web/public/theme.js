// Runs before the first paint, so that a dark night screen never flashes white. The rest is in src/preferences.ts.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("shouwang.theme");
  } catch (e) {
    chosen = null; // storage may be forbidden: follow the system
  }
  var dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
