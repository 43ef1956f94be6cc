// What can be done from the keyboard: the palette lists it, `?` shows the keys,
// and the keys do it. Pages add theirs while they are shown.
import { useEffect, useSyncExternalStore, type ReactNode } from 'react'

export interface Command {
  /** Unique among all. */
  id: string
  /** The deed: "Go to runs". */
  label: string
  group: string
  /** "mod+k", "?", or keys one after the other: "g r". */
  keys?: string
  icon?: ReactNode
  /** More words to be found by. */
  also?: string
  run: () => void
}

let sets: readonly (readonly Command[])[] = []
let all: readonly Command[] = []
const listeners = new Set<() => void>()

function set(next: readonly (readonly Command[])[]) {
  sets = next
  all = next.flat()
  for (const listener of listeners) listener()
}

/** Adds commands; returns how to take them away. */
export function addCommands(commands: readonly Command[]): () => void {
  set([...sets, commands])
  return () => set(sets.filter((s) => s !== commands))
}

/** Offers commands while the component is there. Keep the array. */
export function useCommands(commands: readonly Command[]): void {
  useEffect(() => addCommands(commands), [commands])
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Every command that can be given now. */
export function useAllCommands(): readonly Command[] {
  return useSyncExternalStore(subscribe, () => all)
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
}

/** The key of an event as commands name it; undefined for a modifier alone. */
export function keyOf(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>): string | undefined {
  if (event.key.length > 1 && /^(Control|Meta|Shift|Alt)/.test(event.key)) return undefined
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  return `${event.ctrlKey || event.metaKey ? 'mod+' : ''}${event.altKey ? 'alt+' : ''}${key}`
}

/** Follows keys one after the other; answers the command that is complete, if one is. */
export function keySequence(wait = 1000) {
  let before = ''
  let at = -Infinity
  return (key: string, commands: readonly Command[], now: number): Command | undefined => {
    const both = now - at < wait && before ? `${before} ${key}` : key
    at = now
    const found = commands.findLast((c) => c.keys === both) ?? commands.findLast((c) => c.keys === key)
    before = found ? '' : key
    return found
  }
}

/** Lets the keys of commands do them. Once, in the shell. */
export function useCommandKeys(): void {
  useEffect(() => {
    const next = keySequence()
    const onKey = (event: KeyboardEvent) => {
      const key = keyOf(event)
      // In a dialog only its own keys count; while typing only those with Ctrl.
      if (key === undefined || event.defaultPrevented || event.isComposing) return
      if (
        !key.startsWith('mod+') &&
        (typing(event.target) || document.querySelector('[role=dialog],[role=alertdialog]'))
      )
        return
      const command = next(key, all, event.timeStamp)
      if (!command) return
      event.preventDefault()
      command.run()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])
}
