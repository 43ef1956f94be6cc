import { useAllCommands, type Command } from '@/lib/commands'
import { findCommands, type Found } from '@/lib/palette'
import { cx } from '@/ui/cx'
import { Kbd } from '@/ui/kbd'
import { useListbox } from '@/ui/listbox'
import { useReturnFocus } from '@/ui/return-focus'
import { Dialog } from 'radix-ui'
import { Search } from 'lucide-react'
import { Fragment, useEffect, useState, type ReactNode } from 'react'

/** Finds things of the server by what was typed, as commands that go to them. */
export type Find = (query: string, signal: AbortSignal) => Promise<Command[]>

export interface PaletteProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  find?: Find
}

/** Everything by typing: places, actions of the page, and what the server finds. */
export function Palette({ open, onOpenChange, find }: PaletteProps) {
  const focus = useReturnFocus()
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="fade-in fixed inset-0 z-40 bg-scrim" />
        <Dialog.Content
          {...focus}
          aria-describedby={undefined}
          className="pop fade-in fixed top-[12vh] left-1/2 z-50 flex max-h-[70vh] w-[calc(100vw-24px)] max-w-xl -translate-x-1/2 flex-col overflow-hidden"
        >
          <Dialog.Title className="sr-only">Search and commands</Dialog.Title>
          <Body close={() => onOpenChange(false)} find={find} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

function Body({ close, find }: { close: () => void; find: Find | undefined }) {
  const [query, setQuery] = useState('')
  const [remote, setRemote] = useState<{ query: string; commands: readonly Command[]; failed: boolean }>({
    query: '',
    commands: [],
    failed: false,
  })
  const commands = useAllCommands().filter((c) => c.id !== 'palette')
  // What the server found matches by fields that are not shown.
  const found = remote.query === query.trim() ? findCommands(remote.commands, '') : []
  const groups = [...findCommands(commands, query.trim()), ...found]
  const flat = groups.flatMap((g) => g.found)
  const box = useListbox(flat.length, (i) => {
    const chosen = flat[i]?.command
    close()
    chosen?.run()
  })

  useEffect(() => {
    const wanted = query.trim()
    if (!find || wanted.length < 2) return
    const abort = new AbortController()
    const timer = setTimeout(() => {
      find(wanted, abort.signal).then(
        (found) => setRemote({ query: wanted, commands: found, failed: false }),
        () => abort.signal.aborted || setRemote({ query: wanted, commands: [], failed: true }),
      )
    }, 150)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [query, find])

  const asking = find !== undefined && query.trim().length >= 2 && remote.query !== query.trim()
  let index = -1
  return (
    <>
      <div className="flex items-center gap-2.5 border-b border-line px-3.5">
        <Search size={16} className="shrink-0 text-faint" aria-hidden />
        <input
          {...box.input}
          value={query}
          onChange={(event) => {
            setQuery(event.target.value)
            box.setActive(0)
          }}
          aria-label="Search and commands"
          placeholder="Where to, or what to do?"
          className="h-11 w-full bg-transparent text-base outline-none pointer-coarse:text-[16px]"
        />
        <Kbd keys="esc" />
      </div>
      <div {...box.list} aria-label="Results" className="min-h-0 overflow-y-auto p-1.5">
        {groups.map(({ group, found }) => (
          <div key={group} role="group" aria-label={group}>
            <p aria-hidden className="px-2 pt-2 pb-1 text-xs text-faint">
              {group}
            </p>
            {found.map((entry) => {
              index++
              return (
                <div
                  key={entry.command.id}
                  {...box.option(index)}
                  className={cx(
                    'flex min-h-8 items-center gap-2.5 rounded-md px-2 text-sm pointer-coarse:min-h-10',
                    index === box.active && 'bg-hover',
                  )}
                >
                  <span className="flex w-4 justify-center text-faint">{entry.command.icon}</span>
                  <span className="min-w-0 flex-1 truncate">{marked(entry)}</span>
                  {entry.command.keys !== undefined && <Kbd keys={entry.command.keys} />}
                </div>
              )
            })}
          </div>
        ))}
      </div>
      <p
        role="status"
        className={cx('px-4 text-sm text-muted', flat.length === 0 || asking || remote.failed ? 'pb-3' : 'sr-only')}
      >
        {asking
          ? 'Searching'
          : remote.failed
            ? 'The server could not be searched.'
            : flat.length === 0
              ? 'Nothing matches.'
              : ''}
      </p>
    </>
  )
}

function marked({ command, ranges }: Found): ReactNode {
  const parts: ReactNode[] = []
  let end = 0
  for (const [from, to] of ranges) {
    parts.push(
      command.label.slice(end, from),
      <b key={from} className="font-semibold text-accent">
        {command.label.slice(from, to)}
      </b>,
    )
    end = to
  }
  return (
    <Fragment>
      {parts}
      {command.label.slice(end)}
    </Fragment>
  )
}
