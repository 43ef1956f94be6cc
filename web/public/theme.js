// Runs before the first paint, so that a remembered theme does not flash. Kept
// in its own file because the content security policy allows no inline script.
;(() => {
  let theme = 'system'
  try {
    theme = localStorage.getItem('kalla.theme') ?? 'system'
  } catch {
    // Storage may be forbidden; the system's theme is right then.
  }
  const dark = theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
})()
