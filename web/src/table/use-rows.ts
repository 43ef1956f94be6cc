import { useOnBack } from '@/lib/connection'
import { RowWindow, type RowSource } from '@/lib/rows'
import { useState } from 'react'

/**
 * The window over a source. It starts anew when the key changes: put what the rows depend on (sort, filters, search)
 * into it. What failed while the connection was lost is fetched once it is back.
 */
export function useRows<R>(key: string, source: () => RowSource<R>): RowWindow<R> {
  const [held, setHeld] = useState(() => ({ key, rows: new RowWindow(source()) }))
  useOnBack(() => {
    if (held.rows.view().error !== undefined) held.rows.retry()
  })
  if (held.key === key) return held.rows
  const next = { key, rows: new RowWindow(source()) }
  setHeld(next)
  return next.rows
}
