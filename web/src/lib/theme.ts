import { useSyncExternalStore } from 'react'

/** What the reader chose; system follows the device. */
export type Theme = 'system' | 'light' | 'dark'

const key = 'kalla.theme' // a plain text: public/theme.js reads it before anything else runs
const listeners = new Set<() => void>()
const device = typeof matchMedia === 'undefined' ? undefined : matchMedia('(prefers-color-scheme: dark)')

function read(): Theme {
  try {
    const text = localStorage.getItem(key)
    return text === 'light' || text === 'dark' ? text : 'system'
  } catch {
    return 'system'
  }
}

let current = read()

function apply() {
  const dark = current === 'dark' || (current === 'system' && device?.matches === true)
  document.documentElement.dataset['theme'] = dark ? 'dark' : 'light'
  for (const listener of listeners) listener()
}

device?.addEventListener('change', apply)

/** Sets the theme and remembers it. */
export function setTheme(theme: Theme): void {
  current = theme
  try {
    if (theme === 'system') localStorage.removeItem(key)
    else localStorage.setItem(key, theme)
  } catch {
    // It holds until the page is left.
  }
  apply()
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** The chosen theme. */
export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, () => current)
}
