import { cx } from '@/ui/cx'
import { Check } from 'lucide-react'
import { memo } from 'react'
import type { Placed } from './columns'

/** Width of the column that selects. */
export const selectWidth = 36

export interface RowProps<R> {
  id: string
  /** Its position among all rows. */
  position: number
  /** Undefined while it is being fetched. */
  row: R | undefined
  placed: readonly Placed<R>[]
  y: number
  height: number
  active: boolean
  activeColumn: number
  /** Undefined where rows are not selected. */
  selected: boolean | undefined
  openable: boolean
}

function RowCells<R>({ id, position, row, placed, y, height, active, activeColumn, selected, openable }: RowProps<R>) {
  const before = selected === undefined ? 0 : 1
  return (
    <div
      role="row"
      aria-rowindex={position + 2}
      aria-selected={selected}
      data-position={position}
      className={cx(
        'absolute inset-x-0 grid [contain:layout_style] border-b border-line text-sm',
        selected ? 'bg-accent-soft' : active ? 'bg-hover' : 'bg-surface hover:bg-hover',
        openable && row !== undefined && 'cursor-pointer',
      )}
      style={{ top: y, height, gridTemplateColumns: 'var(--columns)' }}
    >
      {selected !== undefined && (
        <div
          role="gridcell"
          aria-colindex={1}
          data-select
          className="sticky left-0 z-[1] flex items-center justify-center bg-inherit"
        >
          <span
            className={cx(
              'flex size-4 items-center justify-center rounded-sm border',
              selected ? 'border-accent-strong bg-accent-strong text-accent-fg' : 'border-line-strong bg-surface',
            )}
          >
            {selected && <Check size={12} strokeWidth={3} aria-hidden />}
          </span>
        </div>
      )}
      {placed.map(({ column, pinned, left }, i) => (
        <div
          key={column.id}
          id={`${id}-${position}-${i}`}
          role="gridcell"
          aria-colindex={before + i + 1}
          data-column={i}
          className={cx(
            'flex min-w-0 items-center px-2.5',
            column.numeric && 'num justify-end text-right',
            pinned && 'sticky z-[1] border-r border-line bg-inherit',
            active && i === activeColumn && 'group-focus-visible/grid:shadow-[inset_0_0_0_1.5px_var(--accent)]',
          )}
          style={pinned ? { left } : undefined}
        >
          {row === undefined ? (
            <span className={cx('h-3 rounded-sm bg-hover', column.numeric ? 'w-16' : 'w-3/5')} />
          ) : (
            <span className="truncate">{column.cell ? column.cell(row) : column.text(row)}</span>
          )}
        </div>
      ))}
    </div>
  )
}

/** One row. Drawn again only when something of it changed. */
export const Row = memo(RowCells) as typeof RowCells
