import { RowWindow, type RowSource } from '@/lib/rows'
import { useState } from 'react'

/** The window over a source. It starts anew when the key changes: put what the rows depend on (sort, filters, search) into it. */
export function useRows<R>(key: string, source: () => RowSource<R>): RowWindow<R> {
  const [held, setHeld] = useState(() => ({ key, rows: new RowWindow(source()) }))
  if (held.key === key) return held.rows
  const next = { key, rows: new RowWindow(source()) }
  setHeld(next)
  return next.rows
}
