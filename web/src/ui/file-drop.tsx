import { bytes } from '@/lib/format'
import { asProblem } from '@/lib/problem'
import { CircleCheck, CircleX, FileUp, X } from 'lucide-react'
import { useEffect, useEffectEvent, useId, useRef, useState, type RefObject } from 'react'
import { Button, IconButton } from './button'
import { cx } from './cx'

/** Uploads one file: calls progress with 0 to 1, honours the signal. */
export type Upload = (file: File, progress: (share: number) => void, signal: AbortSignal) => Promise<void>

export interface FileDropProps {
  upload: Upload
  /** As in a file input: ".csv,.parquet". */
  accept?: string
  multiple?: boolean
  /** Bytes a file may have; a larger one is refused before it is sent. */
  limit?: number
  /** What may be dropped: "CSV, Parquet, Excel or JSON". */
  hint?: string
}

interface Item {
  id: number
  file: File
  share: number
  state: 'sending' | 'done' | 'failed'
  why?: string
}

/**
 * Takes files that are dropped or pasted anywhere on the page, or, while a dialog is open, on it: one who misses the
 * area would otherwise have the browser open the file in place of the app. Answers whether files hang over the page.
 */
function useDropAnywhere(area: RefObject<HTMLElement | null>, take: (files: Iterable<File>) => void): boolean {
  const [over, setOver] = useState(false)
  const taken = useEffectEvent(take)
  useEffect(() => {
    const mine = (event: Event) => {
      const dialog = [...document.querySelectorAll('[role=dialog],[role=alertdialog]')].at(-1)
      return !event.defaultPrevented && (!dialog || dialog.contains(area.current))
    }
    const withFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true && mine(event)
    const on = {
      dragover: (event: DragEvent) => {
        if (!withFiles(event)) return
        event.preventDefault()
        setOver(true)
      },
      // Without a target that it goes to, it leaves the window.
      dragleave: (event: DragEvent) => event.relatedTarget === null && setOver(false),
      drop: (event: DragEvent) => {
        setOver(false)
        if (!withFiles(event)) return
        event.preventDefault()
        taken(event.dataTransfer?.files ?? [])
      },
      paste: (event: ClipboardEvent) => {
        const files = event.clipboardData?.files
        if (!files?.length || !mine(event)) return
        event.preventDefault()
        taken(files)
      },
    }
    const listening = new AbortController()
    const { signal } = listening
    document.addEventListener('dragover', on.dragover, { signal })
    document.addEventListener('dragleave', on.dragleave, { signal })
    document.addEventListener('drop', on.drop, { signal })
    document.addEventListener('paste', on.paste, { signal })
    return () => listening.abort()
  }, [area])
  return over
}

/** A place for files: by dragging, by pasting, by the keyboard. Each shows its progress, can be cancelled and tried again. */
export function FileDrop({ upload, accept, multiple, limit, hint }: FileDropProps) {
  const id = useId()
  const [items, setItems] = useState<Item[]>([])
  const made = useRef(0)
  const sending = useRef(new Map<number, AbortController>())

  useEffect(() => {
    const all = sending.current
    return () => {
      for (const abort of all.values()) abort.abort()
    }
  }, [])

  const patch = (item: number, change: Partial<Item>) =>
    setItems((now) => now.map((x) => (x.id === item ? { ...x, ...change } : x)))

  async function send(item: Item) {
    if (limit !== undefined && item.file.size > limit) {
      patch(item.id, { state: 'failed', why: `It has ${bytes(item.file.size)}; at most ${bytes(limit)} are taken.` })
      return
    }
    const abort = new AbortController()
    sending.current.set(item.id, abort)
    patch(item.id, { state: 'sending', share: 0 })
    try {
      await upload(item.file, (share) => patch(item.id, { share }), abort.signal)
      patch(item.id, { state: 'done', share: 1 })
    } catch (cause) {
      if (!abort.signal.aborted) patch(item.id, { state: 'failed', why: asProblem(cause).message })
    } finally {
      sending.current.delete(item.id)
    }
  }

  function take(files: Iterable<File>) {
    const taken = [...files]
      .slice(0, multiple ? undefined : 1)
      .map((file): Item => ({ id: ++made.current, file, share: 0, state: 'sending' }))
    setItems((now) => (multiple ? [...now, ...taken] : taken))
    for (const item of taken) void send(item)
  }

  function remove(item: Item) {
    sending.current.get(item.id)?.abort()
    setItems((now) => now.filter((x) => x.id !== item.id))
  }

  const area = useRef<HTMLLabelElement>(null)
  const over = useDropAnywhere(area, take)

  return (
    <div className="flex flex-col gap-2">
      <label
        ref={area}
        htmlFor={id}
        className={cx(
          'flex cursor-pointer flex-col items-center gap-1 rounded-lg border border-dashed px-4 py-6 text-center text-sm has-focus-visible:outline-2 has-focus-visible:outline-accent',
          over ? 'border-accent bg-accent-soft' : 'border-line-strong hover:bg-hover',
        )}
      >
        <FileUp size={20} className="text-muted" aria-hidden />
        {over ? (
          <span>Let go anywhere to send {multiple ? 'them' : 'it'}</span>
        ) : (
          <span>
            Drop {multiple ? 'files' : 'a file'} here, or{' '}
            <span className="text-accent underline">choose {multiple ? 'them' : 'one'}</span>
          </span>
        )}
        {hint !== undefined && <span className="text-xs text-muted">{hint}</span>}
        <input
          id={id}
          type="file"
          className="sr-only"
          accept={accept}
          multiple={multiple === true}
          onChange={(event) => {
            take(event.target.files ?? [])
            event.target.value = '' // so that the same file can be chosen again
          }}
        />
      </label>
      <ul className="flex flex-col gap-1.5" aria-label="Files" aria-live="polite">
        {items.map((item) => (
          <li key={item.id} className="flex items-center gap-2.5 rounded-md border border-line px-2.5 py-1.5 text-sm">
            {item.state === 'done' && <CircleCheck size={15} className="shrink-0 text-ok" aria-label="Uploaded" />}
            {item.state === 'failed' && <CircleX size={15} className="shrink-0 text-bad" aria-label="Failed" />}
            <div className="min-w-0 flex-1">
              <p className="flex justify-between gap-3">
                <span className="truncate">{item.file.name}</span>
                <span className="num shrink-0 text-xs text-muted">
                  {item.state === 'sending' && `${Math.floor(item.share * 100)}% of `}
                  {bytes(item.file.size)}
                </span>
              </p>
              {item.state === 'sending' && (
                <div
                  role="progressbar"
                  aria-label={item.file.name}
                  aria-valuemin={0}
                  aria-valuemax={100}
                  aria-valuenow={Math.floor(item.share * 100)}
                  className="mt-1 h-1 overflow-hidden rounded-full bg-hover"
                >
                  <div className="h-full bg-accent-strong" style={{ width: `${item.share * 100}%` }} />
                </div>
              )}
              {item.why !== undefined && item.state === 'failed' && <p className="text-xs text-bad">{item.why}</p>}
            </div>
            {item.state === 'failed' && (
              <Button small onClick={() => void send(item)}>
                Try again
              </Button>
            )}
            <IconButton
              label={item.state === 'sending' ? `Cancel ${item.file.name}` : `Remove ${item.file.name}`}
              small
              onClick={() => remove(item)}
            >
              <X size={14} />
            </IconButton>
          </li>
        ))}
      </ul>
    </div>
  )
}
