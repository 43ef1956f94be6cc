import type { KeyboardEvent, ReactNode } from 'react'
import { cx } from './cx'
import { Skeleton } from './states'

/** A column of a Table. */
export interface TableColumn<R> {
  id: string
  header: string
  cell: (row: R) => ReactNode
  /** Right-aligned. */
  numeric?: boolean
  /** Left out where there is less room. */
  from?: 'sm' | 'lg' | '2xl'
  /** Takes the room that is left. */
  grows?: boolean
}

export interface TableProps<R> {
  /** What the rows are. */
  label: string
  columns: readonly TableColumn<R>[]
  /** Undefined while they are loading. */
  rows: readonly R[] | undefined
  rowKey: (row: R) => string
  /** How many rows to expect while they are loading. */
  expected?: number
}

/** The class of the link of a row: the whole row follows it. Other links and buttons in the row get rowAct. */
export const rowLink = 'font-medium after:absolute after:inset-0 hover:underline focus-visible:outline-none'
export const rowAct = 'relative z-10'

/** A table of some hundred rows at most; DataTable is for more. Where rows are links j and k go from one to the next. */
export function Table<R>({ label, columns, rows, rowKey, expected = 4 }: TableProps<R>) {
  const cell = (column: TableColumn<R>) =>
    cx(
      'px-3 first:pl-4 last:pr-4',
      column.numeric ? 'num text-right whitespace-nowrap' : 'text-left',
      column.from === 'sm' && 'max-sm:hidden',
      column.from === 'lg' && 'max-lg:hidden',
      column.from === '2xl' && 'max-2xl:hidden',
      column.grows && 'w-full',
    )
  return (
    <div className="overflow-x-auto" aria-busy={rows === undefined}>
      <table className="w-full border-collapse text-sm" aria-label={label} onKeyDown={step}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.id}
                scope="col"
                className={cx(
                  cell(column),
                  'h-8 border-b border-line bg-sunken text-xs font-medium whitespace-nowrap text-muted',
                )}
              >
                {column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows === undefined
            ? Array.from({ length: expected }, (_, i) => (
                <tr key={i} className="h-10 border-b border-line last:border-0">
                  {columns.map((column) => (
                    <td key={column.id} className={cell(column)}>
                      <Skeleton className="h-3.5 w-full min-w-12" />
                    </td>
                  ))}
                </tr>
              ))
            : rows.map((row) => (
                <tr
                  key={rowKey(row)}
                  className="relative h-10 border-b border-line last:border-0 has-focus-visible:bg-hover [&:has(.after\:inset-0)]:hover:bg-hover"
                >
                  {columns.map((column) => (
                    <td key={column.id} className={cx(cell(column), 'py-1.5')}>
                      {column.cell(row)}
                    </td>
                  ))}
                </tr>
              ))}
        </tbody>
      </table>
    </div>
  )
}

function step(event: KeyboardEvent<HTMLTableElement>) {
  const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key]
  if (by === undefined || event.ctrlKey || event.metaKey || event.altKey) return
  const links = [...event.currentTarget.querySelectorAll<HTMLElement>('tbody a.after\\:inset-0')]
  const row = document.activeElement?.closest('tr')
  const here = links.findIndex((link) => link.closest('tr') === row)
  const next = links[here + by]
  if (here < 0 || !next) return
  event.preventDefault()
  next.focus()
}
