import { plural } from '@/lib/format'
import type { RowWindow } from '@/lib/rows'
import { Button } from '@/ui/button'
import { EmptyState, ErrorState } from '@/ui/states'
import { Note } from '@/ui/status'
import {
  useCallback,
  useEffect,
  useEffectEvent,
  useId,
  useRef,
  useState,
  useSyncExternalStore,
  type ClipboardEvent,
  type KeyboardEvent,
  type MouseEvent,
  type ReactNode,
} from 'react'
import { useColumns, type Column } from './columns'
import { HeaderCells, type Sort } from './header'
import { Row, selectWidth } from './row'
import { useScroller } from './scroll'
import { ColumnChooser, Position } from './toolbar'

const rowHeight = 32
const headHeight = 32

export interface DataTableProps<R> {
  /** Below it the browser remembers what the reader made of the columns. */
  id: string
  /** What the rows are. */
  label: string
  /** From useRows. */
  rows: RowWindow<R>
  /** Keep the array: a new one draws every row again. */
  columns: readonly Column<R>[]
  rowKey: (row: R) => string
  sort?: Sort | undefined
  onSort?: (sort: Sort | undefined) => void
  /** Enter and a click open a row. */
  onOpen?: (row: R, position: number) => void
  /** The position of a row to bring into sight: that of an address, or of what is open beside the table. */
  at?: number | undefined
  /** The columns that are shown, whenever they change: a source need not fetch others. */
  onShown?: (columns: readonly string[]) => void
  /** Keys of selected rows, with onSelect; rows cannot be selected without. */
  selected?: ReadonlySet<string>
  onSelect?: (selected: Set<string>) => void
  /** Search, filters and the like, before the table's own controls. */
  toolbar?: ReactNode
  /** What is said where there are no rows. */
  empty?: ReactNode
  /** Pixels; without, the table fills what its place in a flex column leaves. */
  height?: number
}

/**
 * A table of any length over a window of rows. Keys: j k and arrows move, Home and End go to the ends, Enter opens, x or
 * Space selects (with Shift up to here), Ctrl C copies the cell.
 */
