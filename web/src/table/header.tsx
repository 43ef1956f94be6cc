import { cx } from '@/ui/cx'
import { ArrowDown, ArrowUp } from 'lucide-react'
import { memo, useRef, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react'
import type { Placed } from './columns'

/** How rows are sorted, by the server. */
export interface Sort {
  column: string
  descending: boolean
}

export interface HeaderProps<R> {
  placed: readonly Placed<R>[]
  /** Columns before these. */
  before: number
  sort: Sort | undefined
  onSort: ((sort: Sort | undefined) => void) | undefined
  resize: (column: string, width: number) => void
}

function Cells<R>({ placed, before, sort, onSort, resize }: HeaderProps<R>): ReactNode {
  return placed.map(({ column, width, pinned, left }, i) => {
    const sorted = sort?.column === column.id ? sort : undefined
    const Arrow = sorted?.descending ? ArrowDown : ArrowUp
    const name = <span className="truncate">{column.header}</span>
    return (
      <div
        key={column.id}
        role="columnheader"
        aria-colindex={before + i + 1}
        aria-sort={sorted ? (sorted.descending ? 'descending' : 'ascending') : undefined}
        className={cx(
          'relative flex min-w-0 bg-inherit text-xs font-medium text-muted',
          pinned && 'sticky z-10 border-r border-line',
        )}
        style={pinned ? { left } : undefined}
      >
        {column.sortable && onSort ? (
          <button
            type="button"
            title={`Sort by ${column.header}`}
            onClick={() =>
              onSort(
                !sorted
                  ? { column: column.id, descending: false }
                  : sorted.descending
                    ? undefined
                    : { column: column.id, descending: true },
              )
            }
            className={cx(
              'flex min-w-0 flex-1 items-center gap-1 px-2.5 outline-offset-[-2px] hover:text-fg',
              column.numeric && 'flex-row-reverse',
              sorted && 'text-fg',
            )}
          >
            {name}
            {sorted && <Arrow size={12} className="shrink-0" aria-hidden />}
          </button>
        ) : (
          <span className={cx('flex min-w-0 flex-1 items-center px-2.5', column.numeric && 'justify-end')}>{name}</span>
        )}
        <Resizer label={column.header} width={width} onResize={(next) => resize(column.id, next)} />
      </div>
    )
  })
}

/** The cells of the header row. Not drawn again while rows are scrolled. */
export const HeaderCells = memo(Cells) as typeof Cells

function Resizer({ label, width, onResize }: { label: string; width: number; onResize: (width: number) => void }) {
  const from = useRef<{ x: number; width: number }>(undefined)
  function down(event: PointerEvent<HTMLElement>) {
    event.currentTarget.setPointerCapture(event.pointerId)
    from.current = { x: event.clientX, width }
  }
  function move(event: PointerEvent) {
    if (from.current) onResize(from.current.width + event.clientX - from.current.x)
  }
  function key(event: KeyboardEvent) {
    const step = event.key === 'ArrowRight' ? 16 : event.key === 'ArrowLeft' ? -16 : 0
    if (step === 0) return
    event.preventDefault()
    event.stopPropagation()
    onResize(width + step)
  }
  return (
    <span
      role="separator"
      aria-orientation="vertical"
      aria-label={`Width of ${label}`}
      aria-valuenow={width}
      tabIndex={0}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={() => (from.current = undefined)}
      onPointerCancel={() => (from.current = undefined)}
      onKeyDown={key}
      className="absolute inset-y-0 -right-1 z-10 w-2 cursor-col-resize touch-none after:absolute after:inset-y-2 after:left-1 after:w-px after:bg-line hover:after:inset-y-0 hover:after:bg-accent"
    />
  )
}
