import { count } from '@/lib/format'
import { Button, IconButton } from '@/ui/button'
import { Checkbox } from '@/ui/choice'
import { Popover } from '@/ui/dialog'
import { Input } from '@/ui/input'
import { Columns3, Pin, PinOff, Search } from 'lucide-react'
import { memo, useEffect, useEffectEvent, useState, type SubmitEvent } from 'react'
import type { Column, Placed } from './columns'

/** A search field that waits for a pause in typing. */
export function TableSearch({
  value,
  onChange,
  label,
}: {
  value: string
  onChange: (value: string) => void
  label: string
}) {
  const [typed, setTyped] = useState(value)
  const [given, setGiven] = useState(value)
  const say = useEffectEvent(onChange)
  if (given !== value) {
    setGiven(value)
    setTyped(value)
  }
  useEffect(() => {
    if (typed === value) return
    const timer = setTimeout(() => say(typed), 250)
    return () => clearTimeout(timer)
  }, [typed, value])
  return (
    <div className="w-56 max-sm:w-full">
      <Input
        type="search"
        aria-label={label}
        placeholder={label}
        lead={<Search size={14} />}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        small
      />
    </div>
  )
}

function Chooser<R>(props: {
  columns: readonly Column<R>[]
  placed: readonly Placed<R>[]
  hide: (column: string, hidden: boolean) => void
  pin: (column: string, pinned: boolean) => void
  reset: () => void
}) {
  const { columns, placed } = props
  return (
    <Popover
      label="Columns"
      align="end"
      className="w-64 p-2"
      trigger={
        <Button small look="quiet" icon={<Columns3 size={14} />}>
          Columns
        </Button>
      }
    >
      <ul className="max-h-80 overflow-y-auto">
        {columns.map((column) => {
          const shown = placed.find((p) => p.column.id === column.id)
          const last = shown !== undefined && placed.length === 1
          return (
            <li key={column.id} className="flex min-h-8 items-center gap-2 px-1">
              <div className="min-w-0 flex-1">
                <Checkbox
                  label={column.header}
                  checked={shown !== undefined}
                  disabled={last}
                  onChange={(on) => props.hide(column.id, !on)}
                />
              </div>
              {shown && (
                <IconButton
                  small
                  label={shown.pinned ? `Unpin ${column.header}` : `Pin ${column.header}`}
                  onClick={() => props.pin(column.id, !shown.pinned)}
                >
                  {shown.pinned ? <PinOff size={13} /> : <Pin size={13} />}
                </IconButton>
              )}
            </li>
          )
        })}
      </ul>
      <Button small look="quiet" className="mt-1 w-full" onClick={props.reset}>
        As at first
      </Button>
    </Popover>
  )
}

/** Chooses, pins and resets columns. Not drawn again while rows are scrolled. */
export const ColumnChooser = memo(Chooser) as typeof Chooser

/** Where one is, and a way to another place. */
export function Position({
  first,
  last,
  length,
  total,
  go,
}: {
  first: number
  last: number
  length: number
  total: number | undefined
  go: (row: number) => void
}) {
  const [open, setOpen] = useState(false)
  const [text, setText] = useState('')
  if (length === 0) return null
  function submit(event: SubmitEvent) {
    event.preventDefault()
    const row = Number(text.replace(/\D/g, ''))
    if (row < 1) return
    go(Math.min(row, length) - 1)
    setOpen(false)
    setText('')
  }
  return (
    <Popover
      label="Go to a row"
      align="end"
      open={open}
      onOpenChange={setOpen}
      className="p-2"
      trigger={
        <button
          type="button"
          title="Go to a row"
          className="num h-7 rounded-md px-2 text-xs whitespace-nowrap text-muted hover:bg-hover hover:text-fg"
        >
          {count(first + 1)}–{count(Math.min(last + 1, length))} of {total === undefined ? 'more' : count(total)}
        </button>
      }
    >
      <form onSubmit={submit} className="flex gap-2">
        <Input
          aria-label="Row"
          placeholder={`Row, 1 to ${count(length)}`}
          numeric
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <Button type="submit">Go</Button>
      </form>
    </Popover>
  )
}