export function DataTable<R>(props: DataTableProps<R>) {
  const { rows, columns, rowKey, selected, onOpen, onSelect } = props
  const id = useId()
  const view = useSyncExternalStore(rows.subscribe, rows.view)
  const start = selected ? selectWidth : 0
  const { placed, resize, hide, pin, reset } = useColumns(props.id, columns, start)
  const scroll = useScroller<HTMLDivElement>(view.length, rowHeight, headHeight)
  const [active, setActive] = useState({ row: 0, column: 0 })
  const anchor = useRef(0)
  const { element: grid, first, last, show } = scroll

  useEffect(() => {
    // While the bar is dragged far, nothing is fetched before it rests.
    const here = rows.at(first) !== undefined || !view.ready
    const timer = setTimeout(() => rows.want(first, Math.max(first, last)), here ? 0 : 60)
    return () => clearTimeout(timer)
  }, [rows, first, last, view.ready])

  const [shownRows, setShownRows] = useState(rows)
  if (shownRows !== rows) {
    setShownRows(rows)
    setActive({ row: 0, column: 0 })
  }
  const toTop = useEffectEvent(() => show(0, 'start'))
  useEffect(() => toTop(), [rows])

  const tellShown = useEffectEvent((shown: readonly string[]) => props.onShown?.(shown))
  useEffect(() => tellShown(placed.map((p) => p.column.id)), [placed])

  // There is no place to go to until the rows up to there are known.
  const at = props.at !== undefined && props.at < view.length ? props.at : undefined
  const [went, setWent] = useState<{ rows: RowWindow<R>; at: number }>()
  if (at !== undefined && (went?.rows !== rows || went.at !== at)) {
    setWent({ rows, at })
    setActive((was) => ({ ...was, row: at }))
  }
  const bring = useEffectEvent((row: number) => {
    if (row < scroll.top || row >= scroll.top + scroll.fit) show(Math.max(0, row - Math.floor(scroll.fit / 2)), 'start')
  })
  useEffect(() => {
    if (at !== undefined) bring(at)
  }, [rows, at])

  const move = useCallback(
    (row: number) => {
      const next = Math.min(Math.max(0, row), view.length - 1)
      setActive((was) => ({ ...was, row: next }))
      show(next)
    },
    [view.length, show],
  )

  function toggle(row: number, through: boolean) {
    const at = rows.at(row)
    if (!selected || !onSelect || at === undefined) return
    const next = new Set(selected)
    const on = !selected.has(rowKey(at))
    const from = through ? Math.min(anchor.current, row) : row
    for (let i = from; i <= (through ? Math.max(anchor.current, row) : row); i++) {
      const each = rows.at(i)
      if (each === undefined) continue
      if (on) next.add(rowKey(each))
      else next.delete(rowKey(each))
    }
    anchor.current = row
    onSelect(next)
  }

  function open(row: number) {
    const at = rows.at(row)
    if (at !== undefined) onOpen?.(at, row)
  }

  function goTo(row: number) {
    setActive((was) => ({ ...was, row }))
    show(row, 'start')
    grid.current?.focus()
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.target !== grid.current || event.ctrlKey || event.metaKey || event.altKey) return
    const { row, column } = active
    const side = (to: number) => setActive({ row, column: Math.min(Math.max(0, to), placed.length - 1) })
    const acts: Record<string, () => void> = {
      j: () => move(row + 1),
      k: () => move(row - 1),
      ArrowDown: () => move(row + 1),
      ArrowUp: () => move(row - 1),
      PageDown: () => move(row + scroll.fit),
      PageUp: () => move(row - scroll.fit),
      Home: () => move(0),
      End: () => move(view.length - 1),
      ArrowRight: () => side(column + 1),
      ArrowLeft: () => side(column - 1),
      Enter: () => open(row),
      x: () => toggle(row, false),
      X: () => toggle(row, true),
      ' ': () => toggle(row, event.shiftKey),
    }
    const act = acts[event.key]
    if (!act || view.length === 0) return
    event.preventDefault()
    event.stopPropagation()
    act()
  }

  function onCopy(event: ClipboardEvent) {
    if (window.getSelection()?.isCollapsed === false) return
    const row = rows.at(active.row)
    const column = placed[active.column]?.column
    if (row === undefined || !column) return
    event.clipboardData.setData('text/plain', column.text(row))
    event.preventDefault()
  }

  function onClick(event: MouseEvent) {
    const target = event.target as Element
    const row = target.closest<HTMLElement>('[data-position]')
    // A link in a cell does what it does; a text being marked is no click.
    if (!row || target.closest('a,button') || window.getSelection()?.isCollapsed === false) return
    const position = Number(row.dataset['position'])
    const column = Number(target.closest<HTMLElement>('[data-column]')?.dataset['column'] ?? active.column)
    setActive({ row: position, column })
    if (target.closest('[data-select]')) toggle(position, event.shiftKey)
    else open(position)
  }

  const positions = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i)
  // A row's place on the screen is reused by the row that comes into sight: moving is cheaper than making.
  const pool = scroll.fit + 16
  const template = [
    ...(selected ? [`${selectWidth}px`] : []),
    ...placed.map((p) => `${p.width}px`),
    'minmax(0, 1fr)',
  ].join(' ')
  const width = placed.reduce((all, p) => all + p.width, start)
  const activeShown = active.row >= first && active.row <= last
  const failed = view.error !== undefined

  return (
    <section className="flex min-h-0 flex-1 flex-col" style={{ height: props.height }}>
      <div className="mb-2 flex flex-wrap items-center gap-1.5">
        {props.toolbar}
        <span className="ml-auto flex items-center">
          {selected && selected.size > 0 && (
            <span className="num px-2 text-xs text-muted">{plural(selected.size, 'row')} selected</span>
          )}
          <Position
            first={scroll.top}
            last={scroll.top + scroll.fit - 1}
            length={view.length}
            total={view.total}
            go={goTo}
          />
          <ColumnChooser columns={columns} placed={placed} hide={hide} pin={pin} reset={reset} />
        </span>
      </div>
      <div
        ref={grid}
        role="grid"
        tabIndex={0}
        aria-label={props.label}
        aria-rowcount={view.total === undefined ? -1 : view.total + 1}
        aria-colcount={placed.length + (selected ? 1 : 0)}
        aria-multiselectable={selected ? true : undefined}
        aria-busy={view.loading}
        aria-activedescendant={activeShown && view.length > 0 ? `${id}-${active.row}-${active.column}` : undefined}
        onKeyDown={onKeyDown}
        onCopy={onCopy}
        onClick={onClick}
        className="group/grid card relative min-h-40 flex-1 overflow-auto overscroll-contain outline-offset-[-2px]"
        style={{ ['--columns' as string]: template }}
      >
        <div role="rowgroup" className="sticky top-0 z-20 bg-sunken" style={{ minWidth: width }}>
          <div
            role="row"
            aria-rowindex={1}
            className="grid border-b border-line bg-sunken"
            style={{ gridTemplateColumns: 'var(--columns)', height: headHeight }}
          >
            {selected && (
              <div role="columnheader" aria-colindex={1} className="sticky left-0 z-10 bg-inherit">
                <span className="sr-only">Selected</span>
              </div>
            )}
            <HeaderCells
              placed={placed}
              before={selected ? 1 : 0}
              sort={props.sort}
              onSort={props.onSort}
              resize={resize}
            />
          </div>
        </div>
        <div role="rowgroup" className="relative" style={{ height: scroll.height, minWidth: width }}>
          {positions.map((position) => {
            const row = rows.at(position)
            return (
              <Row
                key={position % pool}
                id={id}
                position={position}
                row={row}
                placed={placed}
                y={scroll.y(position)}
                height={rowHeight}
                active={position === active.row}
                activeColumn={active.column}
                selected={selected && (row === undefined ? false : selected.has(rowKey(row)))}
                openable={onOpen !== undefined}
              />
            )
          })}
        </div>
        {!view.ready && !failed && <Waiting />}
        {view.length === 0 && view.ready && <Message>{props.empty ?? <EmptyState title="No rows" />}</Message>}
        {failed && !view.ready && (
          <Message>
            <ErrorState error={view.error} onRetry={() => rows.retry()} />
          </Message>
        )}
      </div>
      {failed && view.ready && (
        <div className="mt-2" role="alert">
          <Note tone="bad">
            <span className="flex flex-wrap items-center gap-3">
              Some rows could not be loaded:{' '}
              {view.error instanceof Error ? view.error.message : 'the reason is not known.'}
              <Button small onClick={() => rows.retry()}>
                Try again
              </Button>
            </span>
          </Note>
        </div>
      )}
    </section>
  )
}

/** What stands in place of rows: a grid holds nothing else. */
function Message({ children }: { children: ReactNode }) {
  return (
    <div role="row" className="sticky left-0">
      <div role="gridcell">{children}</div>
    </div>
  )
}

function Waiting() {
  return (
    <div role="status" aria-label="Loading rows" className="sticky left-0">
      {Array.from({ length: 8 }, (_, i) => (
        <div key={i} aria-hidden className="flex h-8 items-center gap-6 border-b border-line px-2.5">
          <span className="h-3 w-24 animate-pulse rounded-sm bg-hover" />
          <span className="h-3 w-40 animate-pulse rounded-sm bg-hover" />
          <span className="h-3 w-20 animate-pulse rounded-sm bg-hover" />
        </div>
      ))}
    </div>
  )
}
