// Whether the server answers. Requests report to it; while it is lost it asks
// /healthz, and says when the connection is back.
import { useEffect, useEffectEvent, useSyncExternalStore } from 'react'

export type Connection = 'up' | 'lost'

let state: Connection = 'up'
let timer: ReturnType<typeof setTimeout> | undefined
let delay = 1000
const listeners = new Set<() => void>()

function set(next: Connection) {
  if (next === state) return
  state = next
  for (const listener of listeners) listener()
}

/** A request was answered, whatever the answer. */
export function answered(): void {
  clearTimeout(timer)
  timer = undefined
  delay = 1000
  set('up')
}

/** A request was not answered. */
export function unanswered(): void {
  set('lost')
  if (timer !== undefined) return
  timer = setTimeout(() => void probe(), delay)
  delay = Math.min(delay * 2, 15_000)
}

/** Asks the server at once. */
export async function probe(): Promise<void> {
  clearTimeout(timer)
  timer = undefined
  try {
    const response = await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(5000) })
    if (response.ok) answered()
    else unanswered()
  } catch {
    unanswered()
  }
}

/** Follows the browser's own events; returns how to stop. */
export function watchNetwork(): () => void {
  const online = () => void probe()
  window.addEventListener('online', online)
  window.addEventListener('offline', unanswered)
  return () => {
    window.removeEventListener('online', online)
    window.removeEventListener('offline', unanswered)
  }
}

/** Calls back whenever the state changes; returns how to stop. */
export function onConnection(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** The state now. */
export const connection = (): Connection => state

/** The state, for a component. */
export function useConnection(): Connection {
  return useSyncExternalStore(onConnection, connection)
}

/** Calls back whenever the connection is there again: what failed without it is tried once more. */
export function useOnBack(again: () => void): void {
  const called = useEffectEvent(again)
  useEffect(
    () =>
      onConnection(() => {
        if (state === 'up') called()
      }),
    [],
  )
}
