/** Not a module: it runs before the first paint, so that the page never flashes in the other colours. `settings.js` is the rest. */
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem('wsengine-chat.theme');
  } catch {
    // The system's.
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
