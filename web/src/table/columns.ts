import { recall, remember } from '@/lib/storage'
import { useCallback, useMemo, useState, type ReactNode } from 'react'

/** A column of a table. */
export interface Column<R> {
  id: string
  header: string
  /** The value as text: what is copied, and shown where there is no cell. */
  text: (row: R) => string
  cell?: (row: R) => ReactNode
  /** Right-aligned tabular figures. */
  numeric?: boolean
  /** Pixels; the reader may change them. */
  width?: number
  /** Whether it stays in sight when the others scroll; the first column does unless said otherwise. */
  pinned?: boolean
  /** Whether it is hidden until the reader shows it. */
  hidden?: boolean
  sortable?: boolean
}

/** What the reader made of the columns of a table. */
export interface Layout {
  widths: Record<string, number>
  hidden: Record<string, boolean>
  pinned: Record<string, boolean>
}

/** A column in its place. */
export interface Placed<R> {
  column: Column<R>
  width: number
  pinned: boolean
  /** Where a pinned column sticks. */
  left: number
}

const narrowest = 56

/** The columns that are shown, pinned ones first, each in its place after `start` pixels. */
export function place<R>(columns: readonly Column<R>[], layout: Layout, start: number): Placed<R>[] {
  const shown = columns
    .map((column, i) => ({ column, pinned: layout.pinned[column.id] ?? column.pinned ?? i === 0 }))
    .filter(({ column }) => !(layout.hidden[column.id] ?? column.hidden ?? false))
  let left = start
  return [...shown.filter((c) => c.pinned), ...shown.filter((c) => !c.pinned)].map(({ column, pinned }) => {
    const width = layout.widths[column.id] ?? column.width ?? (column.numeric ? 120 : 160)
    const placed = { column, width, pinned, left }
    left += width
    return placed
  })
}

function record<V>(value: unknown, is: (v: unknown) => v is V): Record<string, V> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, V] => is(entry[1])))
}

const isNumber = (v: unknown): v is number => typeof v === 'number' && v >= narrowest
const isBoolean = (v: unknown): v is boolean => typeof v === 'boolean'

function read(id: string): Layout {
  // What is remembered may be of an older version of the app.
  const stored = (recall(`table.${id}`) ?? {}) as Record<string, unknown>
  return {
    widths: record(stored['widths'], isNumber),
    hidden: record(stored['hidden'], isBoolean),
    pinned: record(stored['pinned'], isBoolean),
  }
}

/** The columns of the table as the reader left them. */
export function useColumns<R>(id: string, columns: readonly Column<R>[], start: number) {
  const [layout, setLayout] = useState(() => read(id))
  const change = useCallback(
    (next: (was: Layout) => Layout) =>
      setLayout((was) => {
        const made = next(was)
        remember(`table.${id}`, made)
        return made
      }),
    [id],
  )
  const placed = useMemo(() => place(columns, layout, start), [columns, layout, start])
  return {
    placed,
    resize: useCallback(
      (column: string, width: number) =>
        change((was) => ({ ...was, widths: { ...was.widths, [column]: Math.max(narrowest, Math.round(width)) } })),
      [change],
    ),
    hide: useCallback(
      (column: string, hidden: boolean) => change((was) => ({ ...was, hidden: { ...was.hidden, [column]: hidden } })),
      [change],
    ),
    pin: useCallback(
      (column: string, pinned: boolean) => change((was) => ({ ...was, pinned: { ...was.pinned, [column]: pinned } })),
      [change],
    ),
    reset: useCallback(() => {
      remember(`table.${id}`, undefined)
      setLayout({ widths: {}, hidden: {}, pinned: {} })
    }, [id]),
  }
}
